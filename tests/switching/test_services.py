"""
Services and test suites, as users of version 3 have them.
"""

from json import dumps, loads
from unittest.mock import Mock, patch

import pytest
from hamcrest import assert_that, calling, raises
from marshmallow import fields
from microcosm.api import binding, create_object_graph, load_from_dict

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.consumer import STDIN
from microcosm_pubsub.conventions import created, make_media_type
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.decorators import handles, schema
from microcosm_pubsub.envelope import (
    CodecMediaTypeAndContentParser,
    LambdaSQSEnvelope,
    MediaTypeAndContentParser,
    MessageBodyParser,
    NaiveMediaTypeAndContentParser,
    RawMediaTypeAndContentParser,
    RawMessageBodyParser,
    SNSMessageBodyParser,
    SQSEnvelope,
)
from microcosm_pubsub.errors import DecodeError, Nack, TopicNotDefinedError
from microcosm_pubsub.handlers import URIHandler
from microcosm_pubsub.handlers.uri_handler import resource_cache_whitelist_callable
from microcosm_pubsub.matchers.publishing import (
    NonStrictPublishingMatcher,
    StrictPublishingMatcher,
    published,
    published_inanyorder,
    published_messages_for,
    published_nothing,
)
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.producer import DeferredBatchProducer, collapse_dict
from microcosm_pubsub.reader import SQSJsonReader
from microcosm_pubsub.result import (
    MessageHandlingResult,
    MessageHandlingResultType,
    MessageHandlingResultTypeInfo,
)
from microcosm_pubsub.sentry import DEFAULT_TAG_MAPPING, DEFAULT_USER_ID_KEY, SentryConfigPubsub


MEDIA_TYPE = "application/vnd.switching.parcel"


@schema
class SwitchingParcelSchema(PubSubMessageSchema):
    MEDIA_TYPE = MEDIA_TYPE

    number = fields.Integer(required=True)


@binding("switching_handler")
@handles(SwitchingParcelSchema)
class SwitchingHandler:
    def __init__(self, graph):
        self.graph = graph
        self.seen = []

    def __call__(self, message):
        self.seen.append(message["number"])
        if message["number"] == 13:
            raise ValueError("unlucky")
        return True


class SwitchingDaemon(ConsumerDaemon):
    @property
    def name(self):
        return "switching"

    @property
    def components(self):
        return [*super().components, "switching_handler"]


class Mine(SNSMessageBodyParser, NaiveMediaTypeAndContentParser, SQSEnvelope):
    """An envelope of parts."""

    def parse_message_id(self, raw_message):
        return f"mine-{super().parse_message_id(raw_message)}"


def make_graph(**config):
    return create_object_graph("example", testing=True, loader=load_from_dict(config))


def raw(body, **more):
    return {"MessageId": "m", "ReceiptHandle": "r", "Body": dumps(body), **more}


class TestEnvelopes:
    def test_of_parts(self):
        envelope = make_graph(sqs_envelope={"strategy_name": "Mine"}).sqs_envelope
        notification = {"TopicArn": "arn", "Message": dumps({"mediaType": "a/b", "x": 1})}

        message = envelope.parse_raw_message(None, raw(notification))

        assert (message.message_id, message.receipt_handle, message.topic_arn) == ("mine-m", "r", "arn")
        assert (message.media_type, message.content) == ("a/b", {"mediaType": "a/b", "x": 1})

    def test_each_part(self):
        graph = make_graph()
        codec = type("Codec", (CodecMediaTypeAndContentParser,), {"registry": graph.pubsub_message_schema_registry})()

        assert RawMessageBodyParser().parse_message({"a": 1}) == {"a": 1}
        assert SNSMessageBodyParser().parse_message({"Message": '{"a": 1}'}) == {"a": 1}
        assert RawMediaTypeAndContentParser().parse_media_type_and_content([1]) == ("application/json", [1])
        assert NaiveMediaTypeAndContentParser().parse_media_type_and_content({"mediaType": "a/b"})[0] == "a/b"
        assert codec.parse_media_type_and_content({"mediaType": MEDIA_TYPE, "number": 1})[1]["number"] == 1
        assert issubclass(SQSEnvelope, MessageBodyParser)
        assert issubclass(SQSEnvelope, MediaTypeAndContentParser)

    def test_md5_may_be_judged_otherwise(self):
        class Strict(Mine):
            def validate_md5(self, raw_message):
                raise DecodeError("never")

        envelope = Strict(make_graph(sqs_envelope={"validate_md5": True}))

        assert_that(calling(envelope.parse_raw_message).with_args(None, raw({})), raises(DecodeError, "never"))

    def test_of_a_json_reader(self):
        body = dumps({"mediaType": MEDIA_TYPE, "number": 3})
        record = {"messageId": "1", "receiptHandle": "r", "body": body, "attributes": {}}
        graph = make_graph(sqs_consumer={"sqs_queue_url": SQSJsonReader(record)})

        (message,) = graph.sqs_consumer.consume()

        assert type(graph.sqs_envelope).__name__ == "LambdaSQSEnvelope"
        assert (message.message_id, message.content["number"]) == ("1", 3)


class TestMessages:
    def test_opaque_data_is_one_dict(self):
        message = SQSMessage(None, {"uri": "u"}, "a/b", "m", "r")

        message.opaque_data["X-Request-TTL"] = "0"

        assert message.opaque_data is message.opaque_data
        assert message.ttl == 0
        # What takes the place of its content has opaque data of its own, or leaves it as it was.
        message.content = {"uri": "v"}
        assert message.ttl == 0
        message.content = {"opaque_data": {"x-request-ttl": "7"}}
        assert message.ttl == 7

    def test_keys_count_in_any_case(self):
        message = SQSMessage(None, {"opaque_data": {"X-Request-Published": "100"}}, "a/b", "m", "r")

        result = MessageHandlingResult.invoke(lambda content: True, message)

        assert result.handle_start_time > 0

    def test_a_layer_may_say_when_it_was_published(self):
        message = SQSMessage(None, {"number": 1}, "a/b", "m", "r")

        def layer(message):
            message.opaque_data["X-Request-Published"] = "100"
            return True

        assert MessageHandlingResult.capture(layer, message, now=lambda: 103.0).handle_start_time == 3

    def test_content_may_be_replaced(self):
        message = SQSMessage(None, {"number": 1}, "a/b", "m", "r")
        message.content = {"number": 2}

        assert MessageHandlingResult.invoke(lambda content: content["number"] == 2, message).result.name == "SUCCEEDED"


class TestDispatcher:
    @pytest.fixture
    def daemon(self):
        return SwitchingDaemon.create_for_testing()

    def send(self, daemon, number):
        body = dumps({"mediaType": MEDIA_TYPE, "number": number})
        daemon.graph.sqs_client.send_message(QueueUrl=daemon.graph.sqs_consumer.sqs_queue_url, MessageBody=body)

    def test_attempts(self, daemon):
        dispatcher = daemon.graph.sqs_message_dispatcher
        assert (dispatcher.sqs_consumer, dispatcher.max_processing_attempts) == (daemon.graph.sqs_consumer, None)
        dispatcher.max_processing_attempts = 1
        message = SQSMessage(Mock(), {"number": 1}, MEDIA_TYPE, "m", "r", None, 2)

        result = dispatcher.handle_message(message, daemon.bound_handlers)

        assert result.result is MessageHandlingResultType.FAILED
        assert daemon.graph.switching_handler.seen == []

    def test_error_reporting_can_be_patched(self, daemon):
        self.send(daemon, 13)
        with patch.object(MessageHandlingResult, "error_reporting") as error_reporting:
            (result,) = daemon.process()

        assert result.result is MessageHandlingResultType.FAILED
        assert error_reporting.called

    def test_the_config_of_sentry_can_be_patched(self, daemon):
        with patch.object(daemon.graph.sentry_logging_pubsub, "enabled", True):
            assert daemon.graph.sentry_logging_pubsub.enabled
        assert SentryConfigPubsub().client is None
        assert DEFAULT_TAG_MAPPING["x-request-id"] == "x-request-id"
        assert isinstance(DEFAULT_USER_ID_KEY, str)

    def test_a_handler_class_is_found_by_its_type(self, daemon):
        registry, handler = daemon.graph.sqs_message_handler_registry, daemon.graph.switching_handler

        assert registry.find(MEDIA_TYPE, {MEDIA_TYPE: handler}) is handler
        assert registry.find(MEDIA_TYPE, {SwitchingHandler: handler}) is handler
        with pytest.raises(KeyError):
            registry.find("a/b", {SwitchingHandler: handler})

    def test_what_a_result_type_means(self):
        assert isinstance(MessageHandlingResultType.FAILED.value, MessageHandlingResultTypeInfo)
        assert MessageHandlingResultType.FAILED.value.retry is True


class TestURIHandlers:
    URI = "https://example.com/1"

    @pytest.fixture
    def get(self):
        with patch("microcosm_pubsub.handlers.uri_handler.get") as get:
            get.return_value = Mock(status_code=200, json=lambda: {"id": "1"}, text="", headers={})
            yield get

    def make(self, cls=URIHandler, **options):
        graph = make_graph()
        graph.use("pubsub_uri_session")
        return cls(graph, **options)

    def message(self):
        return {"uri": self.URI, "media_type": created("thing"), "opaque_data": {"x-request-id": "7"}}

    def test_without_handle_it_succeeds(self, get):
        assert self.make()(self.message()) is True
        assert get.call_args.args == (self.URI,)
        assert get.call_args.kwargs["headers"] == {"x-request-id": "7"}

    def test_not_found(self, get):
        class Patient(URIHandler):
            nack_timeout = 60

        get.return_value.status_code = 404
        with pytest.raises(Nack) as caught:
            self.make(Patient)(self.message())
        assert caught.value.visibility_timeout_seconds == 60

    def test_an_error_of_the_server(self, get):
        get.return_value.raise_for_status.side_effect = OSError("503")
        with pytest.raises(OSError, match="503"):
            self.make()(self.message())

    def test_a_cache_of_ones_own(self, get):
        class Caching(URIHandler):
            def get_resource_cache(self, graph):
                return cache

            def resource_cache_whitelist_callable(self, media_type, uri):
                return uri.startswith("https:")

        cache = Mock()
        cache.get.return_value = {"id": "cached"}

        assert self.make(Caching)(self.message()) is True
        assert not get.called
        assert resource_cache_whitelist_callable(created("thing_event"), self.URI) is True
        assert resource_cache_whitelist_callable(created("thing"), self.URI) is False


class TestProducers:
    def test_nested_topics(self):
        nested = {"foo": {"bar_baz": "arn"}, "bar": "arn2"}
        graph = make_graph(sns_topic_arns={"created": nested})

        assert collapse_dict(nested) == {"foo.bar_baz": "arn", "bar": "arn2"}
        assert graph.sns_producer.choose_topic_arn(created("foo.bar_baz")) == "arn"
        with pytest.raises(TopicNotDefinedError):
            graph.sns_producer.produce(created("other"), uri="u")

    def test_batches(self):
        graph = make_graph(sns_topic_arns={"default": "topic", "created": {"batch_message": "batches"}})
        with DeferredBatchProducer(graph.sns_producer) as producer:
            for number in range(3):
                producer.produce(MEDIA_TYPE, number=number)
            assert [len(batch) for batch in producer.generate_message_batches()] == [3]

    def test_media_types(self):
        assert make_media_type("foo") == "application/vnd.globality.pubsub._.created.foo"
        assert make_media_type("foo", public=True, organization="x") == "application/vnd.x.pubsub.created.foo"
        assert STDIN == "STDIN"

    def test_matchers(self):
        producer = make_graph().sns_producer
        assert_that(producer, published_nothing())
        producer.produce(created("foo"), uri="u")
        producer.produce(created("bar"), uri="u")

        assert_that(producer, published(created("foo"), created("bar")))
        assert_that(producer, published_inanyorder(created("bar"), created("foo")))
        assert_that(producer, StrictPublishingMatcher(created("foo"), created("bar")))
        assert_that(producer, NonStrictPublishingMatcher(created("bar"), created("foo")))
        assert len(published_messages_for(producer)) == 2


class TestLambdaEvents:
    RECORD = {
        "messageId": "1",
        "receiptHandle": "r",
        "body": dumps({"mediaType": MEDIA_TYPE, "number": 3}),
        "attributes": {"ApproximateReceiveCount": "2"},
        "eventSource": "aws:sqs",
    }

    @pytest.mark.parametrize("source", [RECORD, {"Records": [RECORD]}], ids=["record", "event"])
    def test_as_the_queue(self, source):
        graph = make_graph(sqs_consumer={"sqs_queue_url": source})

        (message,) = graph.sqs_consumer.consume()

        assert type(graph.sqs_envelope).__name__ == "LambdaSQSEnvelope"
        assert (message.message_id, message.content["number"], message.attempts) == ("1", 3, 2)

    def test_of_a_daemon(self):
        daemon = SwitchingDaemon({"Records": [self.RECORD, {**self.RECORD, "messageId": "2"}]})
        daemon.args = daemon.make_arg_parser().parse_args(["--testing"])
        daemon.graph = daemon.create_object_graph(daemon.args)

        assert [message.message_id for message in daemon.graph.sqs_consumer.consume()] == ["1", "2"]

    def test_envelope_of_ones_own(self):
        class Unpacking(LambdaSQSEnvelope):
            def parse_body(self, raw_message):
                return loads(raw_message["body"])

        message = Unpacking(make_graph()).parse_raw_message(None, self.RECORD)

        assert message.content["number"] == 3


class TestPatches:
    def test_of_one_message(self):
        message = SQSMessage(Mock(), {"number": 1}, MEDIA_TYPE, "m", "r")
        result = MessageHandlingResult(MEDIA_TYPE, MessageHandlingResultType.SUCCEEDED)

        with patch.object(message, "ack") as ack, patch.object(result, "error_reporting") as error_reporting:
            result.resolve(message)
            result.error_reporting(None)

        assert ack.called
        assert error_reporting.called

    def test_of_get_with_what_it_is_called_with(self):
        with patch("microcosm_pubsub.handlers.uri_handler.get") as get:
            get.return_value = Mock(status_code=200, json=lambda: {"id": "1"})
            assert URIHandler(make_graph())({"uri": "https://example.com/1", "mediaType": created("thing")}) is True

        get.assert_called_once_with("https://example.com/1", headers={})
