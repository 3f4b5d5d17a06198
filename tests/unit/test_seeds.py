"""
The code samples of the README that the project began with, as they stand there.
"""
# ruff: noqa: I001, F401, UP004

import pytest
from marshmallow import fields

from microcosm.api import binding, create_object_graph, load_from_dict

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.decorators import handles, schema
from microcosm_pubsub.result import MessageHandlingResultType


# --- as it stands there
# fmt: off


class ExampleSchema(PubSubMessageSchema):
    message = fields.String(required=True)

    def deserialize_media_type(self, obj):
        return "application/vnd.globality.pubsub.example"


@schema
class SimpleSchema(PubSubMessageSchema):
    """
    A single schema that just sends a text string.

    """
    MEDIA_TYPE = "application/vnd.globality.pubsub.simple"

    message = fields.String(required=True)
    timestamp = fields.Float(required=True)

    def deserialize_media_type(self, obj):
        return SimpleSchema.MEDIA_TYPE


@binding("simple_handler")
@handles(SimpleSchema)
class SimpleHandler(object):
    def __init__(self, graph):
        self.collaborator = graph.collaborator

    def __call__(self, message):
        self.collaborator.do_something(message)
        return True


class SimpleConsumerDaemon(ConsumerDaemon):

    @property
    def name(self):
        return "example"


# fmt: on
# --- what it stands on


class Collaborator:
    def __init__(self, graph):
        self.done = []

    def do_something(self, message):
        self.done.append(message)


binding("collaborator")(Collaborator)


@schema
class FooSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.seeds.foo"

    foo = fields.String(required=True)
    bar = fields.String(required=True)


@pytest.fixture
def example_graph(make_graph):
    graph = make_graph()
    graph.pubsub_message_schema_registry.register("application/vnd.globality.pubsub.example", ExampleSchema)
    return graph


def test_a_schema_that_only_overrides_deserialize_media_type(example_graph):
    example_graph.sns_producer.produce("application/vnd.globality.pubsub.example", message="hi")

    (message,) = example_graph.sqs_consumer.consume()

    assert message.media_type == message.content["media_type"] == "application/vnd.globality.pubsub.example"
    assert message.content["message"] == "hi"


def test_such_a_schema_can_be_declared(make_graph):
    schema(ExampleSchema)
    handler = handles(ExampleSchema)(lambda message: True)
    graph = make_graph()

    assert isinstance(
        graph.pubsub_message_schema_registry.find("application/vnd.globality.pubsub.example").schema,
        ExampleSchema,
    )
    assert handler in list(graph.sqs_message_handler_registry.iter_handlers())


def test_producing(graph, queue):
    media_type = FooSchema.MEDIA_TYPE
    message_content = dict(foo="foo", bar="bar")  # noqa: C408

    message_id = graph.sns_producer.produce(media_type, message_content)
    assert message_id
    message_id = graph.sns_producer.produce(media_type, dict(foo="bar"), bar="baz")  # noqa: C408
    assert message_id

    assert [(message["foo"], message["bar"]) for message in queue.published] == [("foo", "bar"), ("bar", "baz")]


def test_consuming_with_ack(graph, queue):
    processed = []
    process = processed.append
    graph.sns_producer.produce(FooSchema.MEDIA_TYPE, foo="foo", bar="bar")

    messages = graph.sqs_consumer.consume()
    for message in messages:
        process(message.content)
        message.ack()

    assert [content["foo"] for content in processed] == ["foo"]
    assert queue.bodies == []
    assert graph.sqs_consumer.consume() == []


def test_consuming_with_messages_as_context_managers(graph, queue):
    def process(content):
        if content["foo"] == "bad":
            raise ZeroDivisionError

    def consume():
        messages = graph.sqs_consumer.consume()
        for message in messages:
            with message:
                process(message.content)

    graph.sns_producer.produce(FooSchema.MEDIA_TYPE, foo="good", bar="bar")
    consume()
    assert queue.bodies == []

    graph.sns_producer.produce(FooSchema.MEDIA_TYPE, foo="bad", bar="bar")
    with pytest.raises(ZeroDivisionError):
        consume()
    assert queue.hidden_for == [5]


def test_the_simple_daemon():
    # other modules of these tests declare handlers too, and a daemon that names none runs all of them
    daemon = SimpleConsumerDaemon.create_for_testing(
        loader=load_from_dict(sns_producer={"mock_sns": True}),
    )
    assert isinstance(daemon.bound_handlers[SimpleSchema.MEDIA_TYPE], SimpleHandler)
    graph = daemon.graph

    graph.sns_producer.produce(SimpleSchema.MEDIA_TYPE, message="hi", timestamp=1.5)
    daemon(graph)

    (message,) = graph.collaborator.done
    assert (message["message"], message["timestamp"]) == ("hi", 1.5)
    assert graph.pubsub_testing.engine.messages("queue") == []
    assert graph.sqs_message_dispatcher.counts == {MessageHandlingResultType.SUCCEEDED.name: 1}
