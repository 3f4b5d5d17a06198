"""
Messages as rows, and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from json import dumps, loads
from typing import Any

from microcosm_pubsub.constants import FIFO_SUFFIX, IDENTITY_KEY
from microcosm_pubsub.message import find_value
from microcosm_pubsub.producer import PubsubMessage


@dataclass(frozen=True, slots=True)
class Row:
    """
    A message to publish.

    :param id: of the row
    :param message: as its producer made it
    :param is_ordered: whether it must keep its place in its group
    :param attempts: how often publishing it has failed
    """

    id: int
    message: PubsubMessage
    is_ordered: bool
    attempts: int = 0

    @property
    def group(self) -> tuple[str, str] | None:
        """Return the group within which it keeps its place, if it must."""
        return (self.message.topic_arn, self.message.group_id or "") if self.is_ordered else None


def is_ordered(message: PubsubMessage) -> bool:
    """Return whether a message must keep its place in its group."""
    return message.topic_arn.endswith(FIFO_SUFFIX)


def find_identity(message: PubsubMessage) -> str:
    """Return the id of a message; one that somebody else made may have none."""
    return str(find_value(message.opaque_data or {}, IDENTITY_KEY) or "")


def to_values(message: PubsubMessage, now_ms: int, claim_ms: int) -> dict[str, Any]:
    """
    Return the values of a message's row.

    :param now_ms: the time of day, in milliseconds since the epoch
    :param claim_ms: for how long the row is this process's to publish
    """
    due_at = 0 if message.due_at is None else int(message.due_at * 1000)
    return {
        "identity": find_identity(message),
        "media_type": message.media_type,
        "topic_arn": message.topic_arn,
        # SNS refuses a message without a group on a FIFO topic, but it has its place here.
        "group_id": message.group_id or ("" if is_ordered(message) else None),
        "deduplication_id": message.deduplication_id,
        "is_ordered": is_ordered(message),
        "body": message.message,
        "attributes": dumps(message.message_attributes),
        "opaque_data": dumps(message.opaque_data, default=str),
        "created_at": now_ms,
        "due_at": due_at,
        "free_at": due_at or (0 if is_ordered(message) else now_ms + claim_ms),
    }


def from_values(values: Mapping[str, Any]) -> Row:
    """Return the row that values stand for."""
    message = PubsubMessage(
        media_type=values["media_type"],
        message=values["body"],
        message_attributes=loads(values["attributes"]),
        opaque_data=loads(values["opaque_data"]),
        topic_arn=values["topic_arn"],
        group_id=values["group_id"] or None,
        deduplication_id=values["deduplication_id"],
    )
    return Row(values["id"], message, values["is_ordered"], values["attempts"])
