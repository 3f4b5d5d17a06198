"""
The messages that stay in their queue, and the reasons of those that are given up.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from microcosm_pubsub.dead_letters import Reason
from microcosm_pubsub.errors import DeadLetter
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.registry.media_type import describe_name
from microcosm_pubsub.result import MessageHandlingResult


def stays(message: SQSMessage, result: MessageHandlingResult) -> bool:
    """Return whether a handled message stays in its queue."""
    # A message that could not be decoded is never deleted, whatever a layer made of it.
    return result.result.retry or message.error is not None


def make_reason(message: SQSMessage, result: MessageHandlingResult) -> Reason:
    """Return why a message is given up, for readers of the dead-letter queue."""
    error = result.exc_info[1] if result.exc_info else message.error
    if isinstance(error, DeadLetter) and error.__cause__ is not None:
        error = error.__cause__
    return Reason(
        outcome=result.result.name,
        error=type(error).__name__ if error is not None else None,
        handler=describe_name(message.handler) if message.handler is not None else None,
        attempts=message.attempts,
        first_time=_to_time(message.attributes.get("ApproximateFirstReceiveTimestamp")),
        last_time=datetime.now(UTC),
        message_id=message.message_id,
    )


def _to_time(milliseconds: Any) -> datetime | None:
    # Queues of any make write this attribute.
    try:
        return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
    except (OSError, OverflowError, TypeError, ValueError):
        return None
