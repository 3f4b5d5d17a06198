"""
What a handler may do, and what becomes of its message.

SUCCEEDED, SKIPPED, IGNORED and EXPIRED messages are deleted. RETRIED and FAILED ones become visible again
later; after as many receives as its queue's redrive policy allows, SQS takes them to the dead-letter queue.
"""

from json import dumps
from os import environ
from tempfile import TemporaryDirectory
from typing import Any

from microcosm_pubsub import ConsumerDaemon, IgnoreMessage, Nack, SkipMessage, created, handles


@handles(created("order"))
def handle_order(message: dict[str, Any]) -> bool:
    match message["uri"]:
        case "done":
            return True
        case "nothing to do":
            return False
        case "nothing to do, and why":
            raise SkipMessage("the order is paid already")
        case "not for us":
            raise IgnoreMessage("an order of another shop")
        case "not now":
            raise Nack(30, reason="the warehouse is closed")
        case _:
            raise RuntimeError("the warehouse does not know this order")


class OrdersDaemon(ConsumerDaemon):
    name = "orders"
    defaults = {"logging": {"level": "CRITICAL"}}


if __name__ == "__main__":
    with TemporaryDirectory() as directory:
        environ["PUBSUB_BROKER_URL"] = f"sqlite:///{directory}/pubsub.db"
        daemon = OrdersDaemon()
        daemon.initialize()
        uris = ["done", "nothing to do", "nothing to do, and why", "not for us", "not now", "boom"]
        for uri in uris:
            daemon.graph.sns_producer.produce(created("order"), uri=uri)
        # straight to the queue, which is not subscribed to what nobody handles
        invoice = dumps({"mediaType": created("invoice"), "uri": "https://invoices.example.com/1"})
        daemon.graph.sqs_client.send_message(QueueUrl="orders", MessageBody=invoice)
        results = daemon.graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers)
        for uri, result in zip([*uris, "no handler"], results, strict=True):
            settled = "comes again" if result.retry else "deleted"
            print(f"{uri:24}{result.outcome!s:12}{settled:14}{result.extra.get('reason', '')}".rstrip())
        hidden = ["ApproximateNumberOfMessagesNotVisible"]
        left = daemon.graph.sqs_client.get_queue_attributes(QueueUrl="orders", AttributeNames=hidden)["Attributes"]
        print("left in the queue, until they come again:", *left.values())
