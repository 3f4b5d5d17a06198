"""
An SNS client in memory.

Owns boto3's side of a topic: publishing, one by one or in batches, with boto3's keyword arguments,
answers and errors.
"""

# boto3 names its arguments in CamelCase.
# ruff: noqa: N803

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from microcosm_pubsub.constants import FIFO_SUFFIX
from microcosm_pubsub.testing.answers import answer, refuse, run_batch
from microcosm_pubsub.testing.notification import Notification
from microcosm_pubsub.testing.queue_client import without_metadata


if TYPE_CHECKING:
    from microcosm_pubsub.testing.memory import MemoryEngine


class MemoryTopicClient:
    """Answer as boto3's SNS client does, and deliver to the queues of an engine."""

    def __init__(self, engine: MemoryEngine) -> None:
        self.engine = engine

    def publish(
        self,
        *,
        TopicArn: str,
        Message: str,
        Subject: str | None = None,
        MessageAttributes: Mapping[str, Mapping[str, Any]] | None = None,
        MessageDeduplicationId: str | None = None,
        MessageGroupId: str | None = None,
    ) -> dict[str, Any]:
        """Publish a message to every queue that is subscribed to the topic."""
        if not TopicArn:
            raise invalid("TopicArn or TargetArn Reason: no value for required parameter")
        if not Message:
            raise invalid("Empty message")
        fifo = TopicArn.endswith(FIFO_SUFFIX)
        if fifo and not MessageGroupId:
            raise invalid("The MessageGroupId parameter is required for FIFO topics")
        with self.engine.lock:
            notification = Notification(
                topic_arn=TopicArn,
                message=Message,
                published_at=self.engine.clock(),
                subject=Subject,
                message_attributes=dict(MessageAttributes or {}),
                group_id=MessageGroupId,
                deduplication_id=MessageDeduplicationId,
                sequence=next(self.engine.sequence) if fifo else None,
            )
            self.engine.deliver(notification)
        sequence = {"SequenceNumber": str(notification.sequence)} if fifo else {}
        return answer(MessageId=notification.message_id, **sequence)

    def publish_batch(
        self,
        *,
        TopicArn: str,
        PublishBatchRequestEntries: Sequence[Mapping[str, Any]],
    ) -> dict[str, Any]:
        """Publish messages, each by itself."""

        def publish(entry: Mapping[str, Any]) -> dict[str, Any]:
            members = {name: value for name, value in entry.items() if name != "Id"}
            return without_metadata(self.publish(TopicArn=TopicArn, **members))

        with self.engine.lock:
            return answer(**run_batch("PublishBatch", PublishBatchRequestEntries, publish))


def invalid(text: str) -> ClientError:
    """Return the error with which SNS refuses a parameter."""
    return refuse("Publish", "InvalidParameter", f"Invalid parameter: {text}")
