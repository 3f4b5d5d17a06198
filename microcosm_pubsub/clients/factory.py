"""
The clients of a graph: boto3's, the broker's, a reader of a file, or one that records calls for tests.
"""

from __future__ import annotations

from typing import Any

from microcosm.api import typed

from microcosm_pubsub.clients.boto import LOCAL_REGION, make_client
from microcosm_pubsub.clients.protocols import AdminQueueClient, QueueClient, TopicClient, as_admin
from microcosm_pubsub.clients.urls import endpoint_of, region_of, region_of_arn
from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults, find_component
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.fast.transport import TRANSPORTS
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.reader import LAMBDA, Reader, SQSFileReader, SQSStdInReader, is_path, is_stdin, is_url


def pool_defaults(key: str) -> dict[str, Any]:
    """Return the defaults of a client's connections and retries."""
    return {
        "transport": typed(values.choice(f"{key}.transport", *TRANSPORTS), default_value="auto"),
        "max_pool_connections": typed(values.integer(f"{key}.max_pool_connections", minimum=1), default_value=25),
        "max_attempts": typed(values.integer(f"{key}.max_attempts", minimum=1), default_value=3),
    }


@defaults(
    connect_timeout=typed(values.number("sqs_client.connect_timeout", minimum=0), default_value=10.0),
    read_timeout=typed(values.number("sqs_client.read_timeout", minimum=0), default_value=60.0),
    **pool_defaults("sqs_client"),
)
def configure_sqs_client(graph: PubSubGraph) -> QueueClient:
    """
    Configure the client of the graph's queue, bound as `sqs_client`.

    For `STDIN` or a file it is a reader; in testing graphs it records its calls, over a broker in memory; in a graph
    that has a broker it is the broker's.
    """
    source = graph.config.sqs_consumer.sqs_queue_url
    if isinstance(source, Reader):
        return source
    if source and is_stdin(source):
        return SQSStdInReader()
    if graph.metadata.testing:
        # A queue that a test names may be called as a file here is; only what looks like a path is one.
        is_file = source and is_path(source) and SQSFileReader.can_read(source)
        return SQSFileReader(source) if is_file else graph.pubsub_testing.sqs_client
    if source == LAMBDA:
        return Reader()
    if source and not is_url(source) and SQSFileReader.can_read(source):
        return SQSFileReader(source)
    if source and is_path(source):
        # Before a client is made, which may lack a region as well.
        raise ConfigurationError(f"Cannot read messages from {source}: there is no such file")
    return make_queue_client(graph)


def find_account_client(graph: PubSubGraph) -> AdminQueueClient:
    """
    Return the client of the account's queues, wherever the graph's messages come from.

    :returns: the graph's own, or, where its messages come with Lambda's events or out of a file, one that is made anew
    """
    client = graph.sqs_client
    return as_admin(make_queue_client(graph) if isinstance(client, Reader) else client)


def make_queue_client(graph: PubSubGraph) -> QueueClient:
    """
    Make a client of queues as configuration says.

    :raises ConfigurationError: if it cannot be made
    """
    if graph.metadata.testing:
        return graph.pubsub_testing.sqs_client
    if graph.pubsub_broker is not None:
        return graph.pubsub_broker.queue_client
    consumer, config = graph.config.sqs_consumer, graph.config.sqs_client
    source = consumer.sqs_queue_url if isinstance(consumer.sqs_queue_url, str) else None
    client: QueueClient = make_client(
        "sqs",
        profile_name=consumer.profile_name,
        region_name=consumer.region_name or region_of(source),
        endpoint_url=consumer.endpoint_url or endpoint_of(source),
        connect_timeout=config.connect_timeout,
        read_timeout=config.read_timeout,
        max_pool_connections=config.max_pool_connections,
        max_attempts=config.max_attempts,
        transport=config.transport,
        is_traced=find_component(graph, "pubsub_traces") is not None,
    )
    return client


@defaults(**pool_defaults("sns_client"))
def configure_sns_client(graph: PubSubGraph) -> TopicClient:
    """
    Configure the client of the graph's topics, bound as `sns_client`.

    In testing graphs it records its calls, over a broker in memory; in a graph that has a broker it is the broker's.
    """
    producer, config = graph.config.sns_producer, graph.config.sns_client
    if graph.metadata.testing:
        return graph.pubsub_testing.sns_client
    if graph.pubsub_broker is not None:
        return graph.pubsub_broker.topic_client
    arns = graph.sns_topic_arns
    region = next(filter(None, map(region_of_arn, [arns.default or "", *arns.values()])), None)
    client: TopicClient = make_client(
        "sns",
        profile_name=producer.profile_name,
        region_name=producer.region_name or region,
        endpoint_url=producer.endpoint_url,
        connect_timeout=producer.connect_timeout,
        read_timeout=producer.read_timeout,
        max_pool_connections=config.max_pool_connections,
        max_attempts=config.max_attempts,
        transport=config.transport,
        is_traced=find_component(graph, "pubsub_traces") is not None,
        # Without a topic nothing can be published, and the region does not matter.
        default_region=LOCAL_REGION,
    )
    return client
