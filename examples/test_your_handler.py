"""
Test a handler with pytest: `pytest examples/test_your_handler.py`.

A daemon's testing graph records what is published; nothing is patched, and nothing leaves the process.
"""

from typing import Any

from hamcrest import all_of, assert_that
from microcosm.api import binding

from microcosm_pubsub import ConsumerDaemon, created, handles
from microcosm_pubsub.matchers import has_media_type, has_uri, published, published_nothing


ORDER_URI = "https://orders.example.com/1"


@binding("invoice_order")
@handles(created("order"))
class InvoiceOrder:
    def __init__(self, graph: Any) -> None:
        self.sns_producer = graph.sns_producer

    def __call__(self, message: dict[str, Any]) -> bool:
        if message["uri"].endswith("/free"):
            return False
        self.sns_producer.produce(created("invoice"), uri=f"{message['uri']}/invoice")
        return True


class InvoicingDaemon(ConsumerDaemon):
    name = "invoicing"
    components = ["invoice_order"]


def test_an_order_is_invoiced() -> None:
    graph = InvoicingDaemon.create_for_testing().graph

    assert graph.invoice_order({"uri": ORDER_URI})

    invoice = all_of(has_media_type(created("invoice")), has_uri(f"{ORDER_URI}/invoice"))
    assert_that(graph.sns_producer, published(invoice))


def test_a_free_order_is_not() -> None:
    graph = InvoicingDaemon.create_for_testing().graph

    assert not graph.invoice_order({"uri": f"{ORDER_URI}/free"})

    assert_that(graph.sns_producer, published_nothing())


if __name__ == "__main__":
    for test in (test_an_order_is_invoiced, test_a_free_order_is_not):
        test()
        print("passed:", test.__name__)
