"""
Bodies that nobody wrapped: any JSON, and lines of stdin.
"""

from __future__ import annotations

from typing import Any

from microcosm_pubsub.envelope.base import SQSEnvelope
from microcosm_pubsub.envelope.json_text import load_object
from microcosm_pubsub.envelope.parsers import (
    NaiveMediaTypeAndContentParser,
    RawMediaTypeAndContentParser,
    RawMessageBodyParser,
)
from microcosm_pubsub.message.raw import RawMessage


#: The keys that a queue adds to a message, in boto3's spelling.
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


class RawSQSEnvelope(RawMessageBodyParser, RawMediaTypeAndContentParser, SQSEnvelope):
    """Read bodies that are any JSON."""


class NaiveSQSEnvelope(RawMessageBodyParser, NaiveMediaTypeAndContentParser, SQSEnvelope):
    """Take the raw message itself, `mediaType` and fields, for the content, as it comes from stdin."""

    def parse_body(self, raw_message: RawMessage) -> Any:
        """
        Return the raw message without the keys that the queue added to it.

        :raises DecodeError: if there is nothing else, and the body, as that of a line that is no JSON, says nothing
        """
        content = {key: value for key, value in raw_message.items() if key not in QUEUE_KEYS}
        if not content and "Body" in raw_message:
            return load_object(raw_message["Body"], f"line {raw_message.get('MessageId')}")
        return content
