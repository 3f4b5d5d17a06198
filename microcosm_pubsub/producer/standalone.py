"""
A producer for programs that have no object graph of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from microcosm.api import create_object_graph, load_each, load_from_dict, load_from_environ

from microcosm_pubsub.producer.sns import SNSProducer


def make_producer(
    name: str = "producer",
    *,
    topic_arn: str | None = None,
    topic_arns: Mapping[str, str] | None = None,
    broker_url: str | None = None,
    testing: bool = False,
    **config: Mapping[str, Any],
) -> SNSProducer:
    """
    Return a producer, with an object graph made for it; it may be used by several threads.

        producer = make_producer("shop", topic_arn="arn:aws:sns:eu-west-1:123456789012:events")
        producer.produce(created("order"), uri="https://shop.example.com/orders/1")

    Its settings may come from the environment too, as `SHOP__SNS_TOPIC_ARNS__DEFAULT`; those of the call win.

    :param name: of the program, which begins its variables in the environment
    :param topic_arn: the topic of all media types that have none of their own
    :param topic_arns: the topic of each media type
    :param broker_url: of the embedded broker's database; without it, and without `PUBSUB_BROKER_URL`, it is AWS
    :param testing: whether it publishes to topics in memory, and records its calls
    :param config: more configuration, by binding name
    :raises ConfigurationError: if a setting cannot work
    """
    topics: dict[str, Any] = {}
    if topic_arn is not None:
        topics["default"] = topic_arn
    if topic_arns is not None:
        topics["mappings"] = dict(topic_arns)
    given: dict[str, Any] = {"sns_topic_arns": topics, "pubsub_broker": {"url": broker_url} if broker_url else {}}
    loader = load_each(load_from_environ, load_from_dict(given), load_from_dict(config))
    graph = create_object_graph(name, testing=testing, loader=loader)
    graph.use("opaque", "sns_producer")
    graph.lock()
    producer: SNSProducer = graph.sns_producer
    return producer
