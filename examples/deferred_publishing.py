"""
Publish at the end of a block, and only if it ends cleanly.

A deferred producer stands for the real one while a unit of work may still be undone. What it is given is
checked at once; what it was given is published when the block ends.
"""

from microcosm_pubsub import Producer, created, make_producer
from microcosm_pubsub.matchers import published_messages_for
from microcosm_pubsub.producer import DeferredProducer, deferred


class OrderController:
    def __init__(self, sns_producer: Producer) -> None:
        self.sns_producer = sns_producer

    def create(self, *order_ids: int | None) -> None:
        for order_id in order_ids:
            if order_id is None:
                raise LookupError("no such order")
            self.sns_producer.produce(created("order"), uri=f"https://orders.example.com/{order_id}")


if __name__ == "__main__":
    sns_producer = make_producer("orders", testing=True)

    def show(when: str) -> None:
        print(f"{when}: {len(published_messages_for(sns_producer))} published")

    with DeferredProducer(sns_producer) as producer:
        producer.produce(created("order"), uri="https://orders.example.com/1")
        show("within the block")
    show("after the block")

    controller = OrderController(sns_producer)
    create = deferred(controller)(controller.create)
    create(2, 3)
    show("after a call that returned")
    try:
        create(4, None)
    except LookupError:
        show("after a call that raised")
