"""
Publish messages to topics, and how they come to queues.
"""

from hashlib import md5
from json import dumps, loads
from re import fullmatch

import pytest


ATTRIBUTES = {
    "colour": {"DataType": "String", "StringValue": "red"},
    "count": {"DataType": "Number", "StringValue": "7"},
    "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
}


@pytest.fixture
def topic(subject):
    return subject.create_topic()


@pytest.fixture
def queue(subject, topic):
    queue = subject.create_queue()
    subject.subscribe(topic, queue)
    return queue


def envelope(subject, queue):
    return loads(subject.receive_one(queue)["Body"])


def test_envelope(subject, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html"""
    answer = subject.sns.publish(TopicArn=topic, Message='ä "b"\n😀', Subject="Greeting")
    found = envelope(subject, queue)
    assert found["Type"] == "Notification"
    assert found["MessageId"] == answer["MessageId"]
    assert found["TopicArn"] == topic
    assert found["Subject"] == "Greeting"
    assert found["Message"] == 'ä "b"\n😀'
    assert fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["Timestamp"])
    assert found["SignatureVersion"] == "1"
    assert {"Signature", "SigningCertURL", "UnsubscribeURL"} <= set(found)
    assert "MessageAttributes" not in found


def test_envelope_without_subject(subject, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html"""
    subject.sns.publish(TopicArn=topic, Message="a")
    assert "Subject" not in envelope(subject, queue)


def test_envelope_attributes(subject, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html"""
    subject.sns.publish(TopicArn=topic, Message="a", MessageAttributes=ATTRIBUTES)
    message = subject.receive_one(queue, MessageAttributeNames=["All"])
    assert loads(message["Body"])["MessageAttributes"] == {
        "colour": {"Type": "String", "Value": "red"},
        "count": {"Type": "Number", "Value": "7"},
        "raw": {"Type": "Binary", "Value": "AP8="},
    }
    assert "MessageAttributes" not in message


def test_raw_delivery(subject, topic, digest_of):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html"""
    queue = subject.create_queue()
    subject.subscribe(topic, queue, RawMessageDelivery="true")
    subject.sns.publish(TopicArn=topic, Message="a", MessageAttributes=ATTRIBUTES)
    message = subject.receive_one(queue, MessageAttributeNames=["All"])
    assert message["Body"] == "a"
    assert message["MD5OfBody"] == md5(b"a", usedforsecurity=False).hexdigest()
    assert message["MessageAttributes"] == ATTRIBUTES
    assert message["MD5OfMessageAttributes"] == digest_of(ATTRIBUTES)


def test_raw_delivery_of_eleven_attributes(subject, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html"""
    raw = subject.create_queue()
    subject.subscribe(topic, raw, RawMessageDelivery="true")
    attributes = {f"a{index}": {"DataType": "String", "StringValue": "b"} for index in range(11)}
    subject.sns.publish(TopicArn=topic, Message="a", MessageAttributes=attributes)
    # SNS discards it, as a client-side error; the envelope has room for all
    assert subject.receive(raw) == []
    assert len(envelope(subject, queue)["MessageAttributes"]) == 11


def test_fan_out(subject, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html"""
    other = subject.create_queue()
    subject.subscribe(topic, other)
    subject.sns.publish(TopicArn=topic, Message="a")
    assert [envelope(subject, url)["Message"] for url in (queue, other)] == ["a", "a"]


def test_nobody_listens(subject, topic):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
    assert subject.sns.publish(TopicArn=topic, Message="a")["MessageId"]


def test_queue_is_gone(subject, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html"""
    gone = subject.create_queue()
    subject.subscribe(topic, gone)
    subject.sqs.delete_queue(QueueUrl=gone)
    # what cannot be delivered to one is delivered to the others
    subject.sns.publish(TopicArn=topic, Message="a")
    assert envelope(subject, queue)["Message"] == "a"


def test_message_by_protocol(subject, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
    message = dumps({"default": "a", "sqs": "b"})
    subject.sns.publish(TopicArn=topic, Message=message, MessageStructure="json")
    assert envelope(subject, queue)["Message"] == "b"


@pytest.mark.parametrize("message", ['{"sqs": "b"}', "no JSON"])
def test_message_by_protocol_refused(subject, refused, topic, message):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
    with refused("InvalidParameter"):
        subject.sns.publish(TopicArn=topic, Message=message, MessageStructure="json")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"Message": ""}, id="empty"),
        pytest.param({"Message": "a" * 262_145}, id="too long"),
        pytest.param({"Message": "a", "Subject": "b" * 101}, id="long subject"),
        pytest.param({"Message": "a", "Subject": ""}, id="empty subject"),
    ],
)
def test_publish_refused(subject, refused, topic, queue, arguments):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
    with refused("InvalidParameter"):
        subject.sns.publish(TopicArn=topic, **arguments)
    assert subject.depth(queue) == (0, 0, 0)


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"a": {"DataType": "String", "StringValue": ""}}, id="empty value"),
        pytest.param({"a": {"DataType": "Colour", "StringValue": "b"}}, id="type"),
        pytest.param({"a": {"DataType": "String"}}, id="no value"),
    ],
)
def test_attributes_refused(subject, refused, topic, queue, attributes):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html"""
    with refused("ParameterValueInvalid"):
        subject.sns.publish(TopicArn=topic, Message="a", MessageAttributes=attributes)
    assert subject.depth(queue) == (0, 0, 0)


def test_publish_batch(subject, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html"""
    entries = [{"Id": f"id-{index}", "Message": f"body {index}"} for index in range(10)]
    answer = subject.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert answer.get("Failed", []) == []
    published = {result["MessageId"]: result["Id"] for result in answer["Successful"]}
    received = [loads(message["Body"]) for message in subject.receive(queue)]
    assert sorted((published[one["MessageId"]], one["Message"]) for one in received) == [
        (entry["Id"], entry["Message"]) for entry in entries
    ]


def test_publish_batch_partially(subject, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/api/API_BatchResultErrorEntry.html"""
    entries = [{"Id": "0", "Message": "a"}, {"Id": "1", "Message": ""}, {"Id": "2", "Message": "c"}]
    answer = subject.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert [result["Id"] for result in answer["Successful"]] == ["0", "2"]
    assert [(entry["Id"], entry["SenderFault"]) for entry in answer["Failed"]] == [("1", True)]
    assert sorted(loads(body)["Message"] for body in subject.bodies(queue)) == ["a", "c"]


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        pytest.param([], "EmptyBatchRequest", id="empty"),
        pytest.param([str(index) for index in range(11)], "TooManyEntriesInBatchRequest", id="too many"),
        pytest.param(["a", "b", "a"], "BatchEntryIdsNotDistinct", id="repeated"),
        pytest.param(["a b"], "InvalidBatchEntryId", id="space"),
    ],
)
def test_publish_batch_refused(subject, refused, topic, queue, ids, code):
    """https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html"""
    entries = [{"Id": key, "Message": "a"} for key in ids]
    with refused(code):
        subject.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert subject.depth(queue) == (0, 0, 0)


def test_publish_batch_too_long(subject, refused, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html"""
    entries = [{"Id": str(index), "Message": "a" * 150_000} for index in range(2)]
    with refused("BatchRequestTooLong"):
        subject.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert subject.depth(queue) == (0, 0, 0)


@pytest.fixture
def fifo_topic(subject):
    return subject.create_topic(fifo=True, ContentBasedDeduplication="true")


@pytest.fixture
def fifo_queue(subject, fifo_topic):
    queue = subject.create_queue(fifo=True)
    subject.subscribe(fifo_topic, queue, RawMessageDelivery="true")
    return queue


def test_fifo(subject, fifo_topic, fifo_queue):
    """https://docs.aws.amazon.com/sns/latest/dg/fifo-message-delivery.html"""
    answers = [subject.sns.publish(TopicArn=fifo_topic, Message=str(index), MessageGroupId="1") for index in range(3)]
    numbers = [int(answer["SequenceNumber"]) for answer in answers]
    assert numbers == sorted(set(numbers))
    found = subject.receive(fifo_queue, AttributeNames=["MessageGroupId"])
    assert [message["Body"] for message in found] == ["0", "1", "2"]
    assert {message["Attributes"]["MessageGroupId"] for message in found} == {"1"}


def test_fifo_batch(subject, fifo_topic, fifo_queue):
    """https://docs.aws.amazon.com/sns/latest/dg/fifo-message-delivery.html"""
    entries = [{"Id": str(index), "Message": str(index), "MessageGroupId": "1"} for index in range(10)]
    answer = subject.sns.publish_batch(TopicArn=fifo_topic, PublishBatchRequestEntries=entries)
    assert len(answer["Successful"]) == 10
    assert subject.bodies(fifo_queue) == list("0123456789")


def test_fifo_envelope(subject, fifo_topic):
    """https://docs.aws.amazon.com/sns/latest/dg/fifo-message-delivery.html"""
    queue = subject.create_queue(fifo=True)
    subject.subscribe(fifo_topic, queue)
    answer = subject.sns.publish(TopicArn=fifo_topic, Message="a", MessageGroupId="1")
    found = envelope(subject, queue)
    assert found["Message"] == "a"
    assert found["SequenceNumber"] == answer["SequenceNumber"]


def test_fifo_deduplication(subject, fifo_topic, fifo_queue):
    """https://docs.aws.amazon.com/sns/latest/dg/fifo-message-dedup.html"""
    for body, more in [
        ("a", {}),
        ("a", {}),
        ("a", {"MessageDeduplicationId": "1"}),
        ("b", {"MessageDeduplicationId": "1"}),
    ]:
        subject.sns.publish(TopicArn=fifo_topic, Message=body, MessageGroupId="1", **more)
    assert subject.bodies(fifo_queue) == ["a", "a"]


@pytest.mark.clock
def test_fifo_deduplication_ends(subject, fifo_topic, fifo_queue):
    """https://docs.aws.amazon.com/sns/latest/dg/fifo-message-dedup.html"""
    for seconds in (299, 1, 0):
        subject.sns.publish(TopicArn=fifo_topic, Message="a", MessageGroupId="1")
        subject.advance(seconds)
    assert subject.bodies(fifo_queue) == ["a", "a"]


@pytest.mark.parametrize(
    "arguments",
    [pytest.param({}, id="no group"), pytest.param({"MessageGroupId": "1"}, id="no deduplication")],
)
def test_fifo_refused(subject, refused, arguments):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
    topic = subject.create_topic(fifo=True)
    with refused("InvalidParameter"):
        subject.sns.publish(TopicArn=topic, Message="a", **arguments)


def test_fifo_queue_of_a_standard_topic(subject, refused, topic):
    """https://docs.aws.amazon.com/sns/latest/dg/fifo-message-delivery.html"""
    with refused("InvalidParameter"):
        subject.subscribe(topic, subject.create_queue(fifo=True))


def test_standard_queue_of_a_fifo_topic(subject, fifo_topic):
    """https://docs.aws.amazon.com/sns/latest/dg/fifo-message-delivery.html"""
    queue = subject.create_queue()
    subject.subscribe(fifo_topic, queue, RawMessageDelivery="true")
    subject.sns.publish(TopicArn=fifo_topic, Message="a", MessageGroupId="1")
    assert subject.bodies(queue) == ["a"]


def test_group_of_a_standard_topic(subject, topic):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
    queue = subject.create_queue()
    subject.subscribe(topic, queue, RawMessageDelivery="true")
    subject.sns.publish(TopicArn=topic, Message="a", MessageGroupId="tenant")
    message = subject.receive_one(queue, AttributeNames=["MessageGroupId"])
    assert message["Attributes"] == {"MessageGroupId": "tenant"}
