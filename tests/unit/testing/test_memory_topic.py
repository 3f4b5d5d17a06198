"""
The in-memory SNS client.

"""
from json import loads

import pytest
from botocore.exceptions import ClientError

from microcosm_pubsub.testing import MemoryEngine


TOPIC = "arn:aws:sns:us-east-1:1:topic"
FIFO_TOPIC = f"{TOPIC}.fifo"
QUEUE = "https://sqs.example/1/queue"
FIFO_QUEUE = f"{QUEUE}.fifo"
ATTRIBUTES = {"media_type": {"DataType": "String", "StringValue": "foo/bar"}}


@pytest.fixture
def engine():
    return MemoryEngine(clock=lambda: 1_700_000_000.25)


def publish(engine, topic=TOPIC, message="hello", **kwargs):
    return engine.topic_client.publish(TopicArn=topic, Message=message, **kwargs)


def test_envelope(engine):
    engine.subscribe(TOPIC, QUEUE)

    answer = publish(engine, MessageAttributes=ATTRIBUTES, Subject="subject")

    [stored] = engine.messages(QUEUE)
    envelope = loads(stored.body)
    assert envelope == {
        "Type": "Notification",
        "MessageId": answer["MessageId"],
        "TopicArn": TOPIC,
        "Subject": "subject",
        "Message": "hello",
        "Timestamp": "2023-11-14T22:13:20.250Z",
        "SignatureVersion": "1",
        "Signature": envelope["Signature"],
        "SigningCertURL": envelope["SigningCertURL"],
        "UnsubscribeURL": envelope["UnsubscribeURL"],
        "MessageAttributes": {"media_type": {"Type": "String", "Value": "foo/bar"}},
    }
    assert stored.body.startswith('{\n  "Type" : "Notification",\n')
    assert stored.message_id != answer["MessageId"]
    assert stored.message_attributes == {}
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_envelope_says_no_more_than_was_published(engine):
    engine.subscribe(TOPIC, QUEUE)

    publish(engine)

    envelope = loads(engine.messages(QUEUE)[0].body)
    assert not {"Subject", "MessageAttributes", "SequenceNumber"} & set(envelope)


def test_binary_attribute(engine):
    engine.subscribe(TOPIC, QUEUE)

    publish(engine, MessageAttributes={"data": {"DataType": "Binary", "BinaryValue": b"\0\1"}})

    envelope = loads(engine.messages(QUEUE)[0].body)
    assert envelope["MessageAttributes"] == {"data": {"Type": "Binary", "Value": "AAE="}}


def test_raw_delivery(engine):
    engine.subscribe(TOPIC, QUEUE, raw=True)

    publish(engine, MessageAttributes=ATTRIBUTES)

    [stored] = engine.messages(QUEUE)
    assert stored.body == "hello"
    assert stored.message_attributes == ATTRIBUTES


def test_every_subscriber_gets_every_message(engine):
    engine.subscribe(TOPIC, QUEUE)
    engine.subscribe(TOPIC, "another")
    engine.subscribe("another topic", "elsewhere")

    publish(engine)

    assert [len(engine.messages(url)) for url in (QUEUE, "another", "elsewhere")] == [1, 1, 0]


@pytest.mark.parametrize(("subscribed", "expected"), [(False, 1), (True, 0)])
def test_default_queue_takes_what_nobody_subscribed_to(engine, subscribed, expected):
    engine.default_queue_url = "default"
    if subscribed:
        engine.subscribe(TOPIC, QUEUE)

    publish(engine)

    assert len(engine.messages("default")) == expected


def test_nobody_listens(engine):
    assert publish(engine)["MessageId"]
    assert engine.queues == {}


def test_fifo(engine):
    engine.subscribe(FIFO_TOPIC, FIFO_QUEUE)

    answers = [
        publish(engine, FIFO_TOPIC, message, MessageGroupId="lane", MessageDeduplicationId=message)
        for message in ("1", "2", "2")
    ]

    received = engine.queue_client.receive_message(
        QueueUrl=FIFO_QUEUE, MaxNumberOfMessages=10, AttributeNames=["All"]
    )["Messages"]
    envelopes = [loads(message["Body"]) for message in received]
    assert [envelope["Message"] for envelope in envelopes] == ["1", "2"]
    assert [envelope["SequenceNumber"] for envelope in envelopes] == [
        answer["SequenceNumber"] for answer in answers[:2]
    ]
    assert {message["Attributes"]["MessageGroupId"] for message in received} == {"lane"}
    assert received[0]["Attributes"]["MessageDeduplicationId"] == "1"
    assert "Signature" not in envelopes[0]


def test_fifo_queue_behind_a_standard_topic_keeps_the_order(engine):
    engine.default_queue_url = FIFO_QUEUE

    for message in ("1", "2"):
        publish(engine, message=message)

    [first] = engine.queue_client.receive_message(QueueUrl=FIFO_QUEUE)["Messages"]
    assert loads(first["Body"])["Message"] == "1"
    assert "Messages" not in engine.queue_client.receive_message(QueueUrl=FIFO_QUEUE)


@pytest.mark.parametrize(
    ("topic", "message"), [("", "hello"), (TOPIC, ""), (FIFO_TOPIC, "hello")]
)
def test_refused_parameters(engine, topic, message):
    with pytest.raises(ClientError) as raised:
        publish(engine, topic, message)

    assert raised.value.response["Error"]["Code"] == "InvalidParameter"
    assert raised.value.operation_name == "Publish"


def test_batch(engine):
    engine.subscribe(TOPIC, QUEUE)

    answer = engine.topic_client.publish_batch(
        TopicArn=TOPIC,
        PublishBatchRequestEntries=[
            {"Id": "0", "Message": "a", "MessageAttributes": ATTRIBUTES},
            {"Id": "1", "Message": ""},
            {"Id": "2", "Message": "c"},
        ],
    )

    envelopes = [loads(stored.body) for stored in engine.messages(QUEUE)]
    assert [envelope["Message"] for envelope in envelopes] == ["a", "c"]
    assert answer["Successful"] == [
        {"Id": "0", "MessageId": envelopes[0]["MessageId"]},
        {"Id": "2", "MessageId": envelopes[1]["MessageId"]},
    ]
    [failed] = answer["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("1", "InvalidParameter", True)


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        ([], "EmptyBatchRequest"),
        ([str(index) for index in range(11)], "TooManyEntriesInBatchRequest"),
        (["a", "a"], "BatchEntryIdsNotDistinct"),
        (["a b"], "InvalidBatchEntryId"),
    ],
)
def test_refused_batches(engine, ids, code):
    with pytest.raises(ClientError) as raised:
        engine.topic_client.publish_batch(
            TopicArn=TOPIC,
            PublishBatchRequestEntries=[{"Id": id_, "Message": "hello"} for id_ in ids],
        )

    assert raised.value.response["Error"]["Code"] == code
