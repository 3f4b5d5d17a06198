"""
Recorded clients and producers.

"""

from asyncio import run
from dataclasses import dataclass
from inspect import signature
from json import loads
from unittest.mock import call

import pytest
from botocore.exceptions import ClientError

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

    assert [(name, kwargs["Message"]) for name, _, kwargs in calls] == [
        ("publish", "1"),
        ("publish", "2"),
        ("publish", "3"),
    ]
    assert calls[0] == ("publish", (), {"TopicArn": "a", "Message": "1"})
    assert recorded_calls(engine.topic_client) is None


class TestBatchCalls:
    @pytest.fixture
    def entries(self):
        return [{"Id": str(number), "Message": f"message {number}"} for number in range(3)]

    def test_make_a_call_for_each_entry(self, engine, entries):
        client = record(engine.topic_client)

        answer = client.publish_batch(TopicArn="topic", PublishBatchRequestEntries=entries)

        assert client.publish_batch.call_count == 1
        assert client.publish.call_args_list == [call(TopicArn="topic", Message=each["Message"]) for each in entries]
        assert [each["Id"] for each in answer["Successful"]] == ["0", "1", "2"]
        assert len({each["MessageId"] for each in answer["Successful"]}) == len(engine.messages("queue")) == 3

    def test_answer_what_single_calls_are_told_to(self, engine, entries, client_error):
        client = record(engine.topic_client)
        client.publish.side_effect = [{"MessageId": "a"}, client_error("Throttled"), {"MessageId": "c"}]

        answer = client.publish_batch(TopicArn="topic", PublishBatchRequestEntries=entries)

        assert answer["Successful"] == [{"MessageId": "a", "Id": "0"}, {"MessageId": "c", "Id": "2"}]
        assert [(each["Id"], each["Code"]) for each in answer["Failed"]] == [("1", "Throttled")]

    def test_that_settle(self, engine):
        client = record(engine.queue_client)
        handles = [{"Id": str(number), "ReceiptHandle": f"r{number}"} for number in range(2)]

        client.delete_message_batch(QueueUrl="queue", Entries=handles)
        client.change_message_visibility_batch(
            QueueUrl="queue", Entries=[{**each, "VisibilityTimeout": 3} for each in handles]
        )

        client.delete_message.assert_called_with(QueueUrl="queue", ReceiptHandle="r1")
        client.change_message_visibility.assert_called_with(QueueUrl="queue", ReceiptHandle="r1", VisibilityTimeout=3)
        assert client.delete_message.call_count == client.change_message_visibility.call_count == 2

    @pytest.mark.parametrize("ids", [(), ("0", "0"), range(11)])
    def test_are_refused_as_a_whole(self, engine, ids):
        client = record(engine.topic_client)

        with pytest.raises(ClientError):
            client.publish_batch(
                TopicArn="topic", PublishBatchRequestEntries=[{"Id": str(each), "Message": "m"} for each in ids]
            )

        assert client.publish.call_count == 0

    def test_answer_as_they_are_told_themselves(self, engine, entries):
        client = record(engine.topic_client)
        client.publish_batch.return_value = {"Successful": [], "Failed": []}

        client.publish_batch(TopicArn="topic", PublishBatchRequestEntries=entries)

        assert client.publish.call_count == 0
        assert [name for name, _, _ in recorded_calls(client)] == ["publish_batch"]


def test_calls_of_a_method_that_was_reset_are_forgotten(engine):
    client, producer = record(engine.topic_client), recording_producer()
    for text in ("before", "after"):
        client.publish.reset_mock()
        producer.produce.reset_mock()
        client.publish(TopicArn="topic", Message=text)
        producer.produce(text)

    assert recorded_calls(client) == [("publish", (), {"TopicArn": "topic", "Message": "after"})]
    assert recorded_calls(producer) == [("produce", ("after",), {})]


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

    assert list(stand_in.parameters) == list(real.parameters)
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
