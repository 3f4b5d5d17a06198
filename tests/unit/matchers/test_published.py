"""
Matchers of what was published.

Every test runs with both kinds of recorded producer: one whose SNS client is recorded, and one that
is recorded itself.

"""

from json import dumps
from types import SimpleNamespace
from unittest.mock import MagicMock, call

import pytest
from hamcrest import (
    all_of,
    anything,
    assert_that,
    calling,
    contains_exactly,
    contains_string,
    equal_to,
    has_entries,
    has_entry,
    instance_of,
    is_,
    none,
    not_,
    raises,
    starts_with,
)

from microcosm_pubsub.batch import MessageBatchSchema
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.matchers import (
    PublishedMessage,
    PublishedMessageMatcher,
    has_content,
    has_media_type,
    has_opaque_data,
    has_uri,
    published,
    published_inanyorder,
    published_messages_for,
    published_nothing,
)
from microcosm_pubsub.producer import DeferredBatchProducer, DeferredProducer, PubsubMessage
from microcosm_pubsub.testing import MemoryEngine, record, recording_producer


FOO = "application/vnd.globality.pubsub._.created.foo"
BAR = "application/vnd.globality.pubsub._.deleted.bar"
URI = "http://example.com/foo"


class SNSClientProducer:
    """A producer that publishes through a recorded client."""

    def __init__(self):
        self.sns_client = record(MemoryEngine().topic_client)

    def produce(self, media_type, dct=None, uri=None, opaque_data=None, **kwargs):
        fields = {**(dct or {}), **kwargs, **({"uri": uri} if uri else {})}
        if opaque_data:
            fields["opaqueData"] = opaque_data
        return self.sns_client.publish(TopicArn="topic", **self.entry(media_type, fields))["MessageId"]

    def produce_batch(self, messages):
        entries = []
        for index, message in enumerate(messages):
            fields = dict(message)
            entries.append({"Id": str(index), **self.entry(fields.pop("media_type"), fields)})
        return self.sns_client.publish_batch(TopicArn="topic", PublishBatchRequestEntries=entries)

    def entry(self, media_type, fields):
        return {
            "Message": dumps({**fields, "mediaType": media_type}),
            "MessageAttributes": {"media_type": {"DataType": "String", "StringValue": media_type}},
        }


@pytest.fixture(params=[SNSClientProducer, recording_producer])
def producer(request):
    return request.param()


def mismatch(producer, matcher):
    with pytest.raises(AssertionError) as raised:
        assert_that(producer, matcher)
    return str(raised.value)


def test_published_in_order(producer):
    producer.produce(FOO, bar="baz")
    producer.produce(BAR, uri=URI)

    assert_that(producer, published(has_media_type(FOO), all_of(has_media_type(BAR), has_uri(URI))))
    assert_that(producer, not_(published(has_media_type(BAR), has_media_type(FOO))))
    assert_that(producer, not_(published(has_media_type(FOO))))
    assert_that(producer, not_(published(FOO, BAR, BAR)))


def test_published_in_any_order(producer):
    producer.produce(FOO)
    producer.produce(BAR)

    assert_that(producer, published_inanyorder(has_media_type(BAR), FOO))
    assert_that(producer, published_inanyorder(FOO, BAR))
    assert_that(producer, not_(published_inanyorder(FOO)))
    assert_that(producer, not_(published_inanyorder(FOO, FOO)))


def test_published_nothing(producer):
    assert_that(producer, published_nothing())
    assert_that(producer, published())
    assert_that(producer, published_inanyorder())

    producer.produce(FOO)

    for matcher in (published_nothing(), published(), published_inanyorder()):
        assert_that(producer, not_(matcher))


@pytest.mark.parametrize(
    "matcher",
    [
        FOO,
        has_media_type(starts_with("application/")),
        has_uri(URI),
        has_uri(contains_string("example")),
        has_content({"uri": URI, "size": 1}),
        has_content(has_entry("size", 1)),
        has_opaque_data({"x-request-id": "42"}),
        has_opaque_data(has_entries({"x-request-id": "42"})),
        PublishedMessageMatcher(media_type=FOO, uri=URI),
        PublishedMessageMatcher(content=has_entry("size", 1), opaque_data=anything()),
        PublishedMessageMatcher(),
        instance_of(PublishedMessage),
        all_of(has_media_type(FOO), has_uri(URI)),
    ],
)
def test_what_may_be_asked_of_a_message(producer, matcher):
    producer.produce(FOO, {"size": 1}, URI, opaque_data={"x-request-id": "42"})

    assert_that(producer, published(matcher))


@pytest.mark.parametrize(
    "matcher",
    [
        BAR,
        has_media_type(BAR),
        has_uri("http://example.com/bar"),
        has_uri(None),
        has_content({}),
        has_opaque_data({}),
        PublishedMessageMatcher(media_type=FOO, uri=none()),
        all_of(has_media_type(FOO), has_uri(None)),
    ],
)
def test_what_a_message_may_fail(producer, matcher):
    producer.produce(FOO, {"size": 1}, URI, opaque_data={"x-request-id": "42"})

    assert_that(producer, not_(published(matcher)))


def test_mismatch_lists_what_was_published(producer):
    producer.produce(FOO, size=1)
    producer.produce(BAR, uri=URI)

    text = mismatch(producer, published(has_media_type(FOO), all_of(has_media_type(FOO), has_uri(URI))))

    assert "published 2 message(s)" in text
    assert f"{FOO} {{'size': 1}}" in text
    assert f"{BAR} {{'uri': '{URI}'}}" in text
    assert f"item 1: a published message with media_type '{FOO}' media_type was '{BAR}'" in text
    assert "Expected: published, in order, a sequence containing [a published message with" in text


def test_mismatch_of_nothing(producer):
    producer.produce(FOO)

    text = mismatch(producer, published_nothing())

    assert "Expected: published nothing" in text
    assert FOO in text

    assert "published 0 message(s)" in mismatch(recording_producer(), published(FOO))


def test_mismatch_names_each_difference():
    message = PublishedMessage(media_type=FOO)
    text = mismatch(message, PublishedMessageMatcher(media_type=BAR, uri=URI))

    assert f"media_type was '{FOO}' and uri was <None>" in text
    assert f"a published message with media_type '{BAR}' and uri '{URI}'" in text
    assert "was no published message but <1>" in mismatch(1, has_media_type(FOO))


def test_batches_are_in_the_order_of_their_calls(producer):
    producer.produce(FOO, number=1)
    producer.produce_batch([{"media_type": BAR, "number": 2}, {"media_type": FOO, "number": 3}])
    producer.produce(BAR, number=4)

    messages = published_messages_for(producer)

    assert [message.content["number"] for message in messages] == [1, 2, 3, 4]
    assert_that(producer, published(FOO, BAR, FOO, BAR))


def test_published_messages_of_a_client():
    producer = SNSClientProducer()
    producer.produce(FOO, {"size": 1}, URI, opaque_data={"x": "y"})

    expected = [
        PublishedMessage(
            media_type=FOO,
            uri=URI,
            content={"size": 1, "uri": URI},
            opaque_data={"x": "y"},
            topic_arn="topic",
        )
    ]
    assert published_messages_for(producer) == expected
    assert published_messages_for(producer.sns_client) == expected


def test_a_client_that_answers_as_told():
    producer = SNSClientProducer()
    producer.sns_client.publish.return_value = {"MessageId": "told"}

    assert producer.produce(FOO) == "told"
    assert_that(producer, published(FOO))


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((FOO, {"a": 1}, URI), {}),
        ((FOO, {"a": 1}), {"uri": URI}),
        ((FOO,), {"dct": {"a": 1}, "uri": URI}),
        ((), {"media_type": FOO, "a": 1, "uri": URI}),
        ((FOO, {"a": 2, "uri": URI}), {"a": 1}),
        ((FOO, None, URI), {"a": 1}),
    ],
)
def test_ways_to_call_produce(args, kwargs):
    producer = recording_producer()

    producer.produce(*args, **kwargs)

    assert published_messages_for(producer) == [PublishedMessage(media_type=FOO, uri=URI, content={"a": 1, "uri": URI})]


@pytest.mark.parametrize("opaque_key", ["opaque_data", "opaqueData"])
@pytest.mark.parametrize("type_key", ["media_type", "mediaType"])
def test_wire_names_and_attribute_names(opaque_key, type_key):
    producer = recording_producer()

    producer.produce(FOO, {type_key: FOO, opaque_key: {"x": "y"}, "a": 1})

    assert published_messages_for(producer) == [
        PublishedMessage(media_type=FOO, content={"a": 1}, opaque_data={"x": "y"})
    ]


def test_messages_of_a_recorded_producer():
    producer = recording_producer()
    message = PubsubMessage(
        media_type=FOO,
        message=dumps({"mediaType": FOO, "uri": URI, "opaqueData": {"x": "y"}}),
        message_attributes={},
        opaque_data={"x": "y"},
        topic_arn="topic",
    )

    producer.publish_message(message)
    producer.produce_batch([message, {"media_type": BAR, "dct": {"a": 1}}])
    producer.produce_batch(messages=[message])
    producer.publish_message(producer.create_message(BAR, {"b": 2}))

    foo = PublishedMessage(FOO, URI, {"uri": URI}, {"x": "y"}, "topic")
    assert published_messages_for(producer) == [
        foo,
        foo,
        PublishedMessage(BAR, content={"a": 1}),
        foo,
        PublishedMessage(BAR, content={"b": 2}),
    ]


def test_deferred_messages_of_a_recorded_producer():
    producer = recording_producer()

    with DeferredProducer(producer) as deferred:
        deferred.produce(FOO, size=1)
        deferred.produce(BAR, uri=URI)
        assert_that(producer, published_nothing())

    assert_that(producer, published(has_content({"size": 1}), all_of(has_media_type(BAR), has_uri(URI))))


def test_deferred_batch_of_a_recorded_producer():
    producer = recording_producer()

    with DeferredBatchProducer(producer) as deferred:
        deferred.produce(FOO)
        deferred.produce(BAR)

    assert_that(
        producer,
        published(
            all_of(
                has_media_type(MessageBatchSchema.MEDIA_TYPE),
                has_content(
                    has_entries(messages=contains_exactly(has_entries(media_type=FOO), has_entries(media_type=BAR)))
                ),
            )
        ),
    )


def test_a_batch_message_is_one_message(producer):
    batch = "application/vnd.globality.pubsub._.created.batch_message"

    producer.produce(batch, messages=[{"media_type": FOO}, {"media_type": BAR}])

    assert_that(producer, published(batch))


def test_a_message_that_is_no_object():
    client = record(MemoryEngine().topic_client)
    client.publish(TopicArn="topic", Message="[]")

    assert published_messages_for(client) == [PublishedMessage(media_type=None, topic_arn="topic")]


def test_calls_that_publish_nothing():
    producer = recording_producer()
    producer.choose_topic_arn(FOO)
    producer.sns_client.publish(TopicArn="topic", Message="{}")
    producer.create_message(FOO)

    assert_that(producer, published_nothing())


def test_a_producer_that_does_not_record():
    producer = SimpleNamespace(sns_client=MemoryEngine().topic_client)

    assert_that(
        calling(published_messages_for).with_args(producer),
        raises(ConfigurationError, "SimpleNamespace does not record"),
    )


def test_a_message_is_frozen():
    assert_that(
        calling(setattr).with_args(PublishedMessage(FOO), "media_type", BAR),
        raises(AttributeError),
    )


def test_star_import():
    namespace = {}

    exec("from microcosm_pubsub.matchers import *", namespace)

    names = {name for name in namespace if not name.startswith("__")}
    assert_that(
        names,
        is_(
            equal_to(
                {
                    "PublishedMessage",
                    "PublishedMessageMatcher",
                    "has_content",
                    "has_media_type",
                    "has_opaque_data",
                    "has_uri",
                    "published",
                    "published_inanyorder",
                    "published_messages_for",
                    "published_nothing",
                }
            )
        ),
    )


class TestRecordedCalls:
    """What tests of version 3 read of mocks themselves."""

    def test_a_call_of_a_client(self):
        client = MagicMock()
        client.publish(TopicArn="t", Message='{"mediaType": "application/x", "uri": "u"}')

        expected = PublishedMessage("application/x", "u", {"uri": "u"}, {}, "t")
        assert PublishedMessage.from_call(client.publish.call_args) == expected
        assert PublishedMessage.from_call(client.mock_calls[0]) == expected
        assert list(PublishedMessage.iter_from_mock_calls(client.publish.call_args_list)) == [expected]
        assert list(PublishedMessage.iter_from_mock_calls(client.mock_calls)) == [expected]

    def test_a_call_of_a_producer(self):
        producer = MagicMock()
        producer.produce("application/x", uri="u")
        producer.produce(media_type="application/x", uri="u")

        expected = PublishedMessage("application/x", "u", {"uri": "u"})
        assert list(PublishedMessage.iter_from_mock_calls(producer.produce.mock_calls)) == [expected, expected]
        assert list(PublishedMessage.iter_from_sns_producer(producer)) == [expected, expected]

    def test_a_batch(self):
        client = MagicMock()
        client.publish_batch(TopicArn="t", PublishBatchRequestEntries=[{"Id": "0", "Message": "{}"}] * 2)

        assert len(list(PublishedMessage.iter_from_mock_calls(client.publish_batch.call_args_list))) == 2

    def test_a_call_that_published_nothing(self):
        with pytest.raises(ConfigurationError, match="published no message"):
            PublishedMessage.from_call(call.get_topic_attributes(TopicArn="t"))
