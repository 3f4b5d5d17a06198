"""
Write a handler as a chain of small functions.

Each link takes what it needs from the chain's context, by the names of its parameters, and `extracts` says
under which name its result is kept. A link ends the chain by raising.
"""

from os import environ
from tempfile import TemporaryDirectory
from typing import Any

from microcosm.api import binding

from microcosm_pubsub import ConsumerDaemon, SkipMessage, created, handles
from microcosm_pubsub.chain import Chain, extracts, when
from microcosm_pubsub.handlers import ChainHandler


@extracts("order_id")
def parse_uri(message: dict[str, Any]) -> int:
    return int(message["uri"].rpartition("/")[2])


@extracts("is_large")
def find_size(order_id: int) -> bool:
    if order_id > 1000:
        raise SkipMessage("an order of last year")
    return order_id >= 100


@binding("ship_order")
@handles(created("order"))
class ShipOrder(ChainHandler):
    def get_chain(self) -> Chain:
        return Chain(parse_uri, find_size, when("is_large").then(self.by_truck).otherwise(self.by_bike))

    def by_truck(self, order_id: int) -> None:
        print(f"order {order_id} goes by truck")

    def by_bike(self, order_id: int) -> None:
        print(f"order {order_id} goes by bike")


class ShippingDaemon(ConsumerDaemon):
    name = "shipping"
    components = ["ship_order"]
    defaults = {"logging": {"level": "CRITICAL"}}


if __name__ == "__main__":
    with TemporaryDirectory() as directory:
        environ["PUBSUB_BROKER_URL"] = f"sqlite:///{directory}/pubsub.db"
        daemon = ShippingDaemon()
        daemon.initialize()
        for order_id in (7, 100, 2000):
            daemon.graph.sns_producer.produce(created("order"), uri=f"https://orders.example.com/{order_id}")
        for result in daemon.graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers):
            print(result.outcome, *result.extra.values())
