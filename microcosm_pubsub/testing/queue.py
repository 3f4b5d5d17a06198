"""
One queue in memory.

Owns the messages of a queue and the rules by which they come and go: visibility, receipt handles,
receive counts, and the order of FIFO groups. Knows neither clients nor locks: its engine holds the
lock, and hands in the time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import md5
from itertools import count
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from microcosm_pubsub.constants import FIFO_SUFFIX, MAX_VISIBILITY_TIMEOUT_SECONDS
from microcosm_pubsub.testing.answers import QUEUE_PREFIX, refuse


#: For how long a FIFO queue remembers a deduplication id, in seconds.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html
DEDUPLICATION_SECONDS = 300

#: The first sequence number of a FIFO queue or topic.
FIRST_SEQUENCE_NUMBER = 10**19


@dataclass(slots=True, eq=False)
class StoredMessage:
    """
    One message of a queue.

    :param sent_at: when it was sent, in seconds since the epoch, as are the other times
    :param visible_at: from when on it can be received
    :param receipt_handle: the handle of its latest receive
    """

    body: str
    sequence: int
    sent_at: float
    visible_at: float
    group_id: str | None = None
    deduplication_id: str | None = None
    message_attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    system_attributes: Mapping[str, str] = field(default_factory=dict)
    message_id: str = field(default_factory=lambda: str(uuid4()))
    receive_count: int = 0
    first_received_at: float | None = None
    received_at: float | None = None
    receipt_handle: str | None = None

    @property
    def md5(self) -> str:
        """Return the digest of the body, in hexadecimal."""
        return md5(self.body.encode(), usedforsecurity=False).hexdigest()

    @property
    def attributes(self) -> dict[str, str]:
        """Return the queue's own attributes of the message, as SQS names them."""
        attributes = {
            **self.system_attributes,
            "SenderId": "AIDAMEMORY",
            "SentTimestamp": str(int(self.sent_at * 1000)),
            "ApproximateReceiveCount": str(self.receive_count),
        }
        if self.first_received_at is not None:
            attributes["ApproximateFirstReceiveTimestamp"] = str(int(self.first_received_at * 1000))
        if self.group_id is not None:
            attributes["MessageGroupId"] = self.group_id
        if self.deduplication_id is not None:
            attributes["MessageDeduplicationId"] = self.deduplication_id
        return attributes


class MemoryQueue:
    """
    Hold the messages of one queue.

    :param url: its URL; it is FIFO if that ends in `.fifo`
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.fifo = url.endswith(FIFO_SUFFIX)
        self.messages: list[StoredMessage] = []
        self._sequence = count(FIRST_SEQUENCE_NUMBER)
        self._by_handle: dict[str, StoredMessage] = {}
        self._by_deduplication_id: dict[str, StoredMessage] = {}

    def send(
        self,
        body: str,
        now: float,
        delay_seconds: int = 0,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        message_attributes: Mapping[str, Mapping[str, Any]] | None = None,
        system_attributes: Mapping[str, str] | None = None,
    ) -> StoredMessage:
        """Add a message and return it, or the earlier one that it duplicates."""
        earlier = self._by_deduplication_id.get(deduplication_id or "")
        if earlier is not None and now < earlier.sent_at + DEDUPLICATION_SECONDS:
            return earlier
        message = StoredMessage(
            body=body,
            sequence=next(self._sequence),
            sent_at=now,
            visible_at=now + delay_seconds,
            group_id=group_id,
            deduplication_id=deduplication_id,
            message_attributes=dict(message_attributes or {}),
            system_attributes=dict(system_attributes or {}),
        )
        self.messages.append(message)
        if self.fifo and deduplication_id is not None:
            self._by_deduplication_id[deduplication_id] = message
        return message

    def receive(self, limit: int, visibility_timeout_seconds: int, now: float) -> list[StoredMessage]:
        """Hide and return the oldest visible messages, none of them of a group that is blocked."""
        blocked = {message.group_id for message in self.messages if message.visible_at > now}
        received = [
            message
            for message in self.messages
            if message.visible_at <= now and not (self.fifo and message.group_id in blocked)
        ][:limit]
        for message in received:
            message.receive_count += 1
            message.received_at = now
            if message.first_received_at is None:
                message.first_received_at = now
            message.visible_at = now + visibility_timeout_seconds
            message.receipt_handle = str(uuid4())
            self._by_handle[message.receipt_handle] = message
        return received

    def delete(self, receipt_handle: str) -> None:
        """Delete the message whose latest receive gave this handle; an older handle deletes nothing."""
        message = self._by_handle.get(receipt_handle)
        if message is not None and message.receipt_handle == receipt_handle and message in self.messages:
            self.messages.remove(message)

    def change_visibility(self, receipt_handle: str, timeout_seconds: int, now: float) -> None:
        """
        Hide a received message for so many seconds from now on; 0 makes it visible at once.

        :raises ClientError: if the message is gone, is no longer in flight, or would be hidden for
            more than 12 hours since its receive
        """
        message = self._by_handle.get(receipt_handle)
        if message is None:
            return
        if message not in self.messages or message.receipt_handle != receipt_handle:
            raise _invalid(
                f"Value {receipt_handle} for parameter ReceiptHandle",
                "Message does not exist or is not available for visibility timeout change.",
            )
        if message.visible_at <= now:
            code = f"{QUEUE_PREFIX}MessageNotInflight"
            raise refuse("ChangeMessageVisibility", code, "The specified message isn't in flight.")
        if now + timeout_seconds > (message.received_at or now) + MAX_VISIBILITY_TIMEOUT_SECONDS:
            raise _invalid(
                f"Value {timeout_seconds} for parameter VisibilityTimeout",
                "Total VisibilityTimeout for the message is beyond the limit "
                f"[{MAX_VISIBILITY_TIMEOUT_SECONDS} seconds].",
            )
        message.visible_at = now + timeout_seconds

    def purge(self) -> None:
        """Delete every message."""
        self.messages.clear()


def _invalid(what: str, reason: str) -> ClientError:
    return refuse("ChangeMessageVisibility", "InvalidParameterValue", f"{what} is invalid. Reason: {reason}")
