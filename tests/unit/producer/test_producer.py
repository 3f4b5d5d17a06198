"""
Publish messages, each to the topic of its media type.
"""

# boto3 names its arguments in CamelCase.
# ruff: noqa: N803

from json import loads

import pytest
from botocore.exceptions import NoCredentialsError, ParamValidationError
from marshmallow import ValidationError, fields
from microcosm.api import create_object_graph, load_from_dict

from microcosm_pubsub.batch import MessageBatchSchema
from microcosm_pubsub.clients import CREDENTIALS_ADVICE
from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.context import handling
from microcosm_pubsub.conventions import changed, created, deleted, media_type
from microcosm_pubsub.decorators import schema
from microcosm_pubsub.errors import ConfigurationError, PublishError, TopicNotDefinedError
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.producer import (
    DeferredBatchProducer,
    DeferredProducer,
    PubsubMessage,
    SNSProducer,
    TopicArns,
    deferred,
    deferred_batch,
    iter_topic_mappings,
)


MEDIA_TYPE = "application/vnd.producer.parcel"
OTHER = "application/vnd.producer.other"


@schema
class ProducerParcelSchema(PubSubMessageSchema):
    MEDIA_TYPE = MEDIA_TYPE

    number = fields.Integer(required=True)
    uri = fields.String()
    note = fields.String()


@schema
class ProducerOtherSchema(PubSubMessageSchema):
    MEDIA_TYPE = OTHER

    number = fields.Integer(required=True)


def parcel(number, **more):
    return {"media_type": MEDIA_TYPE, "number": number, **more}


@pytest.fixture
def producer(graph):
    return graph.sns_producer


@pytest.fixture
def make_producer(graph):
    """Make a producer of a client of one's own."""

    def make(client=None, default="topic", mappings=None, **more):
        return SNSProducer(
            sns_client=client or graph.sns_client,
            sns_topic_arns=TopicArns(mappings, default),
            registry=graph.pubsub_message_schema_registry,
            **more,
        )

    return make


class FlakyTopicClient:
    """Answer as boto3 does; calls with a certain number fail."""

    def __init__(self, error=None, fail=None):
        self.error = error
        self.fail = fail
        self.calls = []

    def publish(self, **kwargs):
        self.calls.append((kwargs["TopicArn"], [kwargs["Message"]]))
        if self.error and loads(kwargs["Message"])["number"] == self.fail:
            raise self.error
        return {"MessageId": f"id-{len(self.calls)}"}

    def publish_batch(self, TopicArn, PublishBatchRequestEntries):
        texts = [entry["Message"] for entry in PublishBatchRequestEntries]
        self.calls.append((TopicArn, texts))
        if self.error and any(loads(text)["number"] == self.fail for text in texts):
            raise self.error
        answer = {"Successful": [], "Failed": []}
        for entry in PublishBatchRequestEntries:
            if "note" in entry["Message"]:
                answer["Failed"].append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
            elif loads(entry["Message"])["number"] != 404:
                answer["Successful"].append({"Id": entry["Id"], "MessageId": f"id-{loads(entry['Message'])['number']}"})
        return answer


@pytest.mark.parametrize(
    ("args", "kwargs", "content"),
    [
        (({"number": 1},), {}, {"number": 1}),
        ((), {"number": 1}, {"number": 1}),
        (({"number": 1, "note": "a"},), {"note": "b"}, {"number": 1, "note": "b"}),
        (({"number": 1},), {"uri": "http://x"}, {"number": 1, "uri": "http://x"}),
        (({"number": 1, "unknown": 1},), {}, {"number": 1}),
    ],
)
def test_produce(producer, queue, args, kwargs, content):
    message_id = producer.produce(MEDIA_TYPE, *args, **kwargs)

    assert loads(queue.bodies[0])["MessageId"] == message_id
    (published,) = queue.published
    assert float(published.pop("opaqueData")["x-request-published"]) > 0
    assert published == {"mediaType": MEDIA_TYPE, **content}


def test_what_a_subscription_may_filter_by(producer, graph):
    producer.produce(MEDIA_TYPE, number=1)

    call = graph.sns_producer.sns_client.publish.call_args.kwargs
    assert call["TopicArn"] == "topic"
    assert call["MessageAttributes"] == {"media_type": {"DataType": "String", "StringValue": MEDIA_TYPE}}
    assert producer.choose_message_attributes(MEDIA_TYPE) == call["MessageAttributes"]


def test_opaque_data(graph, queue):
    graph.opaque["X-Request-Id"] = "from the graph"

    graph.sns_producer.produce(MEDIA_TYPE, number=1)
    graph.sns_producer.produce(MEDIA_TYPE, number=2, opaque_data={"X-Request-ID": "given", "Mine": "1"})
    with graph.opaque.initialize(lambda: {"x-request-ttl": "3", "x-request-published": "1"}):
        graph.sns_producer.produce(MEDIA_TYPE, number=3)

    first, second, third = (message["opaqueData"] for message in queue.published)
    assert first["x-request-id"] == "from the graph"
    assert set(second) == {"x-request-id", "x-request-published", "x-message-id", "mine"}
    assert second["x-request-id"] == "given"
    assert third["x-request-ttl"] == "3"
    assert third["x-request-published"] != "1"


def test_each_message_has_an_id_of_its_own(graph, queue):
    handled = SQSMessage(None, {"opaque_data": {"X-Message-Id": "handled"}}, MEDIA_TYPE, "id", "receipt")
    with handling(handled), graph.opaque.initialize(lambda: handled.opaque_data):
        graph.sns_producer.produce(MEDIA_TYPE, number=1)
        graph.sns_producer.produce(MEDIA_TYPE, number=2, opaque_data=handled.opaque_data)
        graph.sns_producer.produce(MEDIA_TYPE, number=3, opaque_data={"X-Message-ID": "given"})

    first, second, third = (message["opaqueData"]["x-message-id"] for message in queue.published)
    assert len({first, second, "handled"}) == 3
    assert third == "given"


def test_time_of_publishing(make_producer, queue):
    make_producer(now=lambda: 1234.5).produce(MEDIA_TYPE, number=1)

    assert queue.published[0]["opaqueData"]["x-request-published"] == "1234.5"


def test_create_and_publish(producer, queue):
    message = producer.create_message(MEDIA_TYPE, {"number": 1}, uri="http://x", opaque_data={"a": "b"}, note="n")

    assert isinstance(message, PubsubMessage)
    assert (message.media_type, message.topic_arn, message.group_id) == (MEDIA_TYPE, "topic", None)
    assert message.opaque_data["a"] == "b"
    content = loads(message.message)
    assert (content["number"], content["uri"], content["note"]) == (1, "http://x", "n")
    assert queue.bodies == []
    assert producer.publish_message(message)
    assert queue.published == [content]


@pytest.mark.parametrize(
    ("produced", "error", "text"),
    [
        ((MEDIA_TYPE, {"number": "x"}), ValidationError, "ProducerParcelSchema"),
        ((MEDIA_TYPE,), ValidationError, "number"),
        ((created("producer"), {}), ValidationError, "uri"),
        ((MEDIA_TYPE, {"number": 1, "opaque_data": 1, "note": object()}), type(None), ""),
        (("application/vnd.producer.unknown", {}), PublishError, r"unknown: it has no schema.*@schema"),
        ((ProducerParcelSchema, {"number": 1}), PublishError, "a media type must be text"),
        ((None, {"number": 1}), PublishError, "a media type must be text"),
    ],
)
def test_what_is_not_published(producer, queue, produced, error, text):
    if error is type(None):
        # text is made of anything, as marshmallow does; opaque data is ours alone
        assert producer.produce(*produced)
        return
    with pytest.raises(error, match=text):
        producer.produce(*produced)
    assert queue.bodies == []


def test_a_topic_that_does_not_take_it(producer, client_error):
    producer.sns_client.publish.side_effect = client_error("AuthorizationError")

    with pytest.raises(PublishError, match=rf"{MEDIA_TYPE} to topic: AuthorizationError") as raised:
        producer.produce(MEDIA_TYPE, number=1)

    assert raised.value.__cause__ is producer.sns_client.publish.side_effect


def test_the_size_of_a_message_that_is_too_large_is_told(make_producer, client_error):
    producer = make_producer(default="topic")
    producer.sns_client.publish.side_effect = client_error("InvalidParameter")

    with pytest.raises(PublishError, match=r"InvalidParameter; the message has 3\d{5} bytes, and a topic takes 262144"):
        producer.produce(MEDIA_TYPE, number=1, note="x" * 300_000)


def test_no_topic(make_producer):
    with pytest.raises(TopicNotDefinedError, match=rf"{MEDIA_TYPE}.*sns_topic_arns.mappings"):
        make_producer(default=None).produce(MEDIA_TYPE, number=1)


def test_topics(make_producer):
    producer = make_producer(mappings={MEDIA_TYPE: "parcels"}, default="others")

    assert producer.choose_topic_arn(MEDIA_TYPE) == "parcels"
    assert producer.choose_topic_arn(OTHER) == "others"
    with pytest.raises(TopicNotDefinedError):
        producer.choose_topic_arn(MessageBatchSchema.MEDIA_TYPE)
    producer = make_producer(mappings={MessageBatchSchema.MEDIA_TYPE: "batches"})
    assert producer.choose_topic_arn(MessageBatchSchema.MEDIA_TYPE) == "batches"


def test_iter_topic_mappings():
    assert dict(iter_topic_mappings({"foo": {"bar_baz": "a", "deep": {"er": "b"}}, "plain": "c"})) == {
        "foo.bar_baz": "a",
        "foo.deep.er": "b",
        "plain": "c",
    }
    assert list(iter_topic_mappings({})) == []


def test_the_topics_of_a_graph(make_graph):
    arns = make_graph(
        sns_topic_arns={
            "default": "default",
            "mappings": {MEDIA_TYPE: "parcels", deleted("foo"): "by mapping"},
            "created": {"foo": {"bar_baz": "created"}},
            "changed": {"foo": "changed"},
            "deleted": {"foo": "by change"},
        },
    ).sns_topic_arns

    assert arns == {
        created("foo.bar_baz"): "created",
        changed("foo"): "changed",
        deleted("foo"): "by mapping",
        MEDIA_TYPE: "parcels",
    }
    assert arns.default == "default"


def test_topics_from_the_environment(monkeypatch):
    from microcosm.api import load_from_environ

    monkeypatch.setenv("EXAMPLE__SNS_TOPIC_ARNS__CREATED__FOO__BAR_BAZ", "arn")
    graph = create_object_graph("example", testing=True, loader=load_from_environ)

    assert graph.sns_producer.choose_topic_arn(created("foo.bar_baz")) == "arn"
    with pytest.raises(TopicNotDefinedError, match="PUBSUB_BROKER_URL"):
        graph.sns_producer.choose_topic_arn(created("foo"))


def test_the_topic_of_a_change_of_ones_own(make_graph):
    graph = make_graph(sns_topic_arns={"archived": {"foo": "archived"}})
    graph.pubsub_lifecycle_change.add("archived")

    assert graph.sns_topic_arns[media_type("archived")("foo")] == "archived"


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"created": "arn"}, "sns_topic_arns.created is 'arn'"),
        ({"created": {"foo": 7}}, "created.foo is 7"),
        ({"mappings": "arn"}, "sns_topic_arns.mappings is 'arn'"),
        ({"mappings": {MEDIA_TYPE: ""}}, MEDIA_TYPE),
        ({"default": 7}, "sns_topic_arns.default"),
    ],
)
def test_topics_that_cannot_work_are_refused(make_graph, config, text):
    with pytest.raises(ConfigurationError, match=text):
        _ = make_graph(sns_topic_arns=config).sns_topic_arns


@pytest.mark.parametrize(
    ("config", "debug", "skip"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"skip": "false"}, True, False),
        ({"skip": "true"}, False, True),
        ({"skip": True}, False, True),
    ],
)
def test_skip(config, debug, skip):
    graph = create_object_graph("test", debug=debug, testing=True, loader=load_from_dict(sns_producer=config))

    assert graph.sns_producer.skip is skip
    message_id = graph.sns_producer.produce(MEDIA_TYPE, number=1)
    assert (message_id is None) is skip
    (result,) = graph.sns_producer.produce_batch([parcel(1)])
    assert result.ok
    assert (result.message_id is None) is skip
    # what is wrong is told all the same
    with pytest.raises(ValidationError):
        graph.sns_producer.produce(MEDIA_TYPE)


@pytest.mark.parametrize("config", [{"mock_sns": "false"}, {"record_only": "true"}, {"record_only": True}])
def test_a_recorded_producer(make_graph, config):
    producer = make_graph(sns_producer=config).sns_producer

    producer.produce(MEDIA_TYPE, number=1)

    producer.produce.assert_called_once_with(MEDIA_TYPE, number=1)


@pytest.mark.parametrize("config", [{}, {"mock_sns": True}, {"record_only": False, "mock_sns": False}])
def test_a_producer_whose_client_is_recorded(make_graph, config):
    assert type(make_graph(sns_producer=config).sns_producer) is SNSProducer


def test_configuration(make_graph):
    graph = make_graph(sns_producer={"deferred_batch_size": "7"})

    assert graph.sns_producer.deferred_batch_size == 7
    assert make_graph().sns_producer.deferred_batch_size == 100


class TestBatch:
    def test_results_are_in_order_and_calls_by_topic(self, make_producer):
        client = FlakyTopicClient()
        producer = make_producer(client, mappings={OTHER: "others"})
        messages = [{"media_type": OTHER if number % 5 == 0 else MEDIA_TYPE, "number": number} for number in range(30)]

        results = producer.produce_batch(messages)

        assert [result.message_id for result in results] == [f"id-{number}" for number in range(30)]
        assert [(topic, len(texts)) for topic, texts in client.calls] == [
            ("others", 6),
            ("topic", 10),
            ("topic", 10),
            ("topic", 4),
        ]

    def test_messages_may_be_made_before(self, make_producer):
        client = FlakyTopicClient()
        producer = make_producer(client)
        first = producer.create_message(MEDIA_TYPE, {"number": 1})

        results = producer.produce_batch(iter([first, parcel(2), {"media_type": MEDIA_TYPE, "dct": {"number": 3}}]))

        assert [result.message_id for result in results] == ["id-1", "id-2", "id-3"]

    def test_nothing(self, make_producer):
        client = FlakyTopicClient()

        assert make_producer(client).produce_batch([]) == []
        assert client.calls == []

    def test_one_alone_needs_no_batch(self, graph, producer):
        assert producer.produce_batch([parcel(1)])[0].ok

        assert graph.sns_client.publish.call_count == 1
        assert graph.sns_client.publish_batch.call_count == 0

    def test_a_call_keeps_within_the_topics_limit(self, make_producer):
        client = FlakyTopicClient()
        producer = make_producer(client, now=lambda: 1.0)
        size = producer.create_message(MEDIA_TYPE, {"number": 1}).size_bytes
        producer.topic_size_limit_bytes = 3 * size

        results = producer.produce_batch([parcel(number) for number in range(7)])

        assert all(result.ok for result in results)
        assert [len(texts) for _, texts in client.calls] == [3, 3, 1]
        # one that is too large by itself is for the topic to refuse
        producer.topic_size_limit_bytes = size - 1
        client.calls.clear()
        assert all(result.ok for result in producer.produce_batch([parcel(1), parcel(2)]))
        assert len(client.calls) == 2

    def test_bytes_are_counted(self, make_producer):
        producer = make_producer(now=lambda: 1.0)
        sizes = [producer.create_message(MEDIA_TYPE, {"number": 1, "note": note}).size_bytes for note in ("", "é")]

        assert sizes[1] - sizes[0] == len("\\u00e9")

    def test_what_is_wrong_fails_alone(self, make_producer):
        client = FlakyTopicClient()
        messages = [
            parcel(0),
            parcel("x"),
            {"media_type": "application/vnd.producer.unknown"},
            {"number": 1},
            parcel(4),
        ]

        results = make_producer(client).produce_batch(messages)

        assert [type(result.error) for result in results if not result.ok] == [
            results[1].error.__class__,
            PublishError,
            PublishError,
        ]
        assert isinstance(results[1].error, ValidationError)
        assert [result.ok for result in results] == [True, False, False, False, True]
        assert [len(texts) for _, texts in client.calls] == [2]

    @pytest.mark.parametrize("code", ["InvalidParameter", "ParamValidationError"])
    def test_one_for_which_a_whole_call_is_refused_fails_alone(self, make_producer, client_error, code):
        error = client_error(code) if code == "InvalidParameter" else ParamValidationError(report="no group")
        client = FlakyTopicClient(error, fail=7)

        results = make_producer(client).produce_batch([parcel(number) for number in range(12)])

        assert [index for index, result in enumerate(results) if not result.ok] == [7]
        assert [len(texts) for _, texts in client.calls] == [10, *[1] * 10, 2]

    def test_no_topic_fails_alone(self, make_producer):
        producer = make_producer(FlakyTopicClient(), default=None, mappings={MEDIA_TYPE: "parcels"})

        first, second = producer.produce_batch([parcel(1), {"media_type": OTHER, "number": 2}])

        assert first.ok
        assert isinstance(second.error, TopicNotDefinedError)

    def test_partial_failures(self, make_producer):
        producer = make_producer(FlakyTopicClient())

        first, second, third = producer.produce_batch([parcel(1), parcel(2, note="fails"), parcel(404)])

        assert first.message_id == "id-1"
        assert str(second.error) == f"Cannot publish {MEDIA_TYPE} to topic: InternalError"
        assert "no answer" in str(third.error)
        assert second.message_id is third.message_id is None

    @pytest.mark.parametrize(
        ("cause", "told"),
        [
            ("AuthorizationError", "AuthorizationError; allow sns:Publish on the topic"),
            ("NotFound", "NotFound; create the topic, or correct sns_topic_arns"),
            ("ExpiredToken", "ExpiredToken; renew the AWS session token"),
            ("StorageFull", "StorageFull; make room on the broker's disk"),
            ("ServiceUnavailable", "ServiceUnavailable: ..."),
            ("InternalError", "InternalError"),
            (NoCredentialsError(), f"NoCredentialsError; {CREDENTIALS_ADVICE}"),
        ],
    )
    def test_what_can_be_done_about_it_is_said(self, make_producer, client_error, cause, told):
        error = client_error(cause) if isinstance(cause, str) else cause
        (result,) = make_producer(FlakyTopicClient(error, fail=1)).produce_batch([parcel(1)])
        assert str(result.error) == f"Cannot publish {MEDIA_TYPE} to topic: {told}"

    def test_a_call_that_fails_stands_for_itself(self, make_producer, client_error):
        client = FlakyTopicClient(client_error("Throttled"), fail=3)
        producer = make_producer(client)

        results = producer.produce_batch([parcel(number) for number in range(15)])

        assert [result.ok for result in results] == [False] * 10 + [True] * 5
        assert results[0].error.__cause__ is client.error
        assert [len(texts) for _, texts in client.calls] == [10, 5]
        (result,) = producer.produce_batch([parcel(3)])
        assert "Throttled" in str(result.error)


def test_groups_of_a_fifo_topic(make_producer, graph):
    producer = make_producer(default="topic.fifo")
    graph.pubsub_testing.engine.subscribe("topic.fifo", "queue.fifo")

    def group(name, **content):
        return producer.create_message(name, content).group_id

    assert group(MEDIA_TYPE, number=1) == MEDIA_TYPE
    assert group(MEDIA_TYPE, number=1, uri="http://x/1") == "http://x/1"
    assert group(deleted("foo"), id="17") == "17"
    assert group(created("foo"), uri="http://x/a b/é") == "http://x/a%20b/%C3%A9"
    assert len(group(created("foo"), uri="http://x/" + "y" * 200)) == 128

    producer.produce(created("foo"), uri="http://x/1")
    producer.produce(created("foo"), uri="http://x/1")
    stored = graph.pubsub_testing.engine.messages("queue.fifo")
    assert [message.group_id for message in stored] == ["http://x/1", "http://x/1"]


def test_metrics(make_producer, client_error):
    told = []
    producer = make_producer(
        FlakyTopicClient(client_error("Throttled"), fail=3),
        metrics=lambda *call: told.append(call),
    )

    producer.produce(MEDIA_TYPE, number=1)
    producer.produce_batch([parcel(1), parcel(2)])
    producer.produce_batch([parcel(1), parcel(3)])
    with pytest.raises(PublishError):
        producer.produce(MEDIA_TYPE, number=3)

    assert [(name, elapsed >= 0, outcome) for name, elapsed, outcome in told] == [
        (MEDIA_TYPE, True, "success"),
        (MEDIA_TYPE, True, "success"),
        (MEDIA_TYPE, True, "failure"),
        (MEDIA_TYPE, True, "failure"),
    ]


def test_metrics_can_change_nothing(make_producer, caplog):
    producer = make_producer(FlakyTopicClient(), metrics=lambda *call: 1 / 0)

    assert producer.produce(MEDIA_TYPE, number=1) == "id-1"
    assert "Cannot measure" in caplog.text


def produce_all(block, contents):
    for content in contents:
        block.produce(MEDIA_TYPE, content)


def fail_after(block, **content):
    block.produce(MEDIA_TYPE, content)
    raise ZeroDivisionError


class TestDeferred:
    @pytest.mark.parametrize("deferred_cls", [DeferredProducer, DeferredBatchProducer])
    def test_nothing_is_published_before_the_end(self, make_producer, queue, deferred_cls):
        producer = make_producer(mappings={MessageBatchSchema.MEDIA_TYPE: "batches"})

        with deferred_cls(producer) as block:
            assert block.produce(MEDIA_TYPE, {"number": 1}, note="n") is None
            assert block.produce(created("foo"), uri="http://x") is None
            assert queue.bodies == []

        expected = 2 if deferred_cls is DeferredProducer else 1
        assert len(queue.bodies) == expected

    @pytest.mark.parametrize("deferred_cls", [DeferredProducer, DeferredBatchProducer])
    def test_nothing_is_published_if_the_block_raises(self, producer, queue, deferred_cls):
        block = deferred_cls(producer)

        with pytest.raises(ZeroDivisionError), block:
            fail_after(block, number=1)
        with block:
            pass

        assert queue.bodies == []

    def test_what_is_wrong_raises_where_it_is_produced(self, producer, queue):
        with pytest.raises(ValidationError), DeferredProducer(producer) as block:
            produce_all(block, [{"number": 1}, {"number": "x"}])

        assert queue.bodies == []

    def test_all_are_tried(self, make_producer):
        client = FlakyTopicClient()

        with (
            pytest.raises(PublishError, match=r"1 of 3 messages.*InternalError") as raised,
            DeferredProducer(make_producer(client)) as block,
        ):
            produce_all(block, [{"number": 0, "note": "fails"}, {"number": 1}, {"number": 2}])

        assert isinstance(raised.value.__cause__, PublishError)
        assert len(client.calls[0][1]) == 3

    def test_a_block_within_a_block_publishes_with_the_outer_one(self, producer, queue):
        with DeferredProducer(producer) as outer:
            outer.produce(MEDIA_TYPE, number=1)
            with DeferredProducer(outer) as inner:
                inner.produce(MEDIA_TYPE, number=2)
            with pytest.raises(ZeroDivisionError), DeferredProducer(outer) as inner:
                fail_after(inner, number=3)
            assert queue.bodies == []

        assert [message["number"] for message in queue.published] == [1, 2]

    @pytest.mark.parametrize("deferred_cls", [DeferredProducer, DeferredBatchProducer])
    def test_mappings_are_taken_too(self, make_producer, queue, deferred_cls):
        producer = make_producer(mappings={MessageBatchSchema.MEDIA_TYPE: "batches"})

        with deferred_cls(producer) as block:
            results = block.produce_batch([{"media_type": MEDIA_TYPE, "number": number} for number in (1, 2)])
            assert [result.ok for result in results] == [True, True]
            with pytest.raises(ValidationError):
                block.produce_batch([{"media_type": MEDIA_TYPE, "number": "x"}])

        assert len(queue.bodies) == (2 if deferred_cls is DeferredProducer else 1)


class TestDeferredBatch:
    @pytest.fixture
    def producer(self, make_producer):
        return make_producer(mappings={MessageBatchSchema.MEDIA_TYPE: "batches"})

    def test_one_is_sent_as_itself(self, producer, queue):
        with DeferredBatchProducer(producer) as block:
            block.produce(MEDIA_TYPE, number=1)

        assert [message["mediaType"] for message in queue.published] == [MEDIA_TYPE]

    def test_many_are_packed(self, producer, queue):
        producer.deferred_batch_size = 3

        with DeferredBatchProducer(producer) as block:
            for number in range(7):
                block.produce(MEDIA_TYPE, number=number)

        first, second, last = queue.published
        assert first["mediaType"] == second["mediaType"] == created("batch_message")
        packed = [loads(item["message"])["number"] for item in [*first["messages"], *second["messages"]]]
        assert [*packed, last["number"]] == list(range(7))
        assert {item["topic_arn"] for item in first["messages"]} == {"topic"}

    def test_a_batch_message_keeps_within_its_topics_limit(self, producer, queue):
        producer.topic_size_limit_bytes = 20_000

        with DeferredBatchProducer(producer) as block:
            for number in range(20):
                block.produce(MEDIA_TYPE, number=number, note='"' * 500)

        assert len(queue.published) > 1
        assert all(len(loads(body)["Message"]) < 20_000 for body in queue.bodies)
        assert sum(len(message.get("messages", [message])) for message in queue.published) == 20

    def test_without_a_topic_of_its_own(self, make_producer, queue):
        with (
            pytest.raises(TopicNotDefinedError, match="batch_message"),
            DeferredBatchProducer(make_producer()) as block,
        ):
            produce_all(block, [{"number": 1}, {"number": 2}])

        assert queue.bodies == []

    def test_a_block_within_a_block(self, producer, queue):
        with DeferredProducer(producer) as outer:
            with DeferredBatchProducer(outer) as inner:
                inner.produce(MEDIA_TYPE, number=1)
                inner.produce(MEDIA_TYPE, number=2)
            assert queue.bodies == []

        assert [message["mediaType"] for message in queue.published] == [created("batch_message")]


class Component:
    def __init__(self, producer):
        self.sns_producer = self.other = producer


@pytest.mark.parametrize(("decorate", "published"), [(deferred, 2), (deferred_batch, 1)])
def test_decorators(make_producer, queue, decorate, published):
    producer = make_producer(mappings={MessageBatchSchema.MEDIA_TYPE: "batches"})
    component = Component(producer)

    @decorate(component)
    def work(number, fail=False):
        """Do it."""
        component.sns_producer.produce(MEDIA_TYPE, number=number)
        component.sns_producer.produce(MEDIA_TYPE, number=number)
        assert queue.bodies == []
        if fail:
            raise ZeroDivisionError
        return number

    assert (work.__name__, work.__doc__) == ("work", "Do it.")
    with pytest.raises(ZeroDivisionError):
        work(1, fail=True)
    assert component.sns_producer is producer
    assert work(7) == 7
    assert component.sns_producer is producer
    assert len(queue.bodies) == published


def test_a_decorated_function_may_call_another(producer, queue):
    component = Component(producer)

    @deferred(component, "other")
    def inner():
        component.other.produce(MEDIA_TYPE, number=2)

    @deferred(component, key="other")
    def outer():
        component.other.produce(MEDIA_TYPE, number=1)
        inner()
        assert queue.bodies == []

    outer()

    assert sorted(message["number"] for message in queue.published) == [1, 2]
    assert component.other is producer


def test_a_recorded_producer_is_deferred(make_graph):
    producer = make_graph(sns_producer={"mock_sns": False}).sns_producer

    with DeferredBatchProducer(producer) as block:
        block.produce(MEDIA_TYPE, number=1)
        block.produce(MEDIA_TYPE, number=2)

    assert producer.produce_batch.call_count == 1


class TestUnpacking:
    def pack(self, *messages):
        return {
            "messages": [
                {"media_type": MEDIA_TYPE, "message": text, "message_attributes": {}, "topic_arn": "topic"}
                for text in messages
            ],
        }

    def test_a_batch_message_is_unpacked(self, make_graph, look_at):
        mappings = {MessageBatchSchema.MEDIA_TYPE: "batches"}
        graph = make_graph(sns_topic_arns={"default": "topic", "mappings": mappings})
        queue = look_at(graph)
        with DeferredBatchProducer(graph.sns_producer) as block:
            for number in range(12):
                block.produce(MEDIA_TYPE, number=number)
        assert len(queue.bodies) == 1

        handlers = {MessageBatchSchema.MEDIA_TYPE: graph.publish_message_batch}
        (result,) = graph.sqs_message_dispatcher.handle_batch(handlers)

        assert result.result.name == "SUCCEEDED"
        assert [message["number"] for message in queue.published] == list(range(12))
        assert all("x-request-published" in message["opaqueData"] for message in queue.published)

    def test_what_is_not_published_comes_again(self, graph, client_error):
        graph.sns_client.publish_batch.side_effect = client_error("Throttled")

        with pytest.raises(PublishError, match="2 of 2"):
            graph.publish_message_batch(self.pack("{}", "{}"))

    def test_messages_are_published_as_they_were(self, graph, queue):
        assert graph.publish_message_batch(self.pack("anything", "at all")) is True

        assert [loads(body)["Message"] for body in queue.bodies] == ["anything", "at all"]
