"""
A daemon that keeps the books of a shop's orders; `pubsub demo` runs it.

    python examples/orders/daemon.py --sqs-queue-url URL
"""

from collections import Counter
from typing import Any

from marshmallow import fields
from microcosm.api import binding

from microcosm_pubsub import ConsumerDaemon, PubSubMessageSchema, RetryPolicy, changed, created, handles, schema


@schema
class OrderCancelledSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.example.pubsub.order_cancelled"

    order_id = fields.String(required=True)
    reason = fields.String(required=True)


@binding("order_created_handler")
@handles(created("order"))
class OrderCreatedHandler:
    def __init__(self, graph: Any) -> None:
        self.attempts: Counter[str] = Counter()

    def __call__(self, message: dict[str, Any]) -> bool:
        self.attempts[message["uri"]] += 1
        if message["uri"].endswith("/broken"):
            raise RuntimeError("the warehouse does not know this order")
        if message["uri"].endswith("/flaky") and self.attempts[message["uri"]] < 3:
            raise ConnectionError("the warehouse did not answer")
        return True


@handles(changed("order"))
def order_changed(message: dict[str, Any]) -> bool:
    return message.get("field_name") != "note"  # nobody needs to know of notes


@handles(OrderCancelledSchema)
def order_cancelled(message: dict[str, Any]) -> bool:
    return True


class OrdersDaemon(ConsumerDaemon):
    name = "orders"

    # twice more after the first attempt, then to the dead-letter queue
    retry = RetryPolicy(max_attempts=3)


if __name__ == "__main__":
    OrdersDaemon().run()
