"""
A message in a dead-letter queue, as people ask for it: decoded as far as that is possible, with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from json import dumps, loads
from typing import Any

from microcosm_pubsub.dead_letters.reason import Reason, count_redrives
from microcosm_pubsub.envelope import CodecSQSEnvelope, SQSEnvelope
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.message.raw import RawMessage


@dataclass(frozen=True, slots=True)
class Letter:
    """
    Show a message of a dead-letter queue.

    :param raw: as `receive_message` gave it
    :param media_type: if it tells one
    :param content: as its schema gives it; as it was written, where there is no schema or it does not fit
    :param decode_error: the name of the error's type with which decoding it here fails
    :param reason: why it is there, if the message says
    """

    raw: RawMessage = field(repr=False)
    media_type: str | None
    content: Any = field(repr=False)
    decode_error: str | None
    reason: Reason | None

    @property
    def message_id(self) -> str:
        """Return the id that the queue gave."""
        return str(self.raw.get("MessageId"))

    @property
    def group_id(self) -> str | None:
        """Return its group, if any."""
        return self._attributes.get("MessageGroupId")

    @property
    def error(self) -> str | None:
        """Return the name of the error's type: that of its reason, else that of decoding it here."""
        return self.reason.error if self.reason is not None else self.decode_error

    @property
    def handler(self) -> str | None:
        """Return the name of the handler that failed, if its reason says."""
        return self.reason.handler if self.reason is not None else None

    @property
    def source(self) -> str | None:
        """Return the ARN or URL of the queue that it came from, if it is known."""
        told = self.reason.source if self.reason is not None else None
        return told or self._attributes.get("DeadLetterQueueSourceArn")

    @property
    def source_message_id(self) -> str | None:
        """Return the id that it had there, which log lines name, if its reason says."""
        return self.reason.message_id if self.reason is not None else None

    @property
    def redrives(self) -> int:
        """Return how often it was sent back already."""
        return count_redrives(self.raw.get("MessageAttributes"))

    @property
    def sent_at(self) -> datetime | None:
        """Return when it was sent; SQS keeps that time when it moves a message to a dead-letter queue itself."""
        try:
            return datetime.fromtimestamp(int(self._attributes["SentTimestamp"]) / 1000, UTC)
        except (KeyError, OverflowError, TypeError, ValueError):
            return None

    @property
    def died_at(self) -> datetime | None:
        """Return when it was given up, or, where it does not say, sent."""
        told = self.reason.last_time if self.reason is not None else None
        return told or self.sent_at

    @property
    def plain_content(self) -> Any:
        """Return the content as JSON can write it: dates and decimals as text."""
        return loads(dumps(self.content, default=str))

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, for a machine."""
        reason = self.reason
        return {
            "message_id": self.message_id,
            "media_type": self.media_type,
            "outcome": reason.outcome if reason else None,
            "error": self.error,
            "handler": self.handler,
            "attempts": reason.attempts if reason else None,
            "first_time": _to_text(reason.first_time if reason else None),
            "last_time": _to_text(reason.last_time if reason else None),
            "sent_time": _to_text(self.sent_at),
            "source": self.source,
            "source_message_id": self.source_message_id,
            "redrives": self.redrives,
            "group_id": self.group_id,
            "content": self.plain_content,
        }

    @property
    def _attributes(self) -> Mapping[str, str]:
        return self.raw.get("Attributes") or {}


def read_letter(raw: RawMessage, envelope: SQSEnvelope) -> Letter:
    """
    Return the letter that a raw message is; nothing that it holds makes this fail.

    :param envelope: decodes the body
    """
    media_type, content, decode_error = None, None, None
    # Schemas and envelopes are user code that reads bytes of others: an error concerns this message alone.
    try:
        message: SQSMessage = envelope.parse_raw_message(None, raw)
        media_type, content = message.media_type, message.content
    except Exception as error:
        decode_error = type(error).__name__
        media_type = getattr(error, "media_type", None)
    if content is None:
        written_type, content = _read_as_written(raw, envelope)
        media_type = media_type or written_type
    return Letter(raw, media_type, content, decode_error, Reason.from_attributes(raw.get("MessageAttributes")))


def read_outside(raw: RawMessage) -> Letter:
    """Return the letter that a raw message is, without looking at its body."""
    return Letter(raw, None, None, None, Reason.from_attributes(raw.get("MessageAttributes")))


def _read_as_written(raw: RawMessage, envelope: SQSEnvelope) -> tuple[str | None, Any]:
    # The same holds here as above.
    try:
        if isinstance(envelope, CodecSQSEnvelope):
            media_type, message, _ = envelope.read(raw)
            return media_type, message
        return None, loads(raw["Body"])
    except Exception:
        return None, _unwrap(raw.get("Body"))


def _unwrap(body: Any) -> Any:
    """Return the message in the notification that SNS wrote around it; the body itself, if it is none."""
    try:
        message = loads(body)["Message"]
    except (KeyError, RecursionError, TypeError, ValueError):
        return body
    return message if isinstance(message, str) else body


def _to_text(time: datetime | None) -> str | None:
    return time.astimezone(UTC).isoformat(timespec="milliseconds") if time is not None else None
