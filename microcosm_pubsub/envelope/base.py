"""
The base of all envelopes: from a raw message to a message, in steps that can be overridden.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from microcosm_pubsub.envelope.json_text import load_json
from microcosm_pubsub.envelope.md5 import check_md5
from microcosm_pubsub.envelope.parsers import MediaTypeAndContentParser, MessageBodyParser
from microcosm_pubsub.envelope.transforms import BodyTransform, decode_body
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.message import Acknowledger, SQSMessage, find_opaque_data
from microcosm_pubsub.message.raw import RawMessage
from microcosm_pubsub.registry import PubSubMessageSchemaRegistry


class SQSEnvelope(MessageBodyParser, MediaTypeAndContentParser):
    """
    Turn raw messages into messages.

        raw message -> parse_body -> parse_message -> parse_media_type_and_content -> message

    A subclass, at any depth, is chosen by its class name in config `sqs_envelope.strategy_name`. It may be put together
    of parsers: `class Mine(SNSMessageBodyParser, NaiveMediaTypeAndContentParser, SQSEnvelope)` is a whole one. Or it
    does it all in a `parse_raw_message` of its own.

    :param graph: its `pubsub_message_schema_registry`, `pubsub_body_transforms` and config `sqs_envelope`
    :raises ConfigurationError: if it does not say what a body means
    """

    #: Whether messages say their media types, by which a queue subscribes to topics.
    names_media_types = True

    def __init__(self, graph: Any) -> None:
        refuse_partial(type(self))
        self.registry: PubSubMessageSchemaRegistry = graph.pubsub_message_schema_registry
        self.transforms: tuple[BodyTransform, ...] = graph.pubsub_body_transforms
        self.validates_md5: bool = graph.config.sqs_envelope.validate_md5

    def parse_raw_message(self, consumer: Acknowledger | None, raw_message: RawMessage) -> SQSMessage:
        """
        Return the message that a raw message holds.

        :param consumer: settles the message
        :param raw_message: one of `Messages` in the answer of `receive_message`
        :raises DecodeError: if it cannot be read
        :raises marshmallow.ValidationError: if it does not fit its schema
        """
        if self.validates_md5:
            self.validate_md5(raw_message)
        body = self.parse_body(raw_message)
        parsed = self.parse_message(body)
        media_type, content = self.parse_media_type_and_content(parsed)
        message = blank_message(consumer, raw_message)
        message.message_id = self.parse_message_id(raw_message)
        message.receipt_handle = self.parse_receipt_handle(raw_message)
        message.media_type, message.content = media_type, content
        if content is not None and not isinstance(content, (dict, Mapping)):
            # Content that is an instance of a class has no place for it.
            message.opaque_data = find_opaque_data(parsed) or {}
        message.topic_arn = body.get("TopicArn") if isinstance(body, dict) else None
        return message

    def parse_message_id(self, raw_message: RawMessage) -> str | None:
        """Return the id that the queue gave."""
        return raw_message.get("MessageId")

    def parse_receipt_handle(self, raw_message: RawMessage) -> str | None:
        """Return the queue's name for this receive of the message."""
        return raw_message.get("ReceiptHandle")

    def parse_body(self, raw_message: RawMessage) -> Any:
        """
        Return the JSON that the body of a raw message says.

        :raises DecodeError: if there is none
        """
        text = raw_message.get("Body")
        if self.transforms:
            text = decode_body(self.transforms, text, raw_message.get("MessageAttributes"))
        return load_json(text, "body")

    def validate_md5(self, raw_message: RawMessage) -> None:
        """
        Compare a body with the digest that the queue gave for it.

        :raises DecodeError: if they differ, or either is missing
        """
        check_md5(raw_message)


def refuse_partial(cls: type[SQSEnvelope]) -> None:
    """
    Refuse an envelope that does not say what a body means.

    :raises ConfigurationError: if it is one
    """
    missing = [
        name
        for name, base in (
            ("parse_message", MessageBodyParser),
            ("parse_media_type_and_content", MediaTypeAndContentParser),
        )
        if getattr(cls, name) is getattr(base, name)
    ]
    if missing and cls.parse_raw_message is SQSEnvelope.parse_raw_message:
        raise ConfigurationError(
            f"Envelope {cls.__qualname__} does not say what a body means: it needs {' and '.join(missing)}, such as "
            "the parsers of microcosm_pubsub.envelope have, or a parse_raw_message of its own"
        )


def blank_message(consumer: Acknowledger | None, raw_message: RawMessage) -> SQSMessage:
    """Return a message with the facts that its queue tells of it, and nothing of its body."""
    attributes = raw_message.get("Attributes")
    # dict comes first: a check for any Mapping costs ten times as much.
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
