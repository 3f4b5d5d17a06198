"""
The parts of which envelopes are put together: how a body holds a message, and how a message says what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from microcosm_pubsub.codecs import DEFAULT_MEDIA_TYPE
from microcosm_pubsub.constants import MEDIA_TYPE_ATTRIBUTE
from microcosm_pubsub.envelope.json_text import load_json
from microcosm_pubsub.envelope.media_type import find_media_type
from microcosm_pubsub.envelope.transforms import BodyTransform, decode_body
from microcosm_pubsub.errors import DecodeError, MessageValidationError, article
from microcosm_pubsub.registry import PubSubMessageSchemaRegistry


class MessageBodyParser:
    """Find the message in a body."""

    def parse_message(self, body: Any) -> Any:
        """Return the message that a body, read as JSON, holds."""
        raise NotImplementedError("parse_message")


class MediaTypeAndContentParser:
    """Find the media type and the content of a message."""

    def parse_media_type_and_content(self, message: Any) -> tuple[str | None, Any]:
        """
        Return the media type of a message, and its content.

        The content is None if there is no schema for the media type.
        """
        raise NotImplementedError("parse_media_type_and_content")


class RawMessageBodyParser(MessageBodyParser):
    """Take the body itself for the message."""

    def parse_message(self, body: Any) -> Any:
        """Return the body."""
        return body


class SNSMessageBodyParser(MessageBodyParser):
    """Take the text that SNS wrapped, or delivered as it is, for the message."""

    transforms: tuple[BodyTransform, ...] = ()

    def parse_message(self, body: Any) -> dict[str, Any]:
        """
        Return the message of a notification of SNS; the body, if it is none.

        :raises DecodeError: if it is no JSON object
        """
        if isinstance(body, str):
            # The envelope has a `parse_body` that gives text.
            body = load_json(body, "body")
        if not isinstance(body, dict):
            raise DecodeError(f"The body is JSON, but {article(body)} where an object must be")
        text = body.get("Message")
        if not isinstance(text, str) or "mediaType" in body:
            return body
        attributes = body.get("MessageAttributes")
        if self.transforms:
            text = decode_body(self.transforms, text, attributes)
        message = load_json(text, "SNS message")
        if not isinstance(message, dict):
            raise DecodeError(f"The SNS message is JSON, but {article(message)} where an object must be")
        if message.get("mediaType") is None and isinstance(attributes, Mapping) and MEDIA_TYPE_ATTRIBUTE in attributes:
            message["mediaType"] = find_media_type(message, attributes)
        return message


class RawMediaTypeAndContentParser(MediaTypeAndContentParser):
    """Take any message for content of `application/json`."""

    def parse_media_type_and_content(self, message: Any) -> tuple[str | None, Any]:
        """Return `application/json`, and the message."""
        return DEFAULT_MEDIA_TYPE, message


class NaiveMediaTypeAndContentParser(MediaTypeAndContentParser):
    """Take the message itself, `mediaType` and fields, for the content."""

    def parse_media_type_and_content(self, message: Any) -> tuple[str | None, Any]:
        """Return the media type that the message tells, and the message."""
        return find_media_type(message, None), message


class CodecMediaTypeAndContentParser(MediaTypeAndContentParser):
    """Decode the message by the schema of its media type, which `registry` knows."""

    registry: PubSubMessageSchemaRegistry

    def parse_media_type_and_content(self, message: Any) -> tuple[str | None, Any]:
        """Return the media type that the message tells, and the content as its schema gives it."""
        media_type = find_media_type(message, None)
        try:
            codec = self.registry.find(media_type)
        except KeyError:
            return media_type, None
        try:
            return media_type, codec.decode(message)
        except MessageValidationError as error:
            error.media_type = media_type
            raise
