"""
The entries of calls that settle messages, and those that the queue did not take.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from logging import getLogger

from microcosm_pubsub.clients import explain_code
from microcosm_pubsub.constants import UNKNOWN_MEDIA_TYPE
from microcosm_pubsub.dead_letters import Reason
from microcosm_pubsub.errors import SettleError
from microcosm_pubsub.message import SQSMessage


logger = getLogger("microcosm_pubsub.consumer")

#: A message, with the seconds after which it becomes visible, or None to delete it.
Entry = tuple[SQSMessage, int | None]


@dataclass(frozen=True, slots=True)
class GivenUp:
    """
    A message that goes to the dead-letter queue.

    :param reason: why
    :param timeout: after how many seconds it becomes visible if it cannot go there; the backoff policy decides if None
    """

    message: SQSMessage
    reason: Reason
    timeout: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    An entry of a batch call that the queue did not take.

    :param error: says what it means
    :param try_alone: whether the queue had a reason of its own that concerned this entry
    :param code: the queue's or the client's error code
    """

    entry: Entry
    error: SettleError
    try_alone: bool
    code: str


#: The right that each way to settle a message needs.
RIGHTS = {"delete": "sqs:DeleteMessage", "nack": "sqs:ChangeMessageVisibility"}


def settle_error(verb: str, message: SQSMessage, code: str) -> SettleError:
    """Return the error for a message that could not be settled, and that will be received again."""
    why, media_type = explain_code(code, RIGHTS[verb]), message.media_type or UNKNOWN_MEDIA_TYPE
    return SettleError(
        f"Cannot {verb} message {message.message_id} ({media_type}): {why}; it will be received again when its "
        "visibility timeout runs out"
    )


def tell_stranded(messages: Iterable[GivenUp], queue_url: str) -> None:
    """Say which messages are given up, and have nowhere to go."""
    for each in messages:
        logger.warning(
            "Message %s (%s) is given up, and comes again, since %s has no dead-letter queue that can be seen: give it "
            "a redrive policy, or set sqs_consumer.dead_letter_queue_url",
            each.message.message_id,
            each.message.media_type or UNKNOWN_MEDIA_TYPE,
            queue_url,
        )
