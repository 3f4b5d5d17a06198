"""
What is done to the texts of messages on their way.
"""

from base64 import b64decode, b64encode
from gzip import compress, decompress
from json import dumps

import pytest
from microcosm.api import binding

from microcosm_pubsub.conventions import created
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.errors import ConfigurationError, DecodeError
from microcosm_pubsub.harness import harness


URI = "https://x/1"
MARK = {"DataType": "String", "StringValue": "gzip"}


@binding("test_gzip")
class Gzip:
    def __init__(self, graph):
        pass

    def encode(self, message):
        message.message = b64encode(compress(message.message.encode())).decode()
        message.message_attributes["encoding"] = MARK

    def decode(self, body, attributes):
        if attributes.get("encoding") != "gzip":
            return body
        return decompress(b64decode(body, validate=True)).decode()


@binding("test_reverse")
class Reverse:
    def __init__(self, graph):
        pass

    def encode(self, message):
        message.message = message.message[::-1]
        message.message_attributes["reversed"] = {"DataType": "String", "StringValue": "yes"}

    def decode(self, body, attributes):
        return body[::-1] if "reversed" in attributes else body


class TransformingDaemon(ConsumerDaemon):
    name = "transforming"
    body_transforms = ["test_gzip", "test_reverse"]


@pytest.fixture
def app():
    with harness(TransformingDaemon) as app:
        yield app


def test_undone_in_the_other_order(app):
    app.publish(created("transformed"), uri=URI)

    call = app.graph.sns_client.publish.call_args.kwargs
    text = b64decode(call["Message"][::-1])
    assert URI in decompress(text).decode()

    envelope = app.graph.sqs_envelope
    raw = {"MessageId": "1", "Body": call["Message"], "MessageAttributes": call["MessageAttributes"]}
    assert envelope.parse_raw_message(None, raw).content["uri"] == URI
    values = {name: each["StringValue"] for name, each in raw["MessageAttributes"].items()}
    attributes = {name: {"Type": "String", "Value": value} for name, value in values.items()}
    notification = {"Message": call["Message"], "MessageAttributes": attributes, "TopicArn": "t"}
    message = envelope.parse_raw_message(None, {"MessageId": "1", "Body": dumps(notification)})
    assert (message.content["uri"], message.topic_arn) == (URI, "t")


def test_what_has_no_mark_is_left_alone(app):
    body = dumps({"mediaType": created("transformed"), "uri": URI})

    message = app.graph.sqs_envelope.parse_raw_message(None, {"MessageId": "1", "Body": body})

    assert message.content["uri"] == URI


def test_what_cannot_be_undone_concerns_its_message_alone(app):
    raw = {"MessageId": "1", "Body": "?", "MessageAttributes": {"encoding": MARK}}

    with pytest.raises(DecodeError, match="The body cannot be decoded by Gzip: "):
        app.graph.sqs_envelope.parse_raw_message(None, raw)


class Misbound(ConsumerDaemon):
    name = "misbound"
    body_transforms = ["opaque"]


def test_what_is_no_transform_is_refused():
    with pytest.raises(ConfigurationError, match="Component opaque is no body transform: it needs encode and decode"):
        Misbound.create_for_testing()
