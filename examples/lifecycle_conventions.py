"""
Messages about the life of resources need no schema: the media type says what they hold.

created   uri
changed   uri, and perhaps field_name and new_value
deleted   id, because there is nothing left to fetch
"""

from os import environ
from tempfile import TemporaryDirectory
from typing import Any

from microcosm_pubsub import ConsumerDaemon, changed, created, deleted, handles
from microcosm_pubsub.conventions import make_media_type


@handles(created("order"))
def order_created(message: dict[str, Any]) -> bool:
    print("created:", message["uri"])
    return True


@handles(changed("order"))
def order_changed(message: dict[str, Any]) -> bool:
    print("changed:", message["uri"], message["field_name"], "is now", message["new_value"])
    return True


@handles(deleted("order"))
def order_deleted(message: dict[str, Any]) -> bool:
    print("deleted:", message["id"])
    return True


class OrdersDaemon(ConsumerDaemon):
    name = "orders"
    defaults = {"logging": {"level": "CRITICAL"}}


if __name__ == "__main__":
    print(created("order"))
    print(created("Shop.GiftCard", organization="example", public=True))
    print(make_media_type("order", "archived", organization="example"))
    with TemporaryDirectory() as directory:
        environ["PUBSUB_BROKER_URL"] = f"sqlite:///{directory}/pubsub.db"
        daemon = OrdersDaemon()
        daemon.initialize()
        producer = daemon.graph.sns_producer
        producer.produce(created("order"), uri="https://orders.example.com/1")
        producer.produce(changed("order"), uri="https://orders.example.com/1", field_name="status", new_value="paid")
        producer.produce(deleted("order"), id="1")
        daemon.graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers)
