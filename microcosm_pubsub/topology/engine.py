"""
The engine of a daemon's queues and topics: AWS, another one, or the embedded broker, with clients to look around there.

They are made as the daemon's configuration says, without the rest of its graph, which needs what may not be there yet.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from microcosm.api import create_object_graph, load_each, load_from_dict

from microcosm_pubsub.broker.clients import BrokerClients
from microcosm_pubsub.clients import LOCAL_REGION, endpoint_of, make_client, region_of, region_of_arn
from microcosm_pubsub.clients.protocols import AdminQueueClient, AdminTopicClient
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.reader import Reader, is_path, is_stdin, is_url


#: An examination asks once more if there is no answer, and does not wait for minutes.
CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
MAX_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Engine:
    """
    The engine that holds queues and topics.

    :param queue_client: boto3's SQS client, or one like it
    :param topic_client: boto3's SNS client, or one like it
    :param endpoint_url: of an engine other than AWS; None is AWS, or the broker
    :param broker: the clients of the embedded broker, which daemons make what they need in; None elsewhere
    """

    queue_client: AdminQueueClient
    topic_client: AdminTopicClient
    endpoint_url: str | None = None
    broker: BrokerClients | None = None

    @property
    def name(self) -> str:
        """Return its name."""
        if self.broker is not None:
            return f"the broker {self.broker.broker.store}"
        return self.endpoint_url or f"AWS {self.region_name}"

    @property
    def region_name(self) -> str | None:
        """Return the region that requests are signed for; only boto3's clients have one."""
        client: Any = self.queue_client
        region: str | None = client.meta.region_name
        return region

    def close(self) -> None:
        """Close the connections of boto3's clients."""
        clients: tuple[Any, ...] = (self.queue_client, self.topic_client)
        for client in clients:
            client.close()


def make_graph(daemon_cls: type[ConsumerDaemon], overrides: Mapping[str, Any]) -> PubSubGraph:
    """
    Return the object graph of a daemon, of which nothing is made yet.

    :param overrides: configuration that wins, by section
    :raises ConfigurationError: if a value cannot work
    """
    daemon = daemon_cls()
    daemon.args = Namespace(debug=False, testing=False)
    graph: PubSubGraph = create_object_graph(
        daemon.name,
        import_name=daemon.import_name,
        root_path=daemon.root_path,
        loader=load_each(daemon.loader, load_from_dict(dict(overrides))),
    )
    return graph


def make_daemon(daemon_cls: type[ConsumerDaemon], overrides: Mapping[str, Any] | None = None) -> ConsumerDaemon:
    """
    Return a daemon with its graph, over queues and topics in memory, with the names that configuration gives.

    :param overrides: configuration that wins, by section
    :raises ConfigurationError: if it cannot be made
    """
    # Nothing is made in a broker, and stdout is left to the output of a command.
    in_memory = load_from_dict(
        sns_producer={"mock_sns": True},
        pubsub_broker={"url": ""},
        logging={"level": "WARNING", "stream_handler": {"stream": "ext://sys.stderr"}},
    )
    return daemon_cls.create_for_testing(loader=load_each(load_from_dict(dict(overrides or {})), in_memory))


@contextmanager
def open_engine(graph: PubSubGraph) -> Iterator[Engine]:
    """
    Give the engine that a graph is configured for, and close it at the end.

    :raises ConfigurationError: if its messages come from a file or STDIN, or no client can be made
    """
    source = graph.config.sqs_consumer.sqs_queue_url or ""
    if isinstance(source, Reader) or is_stdin(source) or is_path(source):
        raise ConfigurationError(
            f"{graph.metadata.name} reads {source if isinstance(source, str) else type(source).__name__}, which is no "
            "queue: name one in sqs_consumer.sqs_queue_url"
        )
    broker = graph.pubsub_broker
    if broker is not None:
        try:
            yield Engine(broker.queue_client, broker.topic_client.client, broker=broker)
        finally:
            broker.close()
        return
    engine = make_engine(graph.config, graph.sns_topic_arns, source)
    try:
        yield engine
    finally:
        engine.close()


def make_engine(config: Any, arns: Any, source: str) -> Engine:
    """
    Return AWS, or another engine that is reached over HTTP.

    Configuration for queues alone goes for topics too: a daemon that publishes nothing need not say where.

    :param config: of a graph
    :param arns: of its topics
    :param source: the URL or the name of its queue
    :raises ConfigurationError: if no client can be made
    """
    consumer, producer = config.sqs_consumer, config.sns_producer
    make = partial(
        make_client,
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=1,
        max_attempts=MAX_ATTEMPTS,
        transport="botocore",
    )
    topic_region = next(filter(None, map(region_of_arn, [arns.default or "", *arns.values()])), None)
    endpoint_url = consumer.endpoint_url or (endpoint_of(source) if is_url(source) else None)
    queue_client = make(
        "sqs",
        profile_name=consumer.profile_name,
        region_name=consumer.region_name or region_of(source),
        endpoint_url=endpoint_url,
    )
    topic_endpoint_url = producer.endpoint_url or endpoint_url
    topic_client = make(
        "sns",
        profile_name=producer.profile_name or consumer.profile_name,
        region_name=producer.region_name or topic_region or queue_client.meta.region_name or LOCAL_REGION,
        endpoint_url=topic_endpoint_url,
    )
    return Engine(queue_client, topic_client, endpoint_url)
