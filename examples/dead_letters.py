"""
See what failed too often in the dead-letter queue, and send it back when the handler is mended.

With a broker, a daemon makes the dead-letter queue when it makes its queue. In AWS, where both are made by your
infrastructure's code, the calls are the same.
"""

from os import environ
from tempfile import TemporaryDirectory
from typing import Any

from microcosm_pubsub import ConsumerDaemon, Nack, created, handles


warehouse = {"open": False}


@handles(created("order"))
def order_created(message: dict[str, Any]) -> bool:
    if not warehouse["open"]:
        raise Nack(0, reason="the warehouse is closed")
    return True


class OrdersDaemon(ConsumerDaemon):
    name = "orders"
    defaults = {
        "logging": {"level": "CRITICAL"},
        "pubsub_broker": {"max_receive_count": 2},
        "sqs_consumer": {"wait_seconds": 0},
    }


if __name__ == "__main__":
    with TemporaryDirectory() as directory:
        environ["PUBSUB_BROKER_URL"] = f"sqlite:///{directory}/pubsub.db"
        daemon = OrdersDaemon()
        daemon.initialize()
        graph = daemon.graph

        def handle() -> None:
            results = graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers)
            print(", ".join(str(result.outcome) for result in results) or "nothing to handle")

        graph.sns_producer.produce(created("order"), uri="https://orders.example.com/1")
        for _ in range(3):
            handle()
        queue = {"QueueUrl": "orders-dead-letters", "AttributeNames": ["QueueArn", "ApproximateNumberOfMessages"]}
        dead_letters = graph.sqs_client.get_queue_attributes(**queue)["Attributes"]
        print("in the dead-letter queue:", dead_letters["ApproximateNumberOfMessages"])

        warehouse["open"] = True
        graph.sqs_client.start_message_move_task(SourceArn=dead_letters["QueueArn"])
        handle()
