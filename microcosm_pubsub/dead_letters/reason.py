"""
Why a message is in a dead-letter queue, as message attributes that travel with it.

A message has at most ten attributes. Its own are never touched; of ours, as many are added as there is room for, the
most important first: without the source nobody knows where to send it back to, without the redrives a message that
always fails goes round for ever, and the rest is for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from microcosm_pubsub.message.raw import MessageAttribute, MessageAttributes


#: The most attributes that a message may have.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
MAX_MESSAGE_ATTRIBUTES: Final = 10

PREFIX: Final = "dead_letter_"

#: Our attributes, the most important first.
SOURCE: Final = f"{PREFIX}source"
REDRIVES: Final = f"{PREFIX}redrives"
ERROR: Final = f"{PREFIX}error"
OUTCOME: Final = f"{PREFIX}outcome"
HANDLER: Final = f"{PREFIX}handler"
ATTEMPTS: Final = f"{PREFIX}attempts"
MESSAGE_ID: Final = f"{PREFIX}message_id"
LAST_TIME: Final = f"{PREFIX}last_time"
FIRST_TIME: Final = f"{PREFIX}first_time"
BY_IMPORTANCE: Final = (SOURCE, REDRIVES, ERROR, OUTCOME, HANDLER, ATTEMPTS, MESSAGE_ID, LAST_TIME, FIRST_TIME)

#: The attributes that a message carries only while it is in a dead-letter queue.
OF_A_STAY: Final = frozenset(BY_IMPORTANCE) - {REDRIVES}

#: Longer names are cut: what is said of a message must not outgrow it.
MAX_NAME_LENGTH: Final = 200


@dataclass(frozen=True, slots=True)
class Reason:
    """
    Say why a message was given up.

    :param outcome: the outcome of handling it, such as `FAILED`
    :param error: the name of the error's type; never its text, which may quote the message
    :param handler: the name of the handler
    :param attempts: how often the message was received
    :param message_id: its id in the queue that it came from, which log lines name
    :param first_time: when it was received first
    :param last_time: when it was given up
    :param source: the ARN of the queue that it came from, or its URL
    :param redrives: how often it was sent back from a dead-letter queue
    """

    outcome: str
    error: str | None = None
    handler: str | None = None
    attempts: int | None = None
    first_time: datetime | None = None
    last_time: datetime | None = None
    source: str | None = None
    redrives: int = 0
    message_id: str | None = None

    def to_attributes(self) -> dict[str, MessageAttribute]:
        """Return the message attributes that say it, the most important first; unknown facts are left out."""
        values: dict[str, str | int | datetime | None] = {
            SOURCE: self.source,
            REDRIVES: self.redrives or None,
            ERROR: self.error and self.error[:MAX_NAME_LENGTH],
            OUTCOME: self.outcome,
            HANDLER: self.handler and self.handler[:MAX_NAME_LENGTH],
            ATTEMPTS: self.attempts,
            MESSAGE_ID: self.message_id and self.message_id[:MAX_NAME_LENGTH],
            LAST_TIME: self.last_time,
            FIRST_TIME: self.first_time,
        }
        return {name: _to_attribute(values[name]) for name in BY_IMPORTANCE if values[name] not in (None, "")}

    @classmethod
    def from_attributes(cls, attributes: MessageAttributes | None) -> Reason | None:
        """
        Return the reason that message attributes say, or None if they say none; unreadable attributes are left out.
        """
        texts = {name: _text(attribute) for name, attribute in (attributes or {}).items() if name in OF_A_STAY}
        if not any(texts.values()):
            return None
        return cls(
            outcome=texts.get(OUTCOME) or "UNKNOWN",
            error=texts.get(ERROR) or None,
            handler=texts.get(HANDLER) or None,
            attempts=_to_count(texts.get(ATTEMPTS)),
            first_time=_to_time(texts.get(FIRST_TIME)),
            last_time=_to_time(texts.get(LAST_TIME)),
            source=texts.get(SOURCE) or None,
            redrives=count_redrives(attributes),
            message_id=texts.get(MESSAGE_ID) or None,
        )


def count_redrives(attributes: MessageAttributes | None) -> int:
    """Return how often a message was sent back from a dead-letter queue, as far as it tells."""
    return _to_count(_text((attributes or {}).get(REDRIVES))) or 0


def add_reason(attributes: MessageAttributes | None, reason: Reason) -> dict[str, MessageAttribute]:
    """
    Return a message's attributes with the reason, in place of an earlier one.

    A message that comes from its queue with an earlier reason was sent back by SQS itself, which counts nothing: so
    that is counted here.

    :param attributes: those with which it was received
    """
    by_sqs = Reason.from_attributes(attributes) is not None
    redrives = max(reason.redrives, count_redrives(attributes) + by_sqs)
    own = without_reason(attributes)
    ours = Reason.to_attributes(_with_redrives(reason, redrives))
    room = MAX_MESSAGE_ATTRIBUTES - len(own)
    return {**own, **dict(list(ours.items())[: max(0, room)])}


def remove_reason(attributes: MessageAttributes | None) -> dict[str, MessageAttribute]:
    """Return the attributes with which a message is sent back: its own, and one more redrive if there is room."""
    own = without_reason(attributes)
    if len(own) < MAX_MESSAGE_ATTRIBUTES:
        own[REDRIVES] = _to_attribute(count_redrives(attributes) + 1)
    return own


def without_reason(attributes: MessageAttributes | None) -> dict[str, MessageAttribute]:
    """Return a message's own attributes."""
    return {name: attribute for name, attribute in (attributes or {}).items() if name not in BY_IMPORTANCE}


def _with_redrives(reason: Reason, redrives: int) -> Reason:
    # `dataclasses.replace` would do, for ten times the time
    return Reason(
        reason.outcome,
        reason.error,
        reason.handler,
        reason.attempts,
        reason.first_time,
        reason.last_time,
        reason.source,
        redrives,
        reason.message_id,
    )


def _to_attribute(value: str | int | datetime | None) -> MessageAttribute:
    if isinstance(value, int):
        return {"DataType": "Number", "StringValue": str(value)}
    text = value.astimezone(UTC).isoformat(timespec="milliseconds") if isinstance(value, datetime) else str(value)
    # SQS refuses characters that XML 1.0 does not allow.
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return {"DataType": "String", "StringValue": printable}


def _text(attribute: object) -> str:
    value = attribute.get("StringValue") if isinstance(attribute, Mapping) else None
    return value if isinstance(value, str) else ""


def _to_count(text: str | None) -> int | None:
    # The sender may be anybody: the text may be any number, or none.
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 9 else None


def _to_time(text: str | None) -> datetime | None:
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time
