"""
Messages that cannot be delivered.

https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
"""

from json import dumps
from logging import WARNING

import pytest


GONE = "arn:aws:sqs:local:000000000000:gone"


def test_a_queue_that_is_gone_is_skipped(cloud, caplog):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html"""
    topic, queue = cloud.topic(), cloud.queue()
    cloud.subscribe(topic, GONE)
    cloud.subscribe(topic, queue)

    with caplog.at_level(WARNING):
        answer = cloud.sns.publish(TopicArn=topic, Message="secret")

    assert len(cloud.receive(queue)) == 1
    [record] = caplog.records
    assert record.name == "microcosm_pubsub.broker.sns.delivering"
    assert answer["MessageId"] in record.getMessage()
    assert GONE in record.getMessage()
    assert "secret" not in record.getMessage()


@pytest.mark.parametrize("raw", ["true", "false"])
def test_a_dead_letter_queue_gets_what_would_have_been_delivered(cloud, caplog, raw):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html"""
    topic, queue, dead = cloud.topic(), cloud.queue(), cloud.queue("dead")
    cloud.subscribe(topic, queue, RawMessageDelivery=raw)
    cloud.subscribe(topic, GONE, RawMessageDelivery=raw, RedrivePolicy=dumps({"deadLetterTargetArn": dead}))
    attributes = {"a": {"DataType": "String", "StringValue": "b"}}

    cloud.sns.publish(TopicArn=topic, Message="hello", MessageAttributes=attributes)

    [delivered], [dropped] = cloud.receive(queue), cloud.receive(dead)
    assert dropped.get("MessageAttributes") == delivered.get("MessageAttributes")
    if raw == "true":
        assert dropped["Body"] == "hello"
    else:
        assert '"Message" : "hello"' in dropped["Body"]
    assert caplog.records == []


def test_a_dead_letter_queue_that_is_gone(cloud, caplog):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html"""
    topic = cloud.topic()
    cloud.subscribe(topic, GONE, RedrivePolicy=dumps({"deadLetterTargetArn": f"{GONE}-too"}))

    with caplog.at_level(WARNING):
        cloud.sns.publish(TopicArn=topic, Message="hello")

    [record] = caplog.records
    assert "dead-letter queue" in record.getMessage()


def test_a_queue_that_takes_only_smaller_messages(cloud):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html"""
    topic, small, dead = cloud.topic(), cloud.queue("small", MaximumMessageSize="1024"), cloud.queue("dead")
    cloud.subscribe(topic, small, RawMessageDelivery="true", RedrivePolicy=dumps({"deadLetterTargetArn": dead}))

    for size in (1024, 1025):
        cloud.sns.publish(TopicArn=topic, Message="a" * size)

    assert [len(body) for body in cloud.bodies(small)] == [1024]
    assert [len(body) for body in cloud.bodies(dead)] == [1025]


def test_a_dead_letter_queue_of_a_fifo_topic(cloud):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html"""
    topic, dead = cloud.topic("topic.fifo"), cloud.queue("dead.fifo")
    cloud.subscribe(topic, f"{GONE}.fifo", RedrivePolicy=dumps({"deadLetterTargetArn": dead}))

    cloud.sns.publish(TopicArn=topic, Message="hello", MessageGroupId="g", MessageDeduplicationId="d")

    [message] = cloud.receive(dead)
    assert message["Attributes"]["MessageGroupId"] == "g"
    assert message["Attributes"]["MessageDeduplicationId"] == "d"


def test_a_queue_that_is_created_later_is_delivered_to(cloud):
    """https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html"""
    topic = cloud.topic()
    cloud.subscribe(topic, GONE)
    queue = cloud.queue("gone")

    cloud.sns.publish(TopicArn=topic, Message="hello")

    assert len(cloud.receive(queue)) == 1
