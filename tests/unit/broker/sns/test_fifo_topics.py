"""
FIFO topics.

https://docs.aws.amazon.com/sns/latest/dg/sns-fifo-topics.html
"""

from hashlib import sha256
from json import loads

import pytest


@pytest.fixture
def topic(cloud):
    return cloud.topic("topic.fifo")


@pytest.fixture
def queue(cloud):
    return cloud.queue("queue.fifo")


def publish(cloud, topic, message, group="g", deduplication=None):
    ids = {} if deduplication is None else {"MessageDeduplicationId": deduplication}
    return cloud.sns.publish(TopicArn=topic, Message=message, MessageGroupId=group, **ids)


def test_order_and_ids(cloud, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/dg/fifo-topic-message-ordering.html"""
    cloud.subscribe(topic, queue)

    answers = [publish(cloud, topic, str(index), deduplication=f"d{index}") for index in range(3)]

    messages = cloud.receive(queue)
    envelopes = [loads(message["Body"]) for message in messages]
    assert [envelope["Message"] for envelope in envelopes] == ["0", "1", "2"]
    assert [envelope["SequenceNumber"] for envelope in envelopes] == [answer["SequenceNumber"] for answer in answers]
    assert [message["Attributes"]["MessageDeduplicationId"] for message in messages] == ["d0", "d1", "d2"]
    assert {message["Attributes"]["MessageGroupId"] for message in messages} == {"g"}


def test_sequence_numbers_grow(cloud, topic):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
    numbers = [publish(cloud, topic, "a", deduplication=str(index))["SequenceNumber"] for index in range(12)]

    assert numbers == sorted(numbers)
    assert len(set(numbers)) == 12
    assert {len(number) for number in numbers} == {20}


def test_a_duplicate_is_accepted_but_not_delivered(cloud, clock, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/dg/fifo-message-dedup.html"""
    cloud.subscribe(topic, queue, RawMessageDelivery="true")

    first = publish(cloud, topic, "a", deduplication="d")
    clock.advance(299.9)
    again = publish(cloud, topic, "b", deduplication="d")

    assert again["MessageId"] == first["MessageId"]
    assert again["SequenceNumber"] == first["SequenceNumber"]
    assert cloud.bodies(queue) == ["a"]
    clock.advance(0.1)
    assert publish(cloud, topic, "c", deduplication="d")["MessageId"] != first["MessageId"]
    assert cloud.bodies(queue) == ["c"]


def test_deduplication_is_the_topic_s(cloud, topic):
    """https://docs.aws.amazon.com/sns/latest/dg/fifo-message-dedup.html"""
    standard = cloud.queue("standard")
    cloud.subscribe(topic, standard, RawMessageDelivery="true")

    publish(cloud, topic, "a", deduplication="d")
    publish(cloud, topic, "b", group="h", deduplication="d")

    assert cloud.bodies(standard) == ["a"]


def test_deduplication_within_a_group(cloud):
    """https://docs.aws.amazon.com/sns/latest/dg/fifo-high-throughput.html"""
    topic = cloud.topic("topic.fifo", FifoThroughputScope="MessageGroup")
    standard = cloud.queue("standard")
    cloud.subscribe(topic, standard, RawMessageDelivery="true")

    for group in ("g", "h"):
        publish(cloud, topic, f"{group} 1", group=group, deduplication="d")
        publish(cloud, topic, f"{group} 2", group=group, deduplication="d")

    assert cloud.bodies(standard) == ["g 1", "h 1"]


def test_deduplication_by_content(cloud, queue):
    """https://docs.aws.amazon.com/sns/latest/dg/fifo-message-dedup.html"""
    topic = cloud.topic("topic.fifo", ContentBasedDeduplication="true")
    cloud.subscribe(topic, queue, RawMessageDelivery="true")

    for message, deduplication in (("a", None), ("a", None), ("a", "own"), ("b", None)):
        publish(cloud, topic, message, deduplication=deduplication)

    messages = cloud.receive(queue)
    assert [message["Body"] for message in messages] == ["a", "a", "b"]
    assert [message["Attributes"]["MessageDeduplicationId"] for message in messages] == [
        sha256(b"a").hexdigest(),
        "own",
        sha256(b"b").hexdigest(),
    ]


def test_a_batch_is_deduplicated_within_and_across(cloud, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html"""
    cloud.subscribe(topic, queue, RawMessageDelivery="true")
    entries = [
        {"Id": str(index), "Message": str(index), "MessageGroupId": "g", "MessageDeduplicationId": deduplication}
        for index, deduplication in enumerate("abac")
    ]

    first = cloud.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)["Successful"]
    again = cloud.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)["Successful"]

    assert cloud.bodies(queue) == ["0", "1", "3"]
    assert first[0]["MessageId"] == first[2]["MessageId"]
    assert first[0]["SequenceNumber"] == first[2]["SequenceNumber"]
    assert again == first


def test_to_a_standard_queue(cloud, topic):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-fifo-topics.html"""
    queue = cloud.queue("standard")
    cloud.subscribe(topic, queue)

    publish(cloud, topic, "a", deduplication="d")

    [message] = cloud.receive(queue)
    assert "SequenceNumber" in loads(message["Body"])
    assert "SequenceNumber" not in message["Attributes"]


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ({}, "The MessageGroupId parameter is required for FIFO topics"),
        ({"MessageGroupId": ""}, "The MessageGroupId parameter is required for FIFO topics"),
        ({"MessageGroupId": "g"}, "ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"),
        ({"MessageGroupId": "é", "MessageDeduplicationId": "d"}, "MessageGroupId"),
        ({"MessageGroupId": "g", "MessageDeduplicationId": ""}, "MessageDeduplicationId"),
        ({"MessageGroupId": "g", "MessageDeduplicationId": "d" * 129}, "MessageDeduplicationId"),
    ],
)
def test_ids_are_refused(cloud, refused, topic, ids, text):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
    with refused() as error:
        cloud.sns.publish(TopicArn=topic, Message="a", **ids)
    assert (error.code, text in error.text) == ("InvalidParameter", True)

    with refused() as error:
        cloud.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[{"Id": "0", "Message": "a", **ids}])
    assert (error.code, text in error.text) == ("InvalidParameter", True)


def test_an_entry_that_fails_is_not_remembered(cloud, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html"""
    cloud.subscribe(topic, queue, RawMessageDelivery="true")
    ids = {"MessageGroupId": "g", "MessageDeduplicationId": "d"}

    cloud.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[{"Id": "0", "Message": "", **ids}])
    cloud.sns.publish(TopicArn=topic, Message="a", **ids)

    assert cloud.bodies(queue) == ["a"]
