"""
See, and change, every message on its way to its topic: a step before it is encoded, a layer around the call.
"""

from collections.abc import Sequence

from microcosm_pubsub import ConsumerDaemon, created
from microcosm_pubsub.producer import ProduceResult, PublishCall, PubsubMessage


def name_the_tenant(message: PubsubMessage) -> None:
    message.opaque_data["x-tenant"] = message.content["uri"].split("/")[3]


def say_what_is_published(call_next: PublishCall, messages: Sequence[PubsubMessage]) -> list[ProduceResult]:
    results = call_next(messages)
    for message, result in zip(messages, results, strict=True):
        print(message.media_type, message.opaque_data["x-tenant"], "published" if result.ok else result.error)
    return results


class OrdersDaemon(ConsumerDaemon):
    name = "orders"
    publish_steps = [name_the_tenant]
    publish_layers = [say_what_is_published]


if __name__ == "__main__":
    graph = OrdersDaemon.create_for_testing(loader=lambda _: {"sns_producer": {"mock_sns": True}}).graph
    graph.sns_producer.produce(created("order"), uri="https://example.com/acme/orders/1")
