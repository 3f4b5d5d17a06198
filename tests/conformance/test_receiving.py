"""
Receive messages from a queue.
"""

from threading import Thread

import pytest
from botocore.exceptions import ParamValidationError


def text(value):
    return {"DataType": "String", "StringValue": value}


def test_nothing(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html"""
    assert "Messages" not in subject.sqs.receive_message(QueueUrl=subject.create_queue())


def test_limit(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html"""
    url = subject.create_queue()
    subject.send(url, *map(str, range(13)))
    assert len(subject.sqs.receive_message(QueueUrl=url)["Messages"]) == 1
    assert len(subject.receive(url, 10)) == 10
    assert len(subject.receive(url, 10)) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        {"MaxNumberOfMessages": 0},
        {"MaxNumberOfMessages": 11},
        {"WaitTimeSeconds": 21},
        {"WaitTimeSeconds": -1},
        {"VisibilityTimeout": 43201},
        {"VisibilityTimeout": -1},
    ],
    ids=str,
)
def test_refused(subject, refused, arguments):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html"""
    url = subject.create_queue()
    subject.send(url, "a")
    with refused("InvalidParameterValue"):
        subject.sqs.receive_message(QueueUrl=url, **arguments)


def test_members(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Message.html"""
    url = subject.create_queue()
    subject.send(url, "a", MessageAttributes={"b": text("c")})
    assert set(subject.receive_one(url)) == {"MessageId", "ReceiptHandle", "MD5OfBody", "Body"}


@pytest.mark.parametrize("argument", ["AttributeNames", "MessageSystemAttributeNames"])
def test_system_attributes(subject, argument):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html"""
    url = subject.create_queue()
    subject.send(url, "a")
    message = subject.receive_one(url, VisibilityTimeout=0, **{argument: ["All"]})
    assert set(message["Attributes"]) == {
        "ApproximateFirstReceiveTimestamp",
        "ApproximateReceiveCount",
        "SenderId",
        "SentTimestamp",
    }
    message = subject.receive_one(url, **{argument: ["ApproximateReceiveCount"]})
    assert message["Attributes"] == {"ApproximateReceiveCount": "2"}


def test_timestamps(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html"""
    url = subject.create_queue()
    subject.send(url, "a")
    subject.advance(1)
    first = subject.receive_one(url, VisibilityTimeout=0, AttributeNames=["All"])["Attributes"]
    second = subject.receive_one(url, AttributeNames=["All"])["Attributes"]
    for name in ("SentTimestamp", "ApproximateFirstReceiveTimestamp"):
        # in milliseconds
        assert len(first[name]) == 13
        assert second[name] == first[name]
    assert 1000 <= int(first["ApproximateFirstReceiveTimestamp"]) - int(first["SentTimestamp"]) < 10_000


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ([], []),
        (["All"], ["order.id", "order.size", "colour"]),
        ([".*"], ["order.id", "order.size", "colour"]),
        (["colour", "other"], ["colour"]),
        (["order.*"], ["order.id", "order.size"]),
        (["other"], []),
    ],
    ids=str,
)
def test_message_attributes(subject, digest_of, wanted, found):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html"""
    url = subject.create_queue()
    attributes = {"order.id": text("1"), "order.size": text("2"), "colour": text("red")}
    subject.send(url, "a", MessageAttributes=attributes)
    message = subject.receive_one(url, MessageAttributeNames=wanted)
    expected = {name: attributes[name] for name in found}
    assert message.get("MessageAttributes", {}) == expected
    # of what is received, not of what was sent
    assert message.get("MD5OfMessageAttributes") == (digest_of(expected) if expected else None)


def test_wait(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html"""
    url = subject.create_queue()
    received = []
    receiver = Thread(target=lambda: received.extend(subject.bodies(url, WaitTimeSeconds=20)))
    receiver.start()
    subject.send(url, "a")
    receiver.join()
    assert received == ["a"]


def test_wait_is_an_attribute_of_the_queue(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html"""
    url = subject.create_queue(ReceiveMessageWaitTimeSeconds="20")
    received = []
    receiver = Thread(target=lambda: received.extend(subject.bodies(url)))
    receiver.start()
    subject.send(url, "a")
    receiver.join()
    assert received == ["a"]


def test_wait_in_vain(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html"""
    url = subject.create_queue(ReceiveMessageWaitTimeSeconds="20")
    # a wait of the call goes before the queue's
    assert subject.receive(url, WaitTimeSeconds=0) == []
    assert subject.receive(url, WaitTimeSeconds=1) == []


@pytest.mark.clock
def test_retention(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"""
    url = subject.create_queue(MessageRetentionPeriod="60")
    subject.send(url, "a")
    subject.advance(30)
    subject.send(url, "b")
    # what was received grows old all the same
    subject.receive(url, VisibilityTimeout=0)
    subject.advance(31)
    assert subject.depth(url) == (1, 0, 0)
    assert subject.bodies(url) == ["b"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"MaxNumberOfMessages": "10"},
        {"WaitTimeSeconds": 0.5},
        {"AttributeNames": "All"},
        {"MessageAttributeNames": [1]},
    ],
    ids=str,
)
def test_wrong_types(subject, arguments):
    """https://docs.aws.amazon.com/boto3/latest/guide/error-handling.html"""
    with pytest.raises(ParamValidationError):
        subject.sqs.receive_message(QueueUrl="http://localhost/queue", **arguments)
