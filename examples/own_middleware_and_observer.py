"""
Wrap the handlers of a daemon, and be told of their results.

A layer decides whether and how the handler is called. An observer comes last, and can change nothing: prefer it.
"""

from microcosm.api import binding, load_from_dict

from microcosm_pubsub.conventions import created
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.decorators import handles
from microcosm_pubsub.errors import SkipMessage


@binding("skip_duplicates")
def configure_skip_duplicates(graph):
    seen = set()

    def layer(call_next, message):
        if message.uri in seen:
            raise SkipMessage("handled before")
        outcome = call_next(message)
        seen.add(message.uri)
        return outcome

    return layer


@binding("print_results")
def configure_print_results(graph):
    return lambda message, result: print(result.result, message.uri)


@handles(created("order"))
def order_created(message):
    print("handling", message["uri"])
    return True


class OrdersDaemon(ConsumerDaemon):
    name = "orders"
    middleware = ["skip_duplicates"]
    observers = ["print_results"]


# mock_sns leaves the producer real, and replaces its SNS client alone
LOADER = load_from_dict(sns_producer={"mock_sns": True}, logging={"level": "CRITICAL"})


if __name__ == "__main__":
    daemon = OrdersDaemon.create_for_testing(loader=LOADER)
    for number in (1, 2, 1):
        daemon.graph.sns_producer.produce(created("order"), uri=f"https://orders.example.com/{number}")
    daemon.graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers)
