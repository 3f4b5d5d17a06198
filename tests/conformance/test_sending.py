"""
Send messages to a queue, one by one and in batches.
"""

from hashlib import md5

import pytest
from botocore.exceptions import ParamValidationError


ATTRIBUTES = {
    "colour": {"DataType": "String", "StringValue": "grün"},
    "count": {"DataType": "Number.int", "StringValue": "7"},
    "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
}


def md5_of(text):
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def test_send(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""
    url = subject.create_queue()
    body = 'ä "b" <c> & \t\n 😀'
    answer = subject.sqs.send_message(QueueUrl=url, MessageBody=body)
    assert answer["MD5OfMessageBody"] == md5_of(body)
    assert "MD5OfMessageAttributes" not in answer
    message = subject.receive_one(url)
    assert message["Body"] == body
    assert message["MessageId"] == answer["MessageId"]
    assert message["MD5OfBody"] == md5_of(body)


def test_send_with_attributes(subject, digest_of):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html"""
    url = subject.create_queue()
    answer = subject.sqs.send_message(QueueUrl=url, MessageBody="a", MessageAttributes=ATTRIBUTES)
    assert answer["MD5OfMessageAttributes"] == digest_of(ATTRIBUTES)
    message = subject.receive_one(url, MessageAttributeNames=["All"])
    assert message["MessageAttributes"] == ATTRIBUTES
    assert message["MD5OfMessageAttributes"] == digest_of(ATTRIBUTES)


def test_trace_header(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""
    url = subject.create_queue()
    header = {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}
    subject.send(url, "a", MessageSystemAttributes={"AWSTraceHeader": header})
    message = subject.receive_one(url, AttributeNames=["AWSTraceHeader"])
    assert message["Attributes"] == {"AWSTraceHeader": header["StringValue"]}


def test_send_batch(subject, digest_of):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html"""
    url = subject.create_queue()
    entries = [{"Id": f"id-{index}", "MessageBody": f"body {index}"} for index in range(10)]
    entries[3]["MessageAttributes"] = ATTRIBUTES
    answer = subject.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    results = {result["Id"]: result for result in answer["Successful"]}
    assert answer.get("Failed", []) == []
    assert {key: result["MD5OfMessageBody"] for key, result in results.items()} == {
        entry["Id"]: md5_of(entry["MessageBody"]) for entry in entries
    }
    assert results["id-3"]["MD5OfMessageAttributes"] == digest_of(ATTRIBUTES)
    received = {message["MessageId"]: message["Body"] for message in subject.receive(url)}
    assert received == {results[entry["Id"]]["MessageId"]: entry["MessageBody"] for entry in entries}


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        pytest.param({"MessageBody": "b", "DelaySeconds": 901}, "InvalidParameterValue", id="delay"),
        pytest.param({"MessageBody": "b\x00"}, "InvalidMessageContents", id="characters"),
        pytest.param({"MessageBody": "b" * 1025}, "InvalidParameterValue", id="size"),
    ],
)
def test_send_batch_partially(subject, bad, code):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_BatchResultErrorEntry.html"""
    url = subject.create_queue(MaximumMessageSize="1024")
    entries = [{"Id": "0", "MessageBody": "a"}, {"Id": "1", **bad}, {"Id": "2", "MessageBody": "c"}]
    answer = subject.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [result["Id"] for result in answer["Successful"]] == ["0", "2"]
    assert [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in answer["Failed"]] == [("1", code, True)]
    assert sorted(subject.bodies(url)) == ["a", "c"]


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        pytest.param([], "EmptyBatchRequest", id="empty"),
        pytest.param([str(index) for index in range(11)], "TooManyEntriesInBatchRequest", id="too many"),
        pytest.param(["a", "b", "a"], "BatchEntryIdsNotDistinct", id="repeated"),
        pytest.param(["a b"], "InvalidBatchEntryId", id="space"),
        pytest.param(["a" * 81], "InvalidBatchEntryId", id="long"),
    ],
)
def test_send_batch_refused(subject, refused, ids, code):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html"""
    url = subject.create_queue()
    with refused(f"AWS.SimpleQueueService.{code}"):
        subject.sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": key, "MessageBody": "a"} for key in ids])
    assert subject.depth(url) == (0, 0, 0)


def test_send_batch_too_long(subject, refused):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html"""
    url = subject.create_queue()
    entries = [{"Id": str(index), "MessageBody": "a" * 600_000} for index in range(2)]
    with refused("AWS.SimpleQueueService.BatchRequestTooLong"):
        subject.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert subject.depth(url) == (0, 0, 0)


def test_size_limit(subject, refused):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""
    url = subject.create_queue(MaximumMessageSize="1024")
    subject.send(url, "a" * 1024)
    with refused("InvalidParameterValue"):
        subject.send(url, "a" * 1025)
    # what counts are bytes
    with refused("InvalidParameterValue"):
        subject.send(url, "ä" * 513)


def test_size_limit_counts_attributes(subject, refused):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html"""
    url = subject.create_queue(MaximumMessageSize="1024")
    # 1 for the name, 6 for the type, 10 for the value
    attributes = {"a": {"DataType": "String", "StringValue": "b" * 10}}
    subject.send(url, "a" * 1007, MessageAttributes=attributes)
    with refused("InvalidParameterValue"):
        subject.send(url, "a" * 1008, MessageAttributes=attributes)


def test_largest_message(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""
    url = subject.create_queue(MaximumMessageSize="1048576")
    subject.send(url, "a" * 1_048_576)
    assert len(subject.receive_one(url)["Body"]) == 1_048_576


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param("", "MissingParameter", id="empty"),
        pytest.param("a\x00", "InvalidMessageContents", id="null"),
        pytest.param("a\uffff", "InvalidMessageContents", id="ffff"),
    ],
)
def test_body_refused(subject, refused, body, code):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""
    url = subject.create_queue()
    with refused(code):
        subject.send(url, body)
    assert subject.depth(url) == (0, 0, 0)


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"a": {"DataType": "String", "StringValue": ""}}, id="empty value"),
        pytest.param({"a": {"DataType": "Colour", "StringValue": "b"}}, id="type"),
        pytest.param({"a b": {"DataType": "String", "StringValue": "c"}}, id="name"),
        pytest.param(
            {f"a{index}": {"DataType": "String", "StringValue": "b"} for index in range(11)},
            id="eleven",
        ),
    ],
)
def test_attributes_refused(subject, refused, attributes):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html"""
    url = subject.create_queue()
    with refused("InvalidParameterValue"):
        subject.send(url, "a", MessageAttributes=attributes)
    assert subject.depth(url) == (0, 0, 0)


def test_delay_of_a_message(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-timers.html"""
    url = subject.create_queue()
    subject.send(url, "a", DelaySeconds=1)
    assert subject.bodies(url) == []
    subject.advance(1)
    assert subject.bodies(url) == ["a"]


def test_delay_of_a_queue(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-delay-queues.html"""
    url = subject.create_queue(DelaySeconds="1")
    subject.send(url, "a")
    subject.send(url, "at once", DelaySeconds=0)
    assert subject.bodies(url) == ["at once"]
    subject.advance(1)
    assert subject.bodies(url) == ["a"]


@pytest.mark.clock
def test_longest_delay(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-timers.html"""
    url = subject.create_queue()
    subject.send(url, "a", DelaySeconds=900)
    subject.advance(899)
    assert subject.bodies(url) == []
    subject.advance(1)
    assert subject.bodies(url) == ["a"]


@pytest.mark.parametrize("seconds", [-1, 901])
def test_delay_refused(subject, refused, seconds):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""
    url = subject.create_queue()
    with refused("InvalidParameterValue"):
        subject.send(url, "a", DelaySeconds=seconds)


def test_fair_queue(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html"""
    url = subject.create_queue()
    subject.send(url, "a", "b", MessageGroupId="tenant")
    first = subject.receive_one(url, AttributeNames=["MessageGroupId"])
    assert first["Attributes"] == {"MessageGroupId": "tenant"}
    # a group of a standard queue blocks nothing
    assert len(subject.receive(url)) == 1


def test_standard_queue_takes_no_deduplication_id(subject, refused):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""
    url = subject.create_queue()
    with refused("InvalidParameterValue"):
        subject.send(url, "a", MessageDeduplicationId="1")


@pytest.mark.parametrize(
    "arguments",
    [
        {"MessageBody": 5},
        {"MessageBody": None},
        {},
        {"MessageBody": "a", "DelaySeconds": "1"},
        {"MessageBody": "a", "MessageAttributes": {"b": "c"}},
        {"MessageBody": "a", "MessageAttributes": {"b": {"StringValue": "c"}}},
        {"MessageBody": "a", "Colour": "red"},
    ],
    ids=str,
)
def test_wrong_types(subject, arguments):
    """https://docs.aws.amazon.com/boto3/latest/guide/error-handling.html"""
    with pytest.raises(ParamValidationError):
        subject.sqs.send_message(QueueUrl="http://localhost/queue", **arguments)
