"""
The components of a graph, as types: what is bound under which name.

Nothing runs here, and nothing is imported but for type checkers: this is the one module that names parts above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol


if TYPE_CHECKING:
    from logging import Logger

    from microcosm_pubsub.broker.clients import BrokerClients
    from microcosm_pubsub.calls.answering import KeepAnswers, SendAnswers
    from microcosm_pubsub.calls.functions import TaskRegistry
    from microcosm_pubsub.calls.rpc import Rpc
    from microcosm_pubsub.calls.tasks import Tasks
    from microcosm_pubsub.clients import QueueClient, TopicClient
    from microcosm_pubsub.codecs.content import CodecFactory
    from microcosm_pubsub.consumer import SQSConsumer
    from microcosm_pubsub.context import SQSMessageContext
    from microcosm_pubsub.conventions import LifecycleChange
    from microcosm_pubsub.daemon.services import Service
    from microcosm_pubsub.dispatcher import Argument, SQSMessageDispatcher
    from microcosm_pubsub.dispatcher.arguments import ArgumentFinder
    from microcosm_pubsub.envelope import SQSEnvelope
    from microcosm_pubsub.envelope.transforms import BodyTransform
    from microcosm_pubsub.handlers import PublishBatchMessage
    from microcosm_pubsub.handlers.session import ResourceSession
    from microcosm_pubsub.ledger.firing import Schedules
    from microcosm_pubsub.ledger.layers import BeginAndFail, CursorAndEnd
    from microcosm_pubsub.ledger.ledger import Ledger
    from microcosm_pubsub.ledger.service import LedgerService
    from microcosm_pubsub.meters.recorder import Meters
    from microcosm_pubsub.metrics import (
        PubSubProducerMetrics,
        PubSubSendBatchMetrics,
        PubSubSendMetrics,
        PubSubWorkerMetrics,
    )
    from microcosm_pubsub.middleware.event_loop import EventLoop
    from microcosm_pubsub.middleware.unhandled import UnhandledMessages
    from microcosm_pubsub.producer import SNSProducer
    from microcosm_pubsub.producer.pipeline import PublishLayer, PublishStep
    from microcosm_pubsub.producer.topics import TopicArns
    from microcosm_pubsub.registry import PubSubMessageSchemaRegistry, SQSMessageHandlerRegistry
    from microcosm_pubsub.retry.policies import RetryPolicies
    from microcosm_pubsub.sentry import SentryConfigPubsub
    from microcosm_pubsub.sql.database import Database
    from microcosm_pubsub.sql.housekeeping import Housekeeping
    from microcosm_pubsub.sql.inbox import Inbox
    from microcosm_pubsub.sql.outbox.layer import Outbox
    from microcosm_pubsub.sql.transactions import Transactions
    from microcosm_pubsub.testing import TestingClients
    from microcosm_pubsub.types import Layer, Observer, Traces, UnitLayer
    from microcosm_pubsub.worker.worker import Worker


class Metadata(Protocol):
    """The facts about a program that microcosm gives its graph."""

    name: str
    debug: bool
    testing: bool


class PubSubGraph(Protocol):
    """
    The object graph of a program, with the components of this package.

    A component is made when it is first read. Components of others are read by `graph["name"]`, or by a graph of a
    type of its own that derives from this one. Classes that users derive from take any graph, since theirs may have
    another type.
    """

    config: Any
    loader: Any
    logger: Logger
    metadata: Metadata
    opaque: Any

    publish_message_batch: PublishBatchMessage
    pubsub_arguments: ArgumentFinder
    pubsub_body_transforms: tuple[BodyTransform, ...]
    pubsub_broker: BrokerClients | None
    pubsub_content_codecs: tuple[CodecFactory, ...]
    pubsub_database: Database | None
    pubsub_event_loop: EventLoop
    pubsub_housekeeping: Housekeeping | None
    pubsub_inbox: Inbox | None
    pubsub_ledger: Ledger | None
    pubsub_ledger_begin: BeginAndFail | None
    pubsub_ledger_end: CursorAndEnd | None
    pubsub_ledger_keeping: LedgerService | None
    pubsub_ledger_schedules: Schedules | None
    pubsub_lifecycle_change: LifecycleChange
    pubsub_message_schema_registry: PubSubMessageSchemaRegistry
    pubsub_meters: Meters
    pubsub_middleware: tuple[Layer, ...]
    pubsub_observers: tuple[Observer, ...]
    pubsub_outbox: Outbox | None
    pubsub_producer_metrics: PubSubProducerMetrics
    pubsub_publish_layers: tuple[PublishLayer, ...]
    pubsub_publish_steps: tuple[PublishStep, ...]
    pubsub_replies: SendAnswers
    pubsub_replies_kept: KeepAnswers
    pubsub_retry_policies: RetryPolicies
    pubsub_rpc: Rpc
    pubsub_send_batch_metrics: PubSubSendBatchMetrics
    pubsub_send_metrics: PubSubSendMetrics
    pubsub_services: tuple[Service, ...]
    pubsub_session: Argument | None
    pubsub_task_registry: TaskRegistry
    pubsub_tasks: Tasks
    pubsub_testing: TestingClients
    pubsub_traces: Traces | None
    pubsub_transactions: Transactions
    pubsub_unhandled: UnhandledMessages
    pubsub_unit_middleware: tuple[UnitLayer, ...]
    pubsub_uri_session: ResourceSession
    pubsub_worker: Worker
    pubsub_worker_metrics: PubSubWorkerMetrics
    sentry_logging_pubsub: SentryConfigPubsub
    sns_client: TopicClient
    sns_producer: SNSProducer
    sns_topic_arns: TopicArns
    sqs_client: QueueClient
    sqs_consumer: SQSConsumer
    sqs_envelope: SQSEnvelope
    sqs_message_context: SQSMessageContext
    sqs_message_dispatcher: SQSMessageDispatcher
    sqs_message_handler_registry: SQSMessageHandlerRegistry

    def use(self, *names: str) -> list[Any]: ...

    def lock(self) -> object: ...

    def __getitem__(self, name: str) -> Any: ...
