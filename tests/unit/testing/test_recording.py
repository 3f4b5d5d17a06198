"""
Recorded clients and producers.

"""

from json import loads

import pytest

from microcosm_pubsub.testing import MemoryEngine, record, recording_producer
from microcosm_pubsub.testing.recording import recorded_calls


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
    assert producer.anything.goes() is not None


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
