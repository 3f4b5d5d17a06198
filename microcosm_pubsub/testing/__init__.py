"""
SNS and SQS for users' tests.

In a graph that is `testing=True`, the clients are those of a `MemoryEngine`, which behaves as AWS does without leaving
the process, and records every call. Messages that the graph publishes arrive at the queue that it consumes, so a test
may publish, handle and look at the queue with nothing patched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from microcosm_pubsub.clients import QueueClient, TopicClient
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.producer import SNSProducer
from microcosm_pubsub.testing.memory import MemoryEngine
from microcosm_pubsub.testing.recording import record, recording_producer


__all__ = ["MemoryEngine", "TestingClients", "configure_pubsub_testing", "record", "recording_producer"]


@dataclass(frozen=True, slots=True)
class TestingClients:
    """
    The clients of a graph under test.

    :param engine: holds the queues and topics
    :param sqs_client: its queue client, recorded
    :param sns_client: its topic client, recorded
    :param sns_producer: a producer that publishes nothing, recorded, for `sns_producer.record_only`
    """

    #: Tells pytest that this is no test.
    __test__: ClassVar[bool] = False

    engine: MemoryEngine
    sqs_client: QueueClient
    sns_client: TopicClient
    sns_producer: SNSProducer


def configure_pubsub_testing(graph: PubSubGraph) -> TestingClients:
    """Create the clients of a graph under test; topics deliver to the queue that the graph consumes."""
    consumer = getattr(graph.config, "sqs_consumer", None)
    return make_testing_clients(MemoryEngine(default_queue_url=getattr(consumer, "sqs_queue_url", None) or None))


def make_testing_clients(engine: MemoryEngine) -> TestingClients:
    """Return the clients of a graph under test on an engine."""
    return TestingClients(
        engine=engine,
        sqs_client=record(engine.queue_client),
        sns_client=record(engine.topic_client),
        sns_producer=recording_producer(),
    )
