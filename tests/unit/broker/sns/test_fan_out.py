"""
What others change between two messages holds for the second, though much is remembered of the first.
"""

from io import BytesIO
from json import dumps

import pytest

from microcosm_pubsub.broker.broker import Broker


@pytest.fixture
def clouds(tmp_path, cloud):
    """Two processes on one file, as far as the database can tell."""
    brokers = [Broker(f"sqlite:///{tmp_path}/pubsub.db") for _ in range(2)]
    yield [type(cloud)(broker) for broker in brokers]
    for broker in brokers:
        broker.close()


@pytest.fixture
def reached(clouds):
    """A topic that was published to, and its queue."""
    one, _ = clouds
    topic, queue = one.topic(), one.queue()
    one.subscribe(topic, queue, RawMessageDelivery="true")
    for _ in range(2):
        one.sns.publish(TopicArn=topic, Message="first")
    assert one.bodies(queue) == ["first", "first"]
    return topic, queue


def test_a_new_subscription(clouds, reached):
    one, other = clouds
    topic, queue = reached
    added = other.queue("added")
    other.subscribe(topic, added, RawMessageDelivery="true")
    one.sns.publish(TopicArn=topic, Message="second")
    assert (one.bodies(queue), one.bodies(added)) == (["second"], ["second"])


def test_a_filter_policy(clouds, reached):
    one, other = clouds
    topic, queue = reached
    (subscription,) = other.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    other.sns.set_subscription_attributes(
        SubscriptionArn=subscription["SubscriptionArn"], AttributeName="FilterPolicy", AttributeValue='{"a": ["b"]}'
    )
    one.sns.publish(TopicArn=topic, Message="second")
    assert one.bodies(queue) == []


def test_a_queue_that_was_made_anew(clouds, reached):
    one, other = clouds
    topic, queue = reached
    other.sqs.delete_queue(QueueUrl=queue)
    one.sns.publish(TopicArn=topic, Message="dropped")
    other.queue(DelaySeconds="0", MessageRetentionPeriod="60")
    one.sns.publish(TopicArn=topic, Message="second")
    assert other.bodies(queue) == ["second"]


def test_the_attributes_of_a_queue(clouds, reached):
    one, other = clouds
    topic, queue = reached
    other.sqs.set_queue_attributes(QueueUrl=queue, Attributes={"DelaySeconds": "60"})
    one.sns.publish(TopicArn=topic, Message="second")
    assert one.bodies(queue) == []


def test_the_end_of_the_topic(clouds, reached, refused):
    one, other = clouds
    topic, _ = reached
    other.sns.delete_topic(TopicArn=topic)
    with refused() as error:
        one.sns.publish(TopicArn=topic, Message="second")
    assert error.code == "NotFound"


def test_what_a_queue_did_not_take_it_may_take_now(clouds, reached):
    one, other = clouds
    topic, queue = reached
    other.sqs.set_queue_attributes(QueueUrl=queue, Attributes={"MaximumMessageSize": "1024"})
    one.sns.publish(TopicArn=topic, Message="a" * 2000)
    other.sqs.set_queue_attributes(QueueUrl=queue, Attributes={"MaximumMessageSize": "4096"})
    one.sns.publish(TopicArn=topic, Message="b" * 2000)
    assert one.bodies(queue) == ["b" * 2000]


def test_a_queue_that_no_message_went_into_before(clouds):
    one, _ = clouds
    topic = one.topic()
    queues = {name: one.queue(name) for name in ("a", "b")}
    for name, queue in queues.items():
        one.subscribe(topic, queue, RawMessageDelivery="true", FilterPolicy=dumps({"to": [name]}))
    for name in ("a", "b", "b"):
        attributes = {"to": {"DataType": "String", "StringValue": name}}
        one.sns.publish(TopicArn=topic, Message=f"to {name}", MessageAttributes=attributes)
    assert (one.bodies(queues["a"]), one.bodies(queues["b"])) == (["to a"], ["to b", "to b"])


def test_a_stream_is_read_once_whatever_changed(clouds, reached):
    one, other = clouds
    topic, queue = reached
    other.subscribe(topic, other.queue("added"))
    attributes = {"bytes": {"DataType": "Binary", "BinaryValue": BytesIO(b"bytes")}}
    one.sns.publish_batch(
        TopicArn=topic, PublishBatchRequestEntries=[{"Id": "1", "Message": "a", "MessageAttributes": attributes}]
    )
    (message,) = one.receive(queue)
    assert message["MessageAttributes"]["bytes"]["BinaryValue"] == b"bytes"


def test_so_many_topics_are_remembered(cloud, monkeypatch):
    monkeypatch.setattr("microcosm_pubsub.broker.sns.fan_out.MAX_REACHED", 2)
    for name in ("a", "b", "c"):
        cloud.sns.publish(TopicArn=cloud.topic(name), Message="a")
    assert len(cloud.broker.reached) == 1
