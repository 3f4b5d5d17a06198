"""
Wrap the handlers of a daemon, and be told of their results.

A layer of middleware decides whether and how the handler is called, and may change the outcome. An observer
comes last, when the message is settled, and can change nothing: prefer it.
"""

from collections import Counter

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


@binding("outcome_counter")
class OutcomeCounter:
    def __init__(self, graph):
        self.outcomes = Counter()

    def __call__(self, message, result):
        self.outcomes[str(result.result)] += 1


@handles(created("order"))
def order_created(message):
    print("handling", message["uri"])
    return True


class OrdersDaemon(ConsumerDaemon):
    name = "orders"
    middleware = ["skip_duplicates"]
    observers = ["outcome_counter"]


if __name__ == "__main__":
    daemon = OrdersDaemon.create_for_testing(loader=load_from_dict(sns_producer={"mock_sns": True}))
    for number in (1, 2, 1):
        daemon.graph.sns_producer.produce(created("order"), uri=f"https://orders.example.com/{number}")
    daemon.graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers)
    print(dict(daemon.graph.outcome_counter.outcomes))
