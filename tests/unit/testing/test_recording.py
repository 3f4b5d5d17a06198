"""
Recorded clients and producers.

"""

from asyncio import run
from dataclasses import dataclass
from inspect import signature
from json import loads

import pytest

from microcosm_pubsub.matchers.published import PublishedMessage, published_messages_for
from microcosm_pubsub.producer import SNSProducer
from microcosm_pubsub.registry.media_type import declare_media_type
from microcosm_pubsub.testing import MemoryEngine, record, recording_producer
from microcosm_pubsub.testing.recording import ProducerStandIn, recorded_calls


@pytest.fixture
def engine():
    return MemoryEngine(default_queue_url="queue")


def test_recorded_client_does_its_work(engine):
    client = record(engine.topic_client)

    answer = client.publish(TopicArn="topic", Message="hello")

    client.publish.assert_called_once_with(TopicArn="topic", Message="hello")
    assert client.publish.call_args.kwargs["Message"] == "hello"
    assert loads(engine.messages("queue")[0].body)["MessageId"] == answer["MessageId"]


def test_recorded_client_answers_as_told(engine):
    client = record(engine.queue_client)
    client.send_message(QueueUrl="queue", MessageBody="body")

    client.receive_message.return_value = {"Messages": []}
    assert client.receive_message(QueueUrl="queue") == {"Messages": []}

    client.delete_message.side_effect = ValueError
    with pytest.raises(ValueError):  # noqa: PT011
        client.delete_message(QueueUrl="queue", ReceiptHandle="x")

    assert [message.receive_count for message in engine.messages("queue")] == [0]


def test_recorded_client_forgets(engine):
    client = record(engine.topic_client)
    client.publish(TopicArn="topic", Message="hello")

    client.reset_mock()

    assert client.publish.call_count == 0
    client.publish(TopicArn="topic", Message="again")
    assert len(engine.messages("queue")) == 2


def test_recorded_calls_are_in_order(engine):
    client = record(engine.topic_client)
    client.publish(TopicArn="a", Message="1")
    client.publish_batch(TopicArn="b", PublishBatchRequestEntries=[{"Id": "0", "Message": "2"}])
    client.publish(TopicArn="c", Message="3")

    calls = recorded_calls(client)

    assert [name for name, _, _ in calls] == ["publish", "publish_batch", "publish"]
    assert calls[0] == ("publish", (), {"TopicArn": "a", "Message": "1"})
    assert recorded_calls(engine.topic_client) is None


def test_recording_producer_answers_with_distinct_ids():
    producer = recording_producer()

    ids = [producer.produce("foo"), producer.produce("foo", uri="x"), producer.publish_message(None)]
    results = producer.produce_batch([{"media_type": "foo"}, {"media_type": "bar"}])
    ids += [result.message_id for result in results]

    assert len(set(ids)) == 5
    assert all(result.ok for result in results)
    assert all(isinstance(id_, str) for id_ in ids)
    producer.produce.assert_called_with("foo", uri="x")
    assert [name for name, _, _ in recorded_calls(producer)] == [
        "produce",
        "produce",
        "publish_message",
        "produce_batch",
    ]


def test_recording_producer_answers_as_told():
    producer = recording_producer()

    producer.produce.return_value = "told"
    producer.publish_message.side_effect = KeyError

    assert producer.produce("foo") == "told"
    with pytest.raises(KeyError):
        producer.publish_message(None)
    assert producer.choose_topic_arn("foo") is not None


def test_recording_producer_creates_messages():
    message = recording_producer().create_message(
        "foo/bar", {"a": 1}, uri="http://example.com", opaque_data={"x": "y"}, b=2
    )

    assert message.media_type == "foo/bar"
    assert message.topic_arn == ""
    assert loads(message.message) == {
        "mediaType": "foo/bar",
        "uri": "http://example.com",
        "opaqueData": {"x": "y"},
        "a": 1,
        "b": 2,
    }
    assert message.opaque_data == {"x": "y"}
    assert message.message_attributes["media_type"]["StringValue"] == "foo/bar"


@dataclass
class Order:
    number: int


def test_a_recorded_producer_has_what_a_producer_has_and_nothing_else():
    producer = recording_producer()

    assert isinstance(producer, SNSProducer)
    with pytest.raises(AttributeError):
        producer.publish_everything()


@pytest.mark.parametrize("name", ["produce", "produce_async", "create_message", "publish_message", "produce_batch"])
def test_what_stands_in_is_called_as_a_producer_is(name):
    stand_in, real = (signature(getattr(cls, name)) for cls in (ProducerStandIn, SNSProducer))

    assert list(stand_in.parameters) == [
        {"pubsub_message": "message"}.get(parameter, parameter) for parameter in real.parameters
    ]
    assert [each.default for each in stand_in.parameters.values()] == [
        each.default for each in real.parameters.values()
    ]


def test_a_recorded_producer_takes_instances():
    declare_media_type(Order, "application/vnd.test.recorded")
    producer = recording_producer()

    producer.produce(Order(1))
    producer.produce("application/vnd.test.other", Order(2), opaque_data={})
    run(producer.produce_async(Order(3)))
    producer.publish_message(producer.create_message(Order(4)))

    assert [(message.media_type, message.content) for message in published_messages_for(producer)] == [
        ("application/vnd.test.recorded", {"number": 1}),
        ("application/vnd.test.other", {"number": 2}),
        ("application/vnd.test.recorded", {"number": 3}),
        ("application/vnd.test.recorded", {"number": 4}),
    ]
    assert PublishedMessage.from_call(producer.produce.call_args_list[0]).content == {"number": 1}
