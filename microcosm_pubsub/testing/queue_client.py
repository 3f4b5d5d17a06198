"""
An SQS client in memory.

Owns boto3's side of a queue: the method names, keyword arguments, answers and errors of the calls
that a consumer, a worker or a test makes. A receive never waits.
"""

# boto3 names its arguments in CamelCase.
# ruff: noqa: N803

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from microcosm_pubsub.constants import (
    MAX_RECEIVE_MESSAGES,
    MAX_VISIBILITY_TIMEOUT_SECONDS,
    MAX_WAIT_SECONDS,
)
from microcosm_pubsub.testing.answers import QUEUE_PREFIX, answer, refuse, require_within, run_batch
from microcosm_pubsub.testing.queue import StoredMessage


if TYPE_CHECKING:
    from microcosm_pubsub.testing.memory import MemoryEngine


#: The longest delay of a message, in seconds.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
MAX_DELAY_SECONDS = 900


class MemoryQueueClient:
    """Answer as boto3's SQS client does, from the queues of an engine."""

    def __init__(self, engine: MemoryEngine) -> None:
        self.engine = engine

    def receive_message(
        self,
        *,
        QueueUrl: str,
        AttributeNames: Sequence[str] = (),
        MessageSystemAttributeNames: Sequence[str] = (),
        MessageAttributeNames: Sequence[str] = (),
        MaxNumberOfMessages: int = 1,
        VisibilityTimeout: int | None = None,
        WaitTimeSeconds: int = 0,
        ReceiveRequestAttemptId: str | None = None,
    ) -> dict[str, Any]:
        """Receive the visible messages, at once; the answer has no `Messages` if there are none."""
        operation = "ReceiveMessage"
        require_within(operation, "MaxNumberOfMessages", MaxNumberOfMessages, 1, MAX_RECEIVE_MESSAGES)
        require_within(operation, "WaitTimeSeconds", WaitTimeSeconds, 0, MAX_WAIT_SECONDS)
        timeout = self.engine.visibility_timeout_seconds if VisibilityTimeout is None else VisibilityTimeout
        require_within(operation, "VisibilityTimeout", timeout, 0, MAX_VISIBILITY_TIMEOUT_SECONDS)
        with self.engine.lock:
            queue = self.engine.queue(QueueUrl)
            received = queue.receive(MaxNumberOfMessages, timeout, self.engine.clock())
            asked = {*AttributeNames, *MessageSystemAttributeNames}
            messages = [describe(message, queue.fifo, asked, MessageAttributeNames) for message in received]
        return answer(Messages=messages) if messages else answer()

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> dict[str, Any]:
        """Delete a received message; a handle that is stale or unknown deletes nothing."""
        with self.engine.lock:
            self.engine.queue(QueueUrl).delete(ReceiptHandle)
        return answer()

    def delete_message_batch(
        self,
        *,
        QueueUrl: str,
        Entries: Sequence[Mapping[str, Any]],
    ) -> dict[str, Any]:
        """Delete received messages, each by itself."""

        def delete(entry: Mapping[str, Any]) -> dict[str, Any]:
            self.delete_message(QueueUrl=QueueUrl, ReceiptHandle=entry["ReceiptHandle"])
            return {}

        return self._batch("DeleteMessageBatch", Entries, delete)

    def change_message_visibility(
        self,
        *,
        QueueUrl: str,
        ReceiptHandle: str,
        VisibilityTimeout: int,
    ) -> dict[str, Any]:
        """Hide a received message for longer, or make it visible at once with 0."""
        operation = "ChangeMessageVisibility"
        require_within(operation, "VisibilityTimeout", VisibilityTimeout, 0, MAX_VISIBILITY_TIMEOUT_SECONDS)
        with self.engine.lock:
            queue = self.engine.queue(QueueUrl)
            queue.change_visibility(ReceiptHandle, VisibilityTimeout, self.engine.clock())
        return answer()

    def change_message_visibility_batch(
        self,
        *,
        QueueUrl: str,
        Entries: Sequence[Mapping[str, Any]],
    ) -> dict[str, Any]:
        """Change the visibility of received messages, each by itself."""

        def change(entry: Mapping[str, Any]) -> dict[str, Any]:
            self.change_message_visibility(
                QueueUrl=QueueUrl,
                ReceiptHandle=entry["ReceiptHandle"],
                VisibilityTimeout=entry["VisibilityTimeout"],
            )
            return {}

        return self._batch("ChangeMessageVisibilityBatch", Entries, change)

    def send_message(
        self,
        *,
        QueueUrl: str,
        MessageBody: str,
        DelaySeconds: int = 0,
        MessageAttributes: Mapping[str, Mapping[str, Any]] | None = None,
        MessageSystemAttributes: Mapping[str, Mapping[str, Any]] | None = None,
        MessageDeduplicationId: str | None = None,
        MessageGroupId: str | None = None,
    ) -> dict[str, Any]:
        """Send a message to a queue."""
        operation = "SendMessage"
        require_within(operation, "DelaySeconds", DelaySeconds, 0, MAX_DELAY_SECONDS)
        if not MessageBody:
            raise refuse(operation, "MissingParameter", "The request must contain the parameter MessageBody.")
        with self.engine.lock:
            queue = self.engine.queue(QueueUrl)
            if queue.fifo:
                require_fifo(operation, MessageGroupId, DelaySeconds)
            message = queue.send(
                body=MessageBody,
                now=self.engine.clock(),
                delay_seconds=DelaySeconds,
                group_id=MessageGroupId,
                deduplication_id=MessageDeduplicationId,
                message_attributes=MessageAttributes,
                system_attributes={
                    name: value["StringValue"] for name, value in (MessageSystemAttributes or {}).items()
                },
            )
        sequence = {"SequenceNumber": str(message.sequence)} if queue.fifo else {}
        return answer(MessageId=message.message_id, MD5OfMessageBody=message.md5, **sequence)

    def send_message_batch(
        self,
        *,
        QueueUrl: str,
        Entries: Sequence[Mapping[str, Any]],
    ) -> dict[str, Any]:
        """Send messages to a queue, each by itself."""

        def send(entry: Mapping[str, Any]) -> dict[str, Any]:
            members = {name: value for name, value in entry.items() if name != "Id"}
            return without_metadata(self.send_message(QueueUrl=QueueUrl, **members))

        return self._batch("SendMessageBatch", Entries, send)

    def get_queue_url(
        self,
        *,
        QueueName: str,
        QueueOwnerAWSAccountId: str | None = None,
    ) -> dict[str, Any]:
        """Find the URL of a queue that is in use, by the last part of it."""
        with self.engine.lock:
            for queue_url in self.engine.queues:
                if queue_url.rpartition("/")[-1] == QueueName:
                    return answer(QueueUrl=queue_url)
        raise refuse("GetQueueUrl", f"{QUEUE_PREFIX}NonExistentQueue", "The specified queue does not exist.")

    def purge_queue(self, *, QueueUrl: str) -> dict[str, Any]:
        """Delete every message of a queue."""
        with self.engine.lock:
            self.engine.queue(QueueUrl).purge()
        return answer()

    def _batch(self, operation: str, entries: Sequence[Mapping[str, Any]], act: Any) -> dict[str, Any]:
        """Run a batch; as from boto3, an empty list of results is left out."""
        with self.engine.lock:
            results = run_batch(operation, entries, act, QUEUE_PREFIX)
        return answer(**{name: entries for name, entries in results.items() if entries})


def require_fifo(operation: str, group_id: str | None, delay_seconds: int = 0) -> None:
    """Refuse what a FIFO queue does not take: no group, or a delay of one message."""
    if group_id is None:
        raise refuse(operation, "MissingParameter", "The request must contain the parameter MessageGroupId.")
    if delay_seconds:
        raise refuse(
            operation,
            "InvalidParameterValue",
            f"Value {delay_seconds} for parameter DelaySeconds is invalid. "
            "Reason: The request include parameter that is not valid for this queue type.",
        )


def describe(
    message: StoredMessage,
    fifo: bool,
    attribute_names: Iterable[str],
    message_attribute_names: Iterable[str],
) -> dict[str, Any]:
    """Return a received message as boto3 gives it, with the attributes that were asked for."""
    described: dict[str, Any] = {
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipt_handle,
        "MD5OfBody": message.md5,
        "Body": message.body,
    }
    attributes = message.attributes
    if fifo:
        attributes["SequenceNumber"] = str(message.sequence)
    asked = set(attribute_names)
    if chosen := {name: value for name, value in attributes.items() if asked & {"All", name}}:
        described["Attributes"] = chosen
    patterns = tuple(message_attribute_names)
    if chosen_attributes := {
        name: dict(value)
        for name, value in message.message_attributes.items()
        if any(is_asked(name, pattern) for pattern in patterns)
    }:
        described["MessageAttributes"] = chosen_attributes
    return described


def is_asked(name: str, pattern: str) -> bool:
    """Tell whether an item of `MessageAttributeNames` asks for this message attribute."""
    if pattern.endswith(".*"):
        return name.startswith(pattern.removesuffix("*").removesuffix("."))
    return pattern in ("All", name)


def without_metadata(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer's members alone, as a batch lists them."""
    return {name: value for name, value in members.items() if name != "ResponseMetadata"}
