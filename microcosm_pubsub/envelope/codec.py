"""
Bodies that our producer wrote, and SNS wrapped or delivered as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from microcosm_pubsub.constants import MEDIA_TYPE_ATTRIBUTE
from microcosm_pubsub.envelope.base import SQSEnvelope
from microcosm_pubsub.envelope.media_type import find_media_type
from microcosm_pubsub.envelope.parsers import CodecMediaTypeAndContentParser, SNSMessageBodyParser
from microcosm_pubsub.message.raw import RawMessage


class CodecSQSEnvelope(SNSMessageBodyParser, CodecMediaTypeAndContentParser, SQSEnvelope):
    """Read bodies that SNS wrote, wrapped or by raw delivery, with the schema of their media type."""

    def parse_body(self, raw_message: RawMessage) -> Any:
        """
        Return the JSON that the body says, with the media type that only the attributes of the raw message tell.

        :raises DecodeError: if it is no JSON
        """
        body = super().parse_body(raw_message)
        if isinstance(body, dict) and body.get("mediaType") is None and not isinstance(body.get("Message"), str):
            attributes = raw_message.get("MessageAttributes")
            if isinstance(attributes, Mapping) and MEDIA_TYPE_ATTRIBUTE in attributes:
                body["mediaType"] = find_media_type(body, attributes)
        return body

    def read(self, raw_message: RawMessage) -> tuple[str, dict[str, Any], str | None]:
        """
        Return the media type, the message as it was written, and the topic.

        :raises DecodeError: if there is no JSON object to read
        :raises marshmallow.ValidationError: if it tells no media type
        """
        body = self.parse_body(raw_message)
        message = self.parse_message(body)
        message["mediaType"] = find_media_type(message, None)
        return message["mediaType"], message, body.get("TopicArn")
