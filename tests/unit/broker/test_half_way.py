"""Calls that fail between two changes, and have done none."""

import pytest

from microcosm_pubsub.broker.sqs.sending import INSERT_MESSAGE
from microcosm_pubsub.broker.topic_client import BrokerTopicClient


@pytest.fixture
def interrupt(monkeypatch):
    """Make a call that is interrupted when it has put one message into a queue."""

    def interrupt(call):
        insert = INSERT_MESSAGE.execute

        def insert_first(connection, rows):
            insert(connection, rows[:1])
            raise RuntimeError("interrupted")

        with monkeypatch.context() as patch:
            patch.setattr(INSERT_MESSAGE, "execute", insert_first)
            with pytest.raises(RuntimeError, match="interrupted"):
                call()

    return interrupt


def test_a_batch(any_url, make_queue, interrupt):
    queue = make_queue(any_url)
    interrupt(lambda: queue.send_all(["a", "b"]))
    assert queue.drain() == []


def test_a_message_of_a_group(any_url, make_queue, interrupt):
    queue = make_queue(any_url, fifo=True)
    interrupt(lambda: queue.send("a", MessageGroupId="g"))
    queue.send("a", MessageGroupId="g")
    assert [message["Body"] for message in queue.drain()] == ["a"]


@pytest.mark.parametrize("is_known", [False, True])
def test_a_message_for_two_queues(any_url, make_queue, interrupt, is_known):
    queue = make_queue(any_url)
    topics = BrokerTopicClient(queue.broker)
    topic_arn = topics.create_topic(Name="topic")["TopicArn"]
    for name in ("queue", "other"):
        url = queue.client.create_queue(QueueName=name)["QueueUrl"]
        answer = queue.client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        topics.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=answer["Attributes"]["QueueArn"])
    if is_known:
        topics.publish(TopicArn=topic_arn, Message="a")
        assert len(queue.drain()) == 1
    interrupt(lambda: topics.publish(TopicArn=topic_arn, Message="b"))
    assert queue.drain() == []
