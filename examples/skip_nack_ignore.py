"""
What a handler may do, and what becomes of its message.

SUCCEEDED, SKIPPED, IGNORED and EXPIRED messages are deleted. RETRIED and FAILED ones become visible again
later; after as many receives as its queue's redrive policy allows, SQS takes them to the dead-letter queue.
"""

from microcosm.api import load_from_dict

from microcosm_pubsub.conventions import created
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.decorators import handles
from microcosm_pubsub.errors import IgnoreMessage, Nack, SkipMessage


@handles(created("order"))
def handle_order(message):
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


# mock_sns leaves the producer real, and replaces its SNS client alone
LOADER = load_from_dict(sns_producer={"mock_sns": True}, logging={"level": "CRITICAL"})


if __name__ == "__main__":
    daemon = OrdersDaemon.create_for_testing(loader=LOADER)
    graph = daemon.graph
    uris = ["done", "nothing to do", "nothing to do, and why", "not for us", "not now", "boom"]
    for uri in uris:
        graph.sns_producer.produce(created("order"), uri=uri)
    graph.sns_producer.produce(created("invoice"), uri="nobody handles invoices")
    results = graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers)
    for uri, result in zip([*uris, "no handler"], results, strict=True):
        settled = "comes again" if result.retry else "deleted"
        print(f"{uri:24}{result.result!s:12}{settled:14}{result.extra.get('reason', '')}".rstrip())
    print("left in the queue:", len(graph.pubsub_testing.engine.messages(graph.sqs_consumer.sqs_queue_url)))
