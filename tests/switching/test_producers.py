"""
Producers and topics as services of version 3 have them: subclasses, wrappers, and mocks in tests.
"""

from json import loads
from unittest.mock import Mock, patch

import pytest
from hamcrest import all_of, assert_that
from microcosm.api import create_object_graph, load_from_dict

from microcosm_pubsub.batch import MessageBatchSchema
from microcosm_pubsub.conventions import created
from microcosm_pubsub.errors import PublishError, TopicNotDefinedError
from microcosm_pubsub.matchers import has_media_type, has_uri, published, published_inanyorder, published_nothing
from microcosm_pubsub.producer import DeferredBatchProducer, DeferredProducer, SNSProducer, deferred


def make_graph(**config):
    return create_object_graph("example", testing=True, loader=load_from_dict(config))


def produce_two(producer):
    producer.produce(created("foo"), uri="https://example.com/1")
    producer.produce(created("foo"), uri="https://example.com/2")


class NotingProducer(SNSProducer):
    """Sees each message that is published, in the one method that version 3 published by."""

    def publish_message(self, pubsub_message):
        uri = loads(pubsub_message.message)["uri"]
        if uri.endswith("/13"):
            raise ValueError("unlucky")
        self.noted = [*getattr(self, "noted", ()), uri]
        return super().publish_message(pubsub_message)


class OldProducer:
    """Has what version 3 says that a producer has, and no more."""

    def __init__(self, inner):
        self.inner = inner
        self.published = []

    def create_message(self, *args, **kwargs):
        return self.inner.create_message(*args, **kwargs)

    def publish_message(self, pubsub_message):
        self.published.append(pubsub_message)
        return "id"


@pytest.fixture
def noting():
    graph = make_graph()
    return NotingProducer(graph.sns_client, graph.sns_topic_arns, graph.pubsub_message_schema_registry)


class TestOverriding:
    def test_messages_of_a_block_go_through_it(self, noting):
        with DeferredProducer(noting) as block:
            produce_two(block)

        assert noting.noted == ["https://example.com/1", "https://example.com/2"]
        assert noting.sns_client.publish.call_count == 2

    def test_its_error_concerns_one_message(self, noting):
        contents = [{"media_type": created("foo"), "uri": f"https://example.com/{number}"} for number in (1, 13, 2)]

        results = noting.produce_batch(contents)

        assert [result.ok for result in results] == [True, False, True]
        assert isinstance(results[1].error, ValueError)

    def test_a_test_replaces_it(self):
        producer = make_graph().sns_producer

        with patch.object(producer, "publish_message") as publish_message, DeferredProducer(producer) as block:
            produce_two(block)

        assert publish_message.call_count == 2
        assert producer.sns_client.publish.call_count == 0


class TestOtherProducers:
    @pytest.mark.parametrize("deferred_cls", [DeferredProducer, DeferredBatchProducer])
    def test_a_mock(self, deferred_cls):
        producer = Mock()

        with deferred_cls(producer) as block:
            produce_two(block)

        assert producer.create_message.call_count == producer.publish_message.call_count == 2

    def test_a_wrapper(self):
        inner = make_graph(sns_topic_arns={"mappings": {MessageBatchSchema.MEDIA_TYPE: "b", created("foo"): "f"}})
        producer = OldProducer(inner.sns_producer)

        with DeferredProducer(producer) as block:
            produce_two(block)
        with DeferredBatchProducer(producer) as block:
            produce_two(block)

        assert [each.topic_arn for each in producer.published] == ["f", "f", "b"]

    def test_of_a_component(self):
        component = Mock()

        @deferred(component)
        def work():
            produce_two(component.sns_producer)
            return 1

        sns_producer = component.sns_producer

        assert work() == 1
        assert sns_producer.publish_message.call_count == 2


class TestRecorded:
    def test_publish_is_called_for_each_message_of_a_block(self):
        producer = make_graph().sns_producer

        with DeferredProducer(producer) as block:
            produce_two(block)

        uris = [loads(call.kwargs["Message"])["uri"] for call in producer.sns_client.publish.call_args_list]
        assert uris == ["https://example.com/1", "https://example.com/2"]
        assert_that(producer, published(*map(has_uri, uris)))

    def test_of_a_whole_producer(self):
        producer = make_graph(sns_producer={"mock_sns": False}).sns_producer

        with DeferredProducer(producer) as block:
            produce_two(block)
        producer.produce_batch([{"media_type": created("bar"), "uri": "https://example.com/3"}])
        producer.publish_message(pubsub_message=producer.create_message(created("baz"), {}))

        assert producer.publish_message.call_count == 3
        foo, bar, baz = (has_media_type(created(name)) for name in ("foo", "bar", "baz"))
        assert_that(producer, published(foo, foo, all_of(bar, has_uri("https://example.com/3")), baz))

    def test_publish_fails(self):
        producer = make_graph().sns_producer
        producer.sns_client.publish.side_effect = OSError("no network")

        with pytest.raises(PublishError), DeferredProducer(producer) as block:
            produce_two(block)

    @pytest.mark.parametrize("mock_sns", [True, False])
    def test_matchers(self, mock_sns):
        producer = make_graph(sns_producer={"mock_sns": mock_sns}).sns_producer
        assert_that(producer, published_nothing())

        produce_two(producer)

        foo = has_media_type(created("foo"))
        assert_that(producer, published(foo, all_of(foo, has_uri("https://example.com/2"))))
        assert_that(producer, published_inanyorder(has_uri("https://example.com/2"), foo))

    def test_resets(self):
        recorded = make_graph(sns_producer={"mock_sns": False}).sns_producer
        producer = make_graph().sns_producer
        produce_two(recorded)
        produce_two(producer)

        recorded.produce.reset_mock()
        producer.sns_client.publish.reset_mock()

        assert_that(recorded, published_nothing())
        assert_that(producer, published_nothing())


class TestTopics:
    @pytest.mark.parametrize("config", [{"default": None}, {"default": None, "mappings": {}}, {"mappings": {"a": "b"}}])
    def test_none(self, config):
        producer = make_graph(sns_topic_arns=config).sns_producer

        with pytest.raises(TopicNotDefinedError):
            producer.produce(created("foo"), uri="https://example.com/1")

    def test_not_configured(self):
        assert make_graph().sns_producer.produce(created("foo"), uri="https://example.com/1")
