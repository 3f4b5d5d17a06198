"""
Send messages on as they are: to a dead-letter queue with their reason, or from there to another queue.

Body, attributes, group and trace stay what they were. A call takes at most ten messages and 1 MiB, and each message
succeeds or fails alone. Into a FIFO queue a call takes one message of a group, and when one fails, the later ones of
its group are not sent: they would overtake it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from re import compile as compile_pattern
from typing import Final

from microcosm_pubsub.clients import CLIENT_ERRORS, LASTING_ERRORS, error_code
from microcosm_pubsub.clients.protocols import AdminQueueClient, QueueClient, as_admin
from microcosm_pubsub.constants import FIFO_SUFFIX, MAX_BATCH_ENTRIES
from microcosm_pubsub.dead_letters.queue import DeadLetterQueue
from microcosm_pubsub.dead_letters.reason import Reason, add_reason, without_reason
from microcosm_pubsub.errors import SettleError
from microcosm_pubsub.message import Groups
from microcosm_pubsub.message.raw import FailedEntry, MessageAttribute, MessageAttributes, RawMessage


#: The most bytes that one call takes.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
MAX_BATCH_BYTES: Final = 1024 * 1024

#: The ids of groups, and for deduplication, that SQS takes.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
VALID_ID: Final = compile_pattern(r"[!-~]{1,128}")

TRACE_HEADER: Final = "AWSTraceHeader"


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """
    A message to be sent.

    :param raw: as `receive_message` gave it
    :param attributes: its message attributes from now on
    :param bare: those to try if it is refused with the others
    :param deduplication_id: for a FIFO queue; the message's id by default
    """

    raw: RawMessage
    attributes: MessageAttributes
    bare: MessageAttributes | None = None
    deduplication_id: str | None = None

    @property
    def group_id(self) -> str | None:
        """Return the message's group, on a FIFO queue or a fair one."""
        return (self.raw.get("Attributes") or {}).get("MessageGroupId")

    @property
    def size_bytes(self) -> int:
        """Return the bytes that it counts against the limit of a call."""
        return len(str(self.raw.get("Body")).encode("utf-8", "surrogatepass")) + sum(
            len(name.encode()) + sum(len(value if isinstance(value, bytes) else str(value).encode()) for value in parts)
            for name, parts in ((name, list(attribute.values())) for name, attribute in self.attributes.items())
        )

    def to_entry(self, index: int, fifo: bool) -> dict[str, object]:
        """Return the entry of a `send_message_batch` call."""
        entry: dict[str, object] = {"Id": str(index), "MessageBody": self.raw.get("Body")}
        if self.attributes:
            entry["MessageAttributes"] = {name: _clean(attribute) for name, attribute in self.attributes.items()}
        if trace := (self.raw.get("Attributes") or {}).get(TRACE_HEADER):
            entry["MessageSystemAttributes"] = {TRACE_HEADER: {"DataType": "String", "StringValue": trace}}
        if group_id := self.group_id or (_to_id(self.raw.get("MessageId")) if fifo else None):
            entry["MessageGroupId"] = group_id
        if fifo:
            entry["MessageDeduplicationId"] = _to_id(self.deduplication_id or self.raw.get("MessageId"))
        return entry


class QueueSender:
    """
    Send messages to one queue.

    :param client: boto3's SQS client, or one like it
    :param queue_url: the queue's URL
    """

    def __init__(self, client: AdminQueueClient, queue_url: str) -> None:
        self.client = client
        self.queue_url = queue_url
        self.fifo = queue_url.endswith(FIFO_SUFFIX)

    def send(self, messages: Sequence[OutgoingMessage]) -> list[SettleError | None]:
        """Send messages, and return for each None, or the error that says why it was not taken."""
        errors: list[SettleError | None] = [None] * len(messages)
        groups = Groups(ordered=self.fifo)
        pending = list(range(len(messages)))
        while pending:
            chunk, pending = self._split(messages, pending)
            for index, error in zip(chunk, self._send_chunk([messages[index] for index in chunk]), strict=True):
                errors[index] = error
                if error is not None:
                    groups.block(messages[index].group_id)
            for index in [index for index in pending if groups.is_blocked(messages[index].group_id)]:
                errors[index] = self._error(messages[index], "an earlier message of its group was not sent")
                pending.remove(index)
        return errors

    def _split(self, messages: Sequence[OutgoingMessage], pending: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return the messages of the next call, and those after it."""
        chunk: list[int] = []
        later: list[int] = []
        groups: set[str | None] = set()
        size = 0
        for index in pending:
            message = messages[index]
            repeated = self.fifo and message.group_id is not None and message.group_id in groups
            fits = len(chunk) < MAX_BATCH_ENTRIES and (not chunk or size + message.size_bytes <= MAX_BATCH_BYTES)
            groups.add(message.group_id)
            if repeated or not fits:
                later.append(index)
            else:
                chunk.append(index)
                size += message.size_bytes
        return chunk, later

    def _send_chunk(self, messages: Sequence[OutgoingMessage]) -> list[SettleError | None]:
        try:
            answer = self.client.send_message_batch(
                QueueUrl=self.queue_url,
                Entries=[message.to_entry(index, self.fifo) for index, message in enumerate(messages)],
            )
        except CLIENT_ERRORS as error:
            if may_concern_one(error):
                if len(messages) > 1:
                    return [self._send_chunk([message])[0] for message in messages]
                if messages[0].bare is not None:
                    return self._send_chunk([_bare(messages[0])])
            return [self._error(message, error_code(error)) for message in messages]
        sent = {entry["Id"] for entry in answer.get("Successful") or ()}
        failed = {entry["Id"]: entry for entry in answer.get("Failed") or ()}
        return [
            None if str(index) in sent else self._try_alone(message, failed.get(str(index), {}), len(messages) > 1)
            for index, message in enumerate(messages)
        ]

    def _try_alone(self, message: OutgoingMessage, failure: FailedEntry, again: bool) -> SettleError | None:
        """Send a message once more that failed among others, or without attributes that may be too many."""
        if failure.get("SenderFault"):
            if message.bare is not None:
                return self._send_chunk([_bare(message)])[0]
        elif again:
            return self._send_chunk([message])[0]
        return self._error(message, str(failure.get("Code") or "no answer"))

    def _error(self, message: OutgoingMessage, why: str) -> SettleError:
        message_id = str(message.raw.get("MessageId"))
        # The id may come from a file that anybody wrote.
        shown = message_id if VALID_ID.fullmatch(message_id) else ascii(message_id)[:128]
        return SettleError(f"Cannot send message {shown} to {self.queue_url}: {why}; it stays where it is")


class DeadLetterSender:
    """
    Send messages to the dead-letter queue, with their reasons; the caller deletes those that were sent.

    :param client: boto3's SQS client, or one like it
    :param queue: knows where the dead-letter queue is
    """

    def __init__(self, client: QueueClient, queue: DeadLetterQueue) -> None:
        self.client = client
        self.queue = queue

    def send(self, messages: Sequence[tuple[RawMessage, Reason]]) -> list[SettleError | None]:
        """
        Send messages, and return for each None, or the error that says why it was not taken.

        A FIFO queue forgets within five minutes what was sent to it, so that the deduplication id is the message's id:
        sent again because its delete failed, it is there once.

        :param messages: each as `receive_message` gave it, with its reason
        """
        url = self.queue.find()
        if url is None:
            return [
                SettleError(
                    f"Message {raw.get('MessageId')} has no dead-letter queue to go to: set a redrive policy for "
                    f"{self.queue.source_url}, allow sqs:GetQueueAttributes, or configure the queue's URL"
                )
                for raw, _ in messages
            ]
        return QueueSender(as_admin(self.client), url).send([_with_reason(raw, reason) for raw, reason in messages])


def _with_reason(raw: RawMessage, reason: Reason) -> OutgoingMessage:
    own = without_reason(raw.get("MessageAttributes"))
    outgoing = OutgoingMessage(raw, add_reason(raw.get("MessageAttributes"), reason), bare=own)
    # A body may take all the room that there is.
    return outgoing if outgoing.size_bytes <= MAX_BATCH_BYTES else _bare(outgoing)


def _bare(message: OutgoingMessage) -> OutgoingMessage:
    return replace(message, attributes=message.bare or {}, bare=None)


def may_concern_one(error: Exception) -> bool:
    """Return whether the error of a call may be that of one of its entries, so that each should be tried alone."""
    code = error_code(error)
    status = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    is_answer = code == "ParamValidationError" or (hasattr(error, "response") and 400 <= status < 500)
    return is_answer and code not in LASTING_ERRORS and "Thrott" not in code and code != "RequestLimitExceeded"


def _clean(attribute: MessageAttribute) -> dict[str, object]:
    given: Mapping[str, object] = attribute
    return {key: given[key] for key in ("DataType", "StringValue", "BinaryValue") if key in given}


def _to_id(text: object) -> str:
    """Return an id that SQS takes."""
    return str(text) if VALID_ID.fullmatch(str(text)) else sha256(str(text).encode()).hexdigest()
