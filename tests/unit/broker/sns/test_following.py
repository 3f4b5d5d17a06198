"""
Whether somebody has received what was published.
"""

import pytest


@pytest.fixture
def topic(cloud):
    topic = cloud.topic()
    for name in ("a", "b"):
        cloud.subscribe(topic, cloud.queue(name))
    cloud.sns.follow()
    return topic


@pytest.mark.parametrize("times", [1, 2])
def test_one_copy_is_received(cloud, topic, times):
    for _ in range(times):
        message_id = cloud.sns.publish(TopicArn=topic, Message="a")["MessageId"]
    assert cloud.sns.was_taken(message_id) is False
    cloud.sqs.receive_message(QueueUrl="b", MaxNumberOfMessages=10, VisibilityTimeout=0)
    assert cloud.sns.was_taken(message_id) is True


def test_one_that_is_gone_was_received(cloud, topic):
    (entry,) = cloud.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[{"Id": "1", "Message": "a"}])[
        "Successful"
    ]
    assert cloud.sns.was_taken(entry["MessageId"]) is False
    cloud.receive("a")
    assert cloud.sns.was_taken(entry["MessageId"]) is True


def test_one_that_is_delayed(cloud, clock, topic):
    cloud.sqs.set_queue_attributes(QueueUrl="a", Attributes={"DelaySeconds": "10"})
    message_id = cloud.sns.publish(TopicArn=topic, Message="a")["MessageId"]
    clock.advance(20)
    assert cloud.sns.was_taken(message_id) is False


def test_one_that_nobody_wants(cloud):
    cloud.sns.follow()
    message_id = cloud.sns.publish(TopicArn=cloud.topic(), Message="a")["MessageId"]
    assert cloud.sns.was_taken(message_id) is False


def test_of_others_nothing_is_known(cloud, topic, monkeypatch):
    assert cloud.sns.was_taken("other") is None
    fifo = cloud.topic("topic.fifo", ContentBasedDeduplication="true")
    message_id = cloud.sns.publish(TopicArn=fifo, Message="a", MessageGroupId="1")["MessageId"]
    assert cloud.sns.was_taken(message_id) is None

    monkeypatch.setattr("microcosm_pubsub.broker.sns.following.MAX_FOLLOWED", 1)
    first, second = [cloud.sns.publish(TopicArn=topic, Message="a")["MessageId"] for _ in range(2)]
    assert cloud.sns.was_taken(first) is None
    assert cloud.sns.was_taken(second) is False


def test_nothing_is_kept_unless_asked_for(cloud):
    message_id = cloud.sns.publish(TopicArn=cloud.topic(), Message="a")["MessageId"]
    assert cloud.sns.was_taken(message_id) is None
    assert cloud.broker.followed is None
