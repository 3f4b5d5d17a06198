"""
Publish at the end of a block, and only if it ends cleanly.

A deferred producer stands for the real one while a unit of work may still be undone. What it is given is
checked at once; what it was given is published when the block ends.
"""

from microcosm.api import create_object_graph

from microcosm_pubsub import created
from microcosm_pubsub.matchers import published_messages_for
from microcosm_pubsub.producer import DeferredProducer, deferred


class OrderController:
    def __init__(self, graph):
        self.sns_producer = graph.sns_producer

    def create(self, *order_ids):
        for order_id in order_ids:
            if order_id is None:
                raise LookupError("no such order")
            self.sns_producer.produce(created("order"), uri=f"https://orders.example.com/{order_id}")


if __name__ == "__main__":
    graph = create_object_graph("orders", testing=True)
    graph.use("sns_producer")
    graph.lock()

    def show(when):
        print(f"{when}: {len(published_messages_for(graph.sns_producer))} published")

    with DeferredProducer(graph.sns_producer) as producer:
        producer.produce(created("order"), uri="https://orders.example.com/1")
        show("within the block")
    show("after the block")

    controller = OrderController(graph)
    create = deferred(controller)(controller.create)
    create(2, 3)
    show("after a call that returned")
    try:
        create(4, None)
    except LookupError:
        show("after a call that raised")
