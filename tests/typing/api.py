"""
The public types, as a user's type checker sees them; checked by mypy, never run.
"""

from typing import Any, assert_type

from marshmallow import fields
from sqlalchemy.orm import Session

from microcosm_pubsub.broker.clients import BrokerClients
from microcosm_pubsub.chain import Chain
from microcosm_pubsub.clients import QueueClient, TopicClient
from microcosm_pubsub.codecs import PubSubMessageCodec, PubSubMessageSchema
from microcosm_pubsub.consumer import SQSConsumer
from microcosm_pubsub.conventions import created
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.decorators import handles, schema
from microcosm_pubsub.dispatcher import SQSMessageDispatcher
from microcosm_pubsub.errors import Nack
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.producer import DeferredProducer, Producer, ProduceResult, PubsubMessage, SNSProducer
from microcosm_pubsub.reader import Reader
from microcosm_pubsub.result import MessageHandlingResult, MessageHandlingResultType
from microcosm_pubsub.sql import Database, current_session
from microcosm_pubsub.testing.memory import MemoryQueueClient, MemoryTopicClient
from microcosm_pubsub.testing.recording import ProducerStandIn


@schema
class PingSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.typing.ping"

    number = fields.Integer(required=True)


assert_type(PingSchema, type[PingSchema])


@handles(PingSchema)
@handles(created("ping"))
def handle_ping(message: dict[str, Any]) -> bool:
    if message["number"] < 0:
        raise Nack(30, reason="too early")
    return True


assert_type(handle_ping({"number": 1}), bool)


@handles(created("pong"), transaction=True, once=True)
def handle_pong(message: dict[str, Any], session: Session) -> bool:
    return session is current_session()


def database(database: Database) -> None:
    with database.transaction() as session:
        assert_type(session, Session)


class PingDaemon(ConsumerDaemon):
    name = "ping"


def codec(codec: PubSubMessageCodec) -> None:
    assert_type(codec.encode({"number": 1}), str)
    assert_type(codec.decode("{}"), dict[str, Any])


def producer(producer: SNSProducer) -> None:
    assert_type(producer.produce(PingSchema.MEDIA_TYPE, number=1), str | None)
    assert_type(producer.create_message(PingSchema.MEDIA_TYPE, {"number": 1}), PubsubMessage)
    assert_type(producer.produce_batch([{"media_type": PingSchema.MEDIA_TYPE, "number": 1}]), list[ProduceResult])


def producers(graph: PubSubGraph, stand_in: ProducerStandIn) -> list[Producer]:
    return [graph.sns_producer, DeferredProducer(graph.sns_producer), stand_in]


def queue_clients(broker: BrokerClients, memory: MemoryQueueClient) -> list[QueueClient]:
    return [broker.queue_client, memory, Reader()]


def topic_clients(broker: BrokerClients, memory: MemoryTopicClient) -> list[TopicClient]:
    return [broker.topic_client, memory]


def configure_orders(graph: PubSubGraph) -> SQSConsumer:
    assert_type(graph.pubsub_database, Database | None)
    return graph.sqs_consumer


def consumer(consumer: SQSConsumer) -> None:
    for message in consumer.consume():
        assert_type(message, SQSMessage)
        with message as entered:
            assert_type(entered, SQSMessage)
        message.nack(visibility_timeout_seconds=0)


def dispatcher(dispatcher: SQSMessageDispatcher) -> None:
    for result in dispatcher.handle_batch({PingSchema.MEDIA_TYPE: handle_ping}):
        assert_type(result, MessageHandlingResult)
        assert_type(result.result, MessageHandlingResultType)
        assert_type(result.elapsed_time, float | None)


assert_type(Chain(handle_ping), Chain)
