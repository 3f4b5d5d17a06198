"""
Wrap the handlers of a daemon, and be told of their results.

A layer decides whether and how the handler is called. An observer comes last, and can change nothing: prefer it.
"""

from os import environ
from tempfile import TemporaryDirectory
from typing import Any

from microcosm_pubsub import ConsumerDaemon, MessageHandlingResult, SkipMessage, SQSMessage, created, handles
from microcosm_pubsub.types import Call


handled: set[str | None] = set()


def skip_duplicates(call_next: Call, message: SQSMessage) -> Any:
    if message.uri in handled:
        raise SkipMessage("handled before")
    outcome = call_next(message)
    handled.add(message.uri)
    return outcome


def print_results(message: SQSMessage, result: MessageHandlingResult) -> None:
    print(result.outcome, message.uri)


@handles(created("order"))
def order_created(message: dict[str, Any]) -> bool:
    print("handling", message["uri"])
    return True


class OrdersDaemon(ConsumerDaemon):
    name = "orders"
    middleware = [skip_duplicates]
    observers = [print_results]
    defaults = {"logging": {"level": "CRITICAL"}}


if __name__ == "__main__":
    with TemporaryDirectory() as directory:
        environ["PUBSUB_BROKER_URL"] = f"sqlite:///{directory}/pubsub.db"
        daemon = OrdersDaemon()
        daemon.initialize()
        for number in (1, 2, 1):
            daemon.graph.sns_producer.produce(created("order"), uri=f"https://orders.example.com/{number}")
        daemon.graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers)
