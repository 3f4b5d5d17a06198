"""
How a wire body becomes a message.

An envelope takes one raw message, as `receive_message` (or Lambda) gives it, and returns an
`SQSMessage`, or raises: `DecodeError` for what it cannot read, `ValidationError` for what does not fit
its schema. Containing that to the one message is the consumer's work.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from hashlib import md5
from json import JSONDecoder, loads
from typing import Any

from microcosm.api import typed

from microcosm_pubsub.codecs import DEFAULT_MEDIA_TYPE, MediaTypeSchema, PubSubMessageCodec
from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults
from microcosm_pubsub.constants import MEDIA_TYPE_ATTRIBUTE
from microcosm_pubsub.errors import DecodeError, MessageValidationError
from microcosm_pubsub.message import Settler, SQSMessage


class SQSEnvelope(ABC):
    """
    Turn raw messages into messages.

    A subclass, at any depth, is chosen by its class name in config `sqs_envelope.strategy_name`. Most need to
    override `parse_media_type_and_content` alone.

    :param graph: its `pubsub_message_schema_registry` and config `sqs_envelope`
    """

    def __init__(self, graph: Any) -> None:
        self.registry = graph.pubsub_message_schema_registry
        self.validate_md5: bool = graph.config.sqs_envelope.validate_md5

    def parse_raw_message(self, consumer: Settler | None, raw_message: Mapping[str, Any]) -> SQSMessage:
        """
        Return the message that a raw message holds.

        :param consumer: settles the message
        :param raw_message: one of `Messages` in the answer of `receive_message`
        :raises DecodeError: if it cannot be read
        :raises marshmallow.ValidationError: if it does not fit its schema
        """
        if self.validate_md5:
            check_md5(raw_message)
        media_type, content, topic_arn = self.parse_media_type_and_content(raw_message)
        message = blank_message(consumer, raw_message)
        message.media_type, message.content, message.topic_arn = media_type, content, topic_arn
        return message

    @abstractmethod
    def parse_media_type_and_content(
        self,
        raw_message: Mapping[str, Any],
    ) -> tuple[str | None, Any, str | None]:
        """
        Return what a raw message says: its media type, its content, and its topic's ARN if known.

        The content is None if there is no schema for the media type.
        """


class CodecSQSEnvelope(SQSEnvelope):
    """Read bodies that SNS wrote, wrapped or by raw delivery, with the schema of their media type."""

    def parse_media_type_and_content(
        self,
        raw_message: Mapping[str, Any],
    ) -> tuple[str | None, Any, str | None]:
        """Return the media type, the content as its schema gives it, and the topic."""
        media_type, message, topic_arn = self.read(raw_message)
        try:
            codec = self.registry.find(media_type)
        except KeyError:
            return media_type, None, topic_arn
        try:
            return media_type, codec.decode(message), topic_arn
        except MessageValidationError as error:
            error.media_type = media_type
            raise

    def read(self, raw_message: Mapping[str, Any]) -> tuple[str, dict[str, Any], str | None]:
        """
        Return the media type, the message as it was written, and the topic.

        :raises DecodeError: if there is no JSON object to read
        :raises marshmallow.ValidationError: if it tells no media type
        """
        body = load_object(raw_message.get("Body"), "body")
        topic_arn = body.get("TopicArn")
        if isinstance(body.get("Message"), str) and "mediaType" not in body:
            attributes = body.get("MessageAttributes")
            message = load_object(body["Message"], "SNS message")
        else:
            attributes = raw_message.get("MessageAttributes")
            message = body
        media_type = find_media_type(message, attributes)
        message["mediaType"] = media_type
        return media_type, message, topic_arn


class RawSQSEnvelope(SQSEnvelope):
    """Read bodies that are any JSON."""

    def parse_media_type_and_content(
        self,
        raw_message: Mapping[str, Any],
    ) -> tuple[str | None, Any, str | None]:
        """Return `application/json` and whatever the body holds."""
        return DEFAULT_MEDIA_TYPE, load_json(raw_message.get("Body"), "body"), None


class NaiveSQSEnvelope(SQSEnvelope):
    """Take the raw message itself, `mediaType` and fields, for the content, as it comes from stdin."""

    def parse_media_type_and_content(
        self,
        raw_message: Mapping[str, Any],
    ) -> tuple[str | None, Any, str | None]:
        """Return the media type and the raw message without what the queue added to it."""
        content = {key: value for key, value in raw_message.items() if key not in QUEUE_KEYS}
        return find_media_type(content, None), content, None


class LambdaSQSEnvelope(CodecSQSEnvelope):
    """
    Read the records of a Lambda event, which are raw messages under other keys.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """

    def parse_raw_message(self, consumer: Settler | None, raw_message: Mapping[str, Any]) -> SQSMessage:
        """Return the message that a record holds."""
        return super().parse_raw_message(consumer, from_lambda_record(raw_message))


#: What a queue adds to a message, in boto3's spelling.
QUEUE_KEYS = frozenset(
    {
        "Attributes",
        "Body",
        "MD5OfBody",
        "MD5OfMessageAttributes",
        "MessageAttributes",
        "MessageId",
        "ReceiptHandle",
    }
)

#: Two names of 127 characters, and the slash between them. https://datatracker.ietf.org/doc/html/rfc6838#section-4.2
MAX_MEDIA_TYPE_LENGTH = 255

MEDIA_TYPE_CODEC = PubSubMessageCodec(MediaTypeSchema())

DECODER = JSONDecoder()


def blank_message(consumer: Settler | None, raw_message: Mapping[str, Any]) -> SQSMessage:
    """Return a message with all that its queue says of it, and nothing of what its body says."""
    attributes = raw_message.get("Attributes")
    # dict first: a check for any Mapping costs ten times as much
    attributes = attributes if isinstance(attributes, (dict, Mapping)) else {}
    try:
        receive_count = int(attributes["ApproximateReceiveCount"])
    except (KeyError, OverflowError, TypeError, ValueError):
        receive_count = None
    return SQSMessage(
        consumer=consumer,
        content=None,
        media_type=None,
        message_id=raw_message.get("MessageId"),
        receipt_handle=raw_message.get("ReceiptHandle"),
        approximate_receive_count=receive_count,
        group_id=attributes.get("MessageGroupId"),
        attributes=attributes,
        raw=raw_message,
    )


def find_media_type(message: Mapping[str, Any], attributes: Any) -> str:
    """
    Return the media type that a message tells, in its body or else in its attributes.

    :raises DecodeError: if it tells one that would make more of a line in a log than a word
    :raises marshmallow.ValidationError: if it tells none
    """
    media_type = _find_media_type(message, attributes)
    if len(media_type) > MAX_MEDIA_TYPE_LENGTH or not media_type.isprintable():
        raise DecodeError(
            f"The media type, of {len(media_type)} characters, is longer than {MAX_MEDIA_TYPE_LENGTH}, or holds some "
            "that cannot be printed"
        )
    return media_type


def _find_media_type(message: Mapping[str, Any], attributes: Any) -> str:
    media_type = message.get("mediaType")
    if isinstance(media_type, str):
        return media_type
    if media_type is None and isinstance(attributes, Mapping):
        attribute = attributes.get(MEDIA_TYPE_ATTRIBUTE)
        if isinstance(attribute, Mapping):
            # SNS writes Value, SQS writes StringValue
            value = attribute.get("Value", attribute.get("StringValue"))
            return str(MEDIA_TYPE_CODEC.decode({"mediaType": value})["mediaType"])
    return str(MEDIA_TYPE_CODEC.decode(message)["mediaType"])


def load_json(text: Any, what: str) -> Any:
    """
    Return what a JSON text says.

    :raises DecodeError: if it is no JSON text
    """
    if not isinstance(text, (str, bytes)):
        raise DecodeError(f"The {what} is missing; another envelope may be able to read this message")
    try:
        return _loads(text)
    except (ValueError, RecursionError) as error:
        at = f" at character {error.pos}" if hasattr(error, "pos") else ""
        raise DecodeError(f"The {what} is not JSON{at}, of {len(text)} characters") from None


def _loads(text: str | bytes) -> Any:
    # of an object with no white space around it, to search for which takes as long as to read it
    if isinstance(text, str) and text.startswith("{"):
        value, end = DECODER.raw_decode(text)
        if end == len(text):
            return value
    return loads(text)


def load_object(text: Any, what: str) -> dict[str, Any]:
    """
    Return the object that a JSON text says.

    :raises DecodeError: if it is no JSON object
    """
    loaded = load_json(text, what)
    if not isinstance(loaded, dict):
        raise DecodeError(f"The {what} is JSON, but a {type(loaded).__name__} where an object must be")
    return loaded


def check_md5(raw_message: Mapping[str, Any]) -> None:
    """
    Compare a body with the digest that the queue gave for it.

    :raises DecodeError: if they differ, or either is missing
    """
    body, expected = raw_message.get("Body"), raw_message.get("MD5OfBody")
    if not isinstance(body, str) or not isinstance(expected, str):
        raise DecodeError("validate_md5 is set, but the message has no MD5OfBody to compare its body with")
    actual = md5(body.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    if actual != expected:
        raise DecodeError(f"The body's MD5 is {actual}, but the queue says {expected}: it changed on the way")


def from_lambda_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the raw message, in boto3's spelling, that a record of a Lambda event holds."""
    if "Body" in record:
        return dict(record)
    attributes = record.get("messageAttributes")
    return {
        "MessageId": record.get("messageId"),
        "ReceiptHandle": record.get("receiptHandle"),
        "Body": record.get("body"),
        "MD5OfBody": record.get("md5OfBody"),
        "Attributes": record.get("attributes") or {},
        "MessageAttributes": {
            name: {key[:1].upper() + key[1:]: item for key, item in value.items()}
            for name, value in (attributes.items() if isinstance(attributes, Mapping) else ())
            if isinstance(value, Mapping)
        },
    }


@defaults(
    strategy_name=typed(values.text("sqs_envelope.strategy_name"), default_value=CodecSQSEnvelope.__name__),
    validate_md5=typed(values.boolean("sqs_envelope.validate_md5"), default_value=False),
)
def configure_sqs_envelope(graph: Any) -> SQSEnvelope:
    """Configure the envelope of the graph's consumer, bound as `sqs_envelope`."""
    envelope = values.choose_subclass(SQSEnvelope, graph.config.sqs_envelope.strategy_name, "envelope")  # type: ignore[type-abstract]
    return envelope(graph)
