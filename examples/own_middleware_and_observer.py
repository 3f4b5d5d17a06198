"""
Wrap the handlers of a daemon, and be told of their results.

A layer decides whether and how the handler is called. An observer comes last, and can change nothing: prefer it.
"""

from os import environ
from tempfile import TemporaryDirectory

from microcosm.api import binding

from microcosm_pubsub import ConsumerDaemon, SkipMessage, created, handles


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
    defaults = {"logging": {"level": "CRITICAL"}}


if __name__ == "__main__":
    with TemporaryDirectory() as directory:
        environ["PUBSUB_BROKER_URL"] = f"sqlite:///{directory}/pubsub.db"
        daemon = OrdersDaemon()
        daemon.initialize()
        for number in (1, 2, 1):
            daemon.graph.sns_producer.produce(created("order"), uri=f"https://orders.example.com/{number}")
        daemon.graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers)
