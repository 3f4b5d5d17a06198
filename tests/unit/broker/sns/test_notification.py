"""
The envelope that SNS writes.

https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
"""

from base64 import b64decode
from json import loads

import pytest

from microcosm_pubsub.broker.sns.notification import Notification


def make(**values):
    given = {
        "topic_arn": "arn:aws:sns:local:000000000000:topic",
        "message": 'a "b"\nü',
        "published_at": 1_750_000_000_007,
        "message_id": "id",
    }
    return Notification(**{**given, **values})


def test_the_envelope_to_the_letter():
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html"""
    attributes = {
        "text": {"DataType": "String", "StringValue": 'c "d"'},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\2\3\4"},
    }

    envelope = make(subject="greeting", message_attributes=attributes).to_envelope("arn:subscription")

    assert (
        envelope
        == """{
  "Type" : "Notification",
  "MessageId" : "id",
  "TopicArn" : "arn:aws:sns:local:000000000000:topic",
  "Subject" : "greeting",
  "Message" : "a \\"b\\"\\nü",
  "Timestamp" : "2025-06-15T15:06:40.007Z",
  "SignatureVersion" : "1",
  "Signature" : "bm90IHNpZ25lZDogYnkgdGhlIGVtYmVkZGVkIGJyb2tlcg==",
  "SigningCertURL" : "https://sns.invalid/SimpleNotificationService.pem",
  "UnsubscribeURL" : "https://sns.invalid/?Action=Unsubscribe&SubscriptionArn=arn:subscription",
  "MessageAttributes" : {
    "text" : {"Type":"String","Value":"c \\"d\\""},
    "bytes" : {"Type":"Binary","Value":"AgME"}
  }
}"""
    )


def test_the_signature_says_that_nobody_signed():
    envelope = loads(make(signature_version="2").to_envelope("arn"))

    assert b64decode(envelope["Signature"]).startswith(b"not signed")
    assert envelope["SignatureVersion"] == "2"


def test_the_envelope_of_a_fifo_topic():
    """https://docs.aws.amazon.com/sns/latest/dg/fifo-topic-code-examples.html"""
    envelope = loads(make(topic_arn="arn:aws:sns:local:000000000000:topic.fifo", sequence=7).to_envelope("arn"))

    assert list(envelope) == [
        "Type",
        "MessageId",
        "SequenceNumber",
        "TopicArn",
        "Message",
        "Timestamp",
        "UnsubscribeURL",
    ]
    assert envelope["SequenceNumber"] == "10000000000000000007"


@pytest.mark.parametrize("text", ["\0", "\ufffe", "\x7f", "😀", "\u2028", "<&>", "\\"])
def test_any_text_arrives(cloud, text):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
    topic, queue = cloud.topic(), cloud.queue()
    cloud.subscribe(topic, queue)

    cloud.sns.publish(TopicArn=topic, Message=text)

    assert [envelope["Message"] for envelope in cloud.envelopes(queue)] == [text]
