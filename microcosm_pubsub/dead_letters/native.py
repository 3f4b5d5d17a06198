"""
Move messages back by SQS's own task.

SQS moves all that is in the queue, by itself, also when we are gone. The destination is always named: without it SQS
fails for messages that were sent to the dead-letter queue and not moved there by SQS, and some engines drop them.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasks.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from microcosm_pubsub.clients import CLIENT_ERRORS
from microcosm_pubsub.clients.protocols import AdminQueueClient


#: The most messages that a task moves per second.
MAX_RATE: Final = 500

POLL_SECONDS: Final = 1.0

ENDED: Final = frozenset({"COMPLETED", "CANCELLED", "FAILED"})


@dataclass(frozen=True, slots=True)
class Progress:
    """
    The progress of a task.

    :param status: `RUNNING`, `COMPLETED`, `CANCELLING`, `CANCELLED` or `FAILED`
    :param failure: why it failed, in a word of SQS
    """

    status: str
    moved: int
    total: int
    failure: str | None = None


class MoveTask:
    """
    Follow a task.

    :param client: boto3's SQS client, or one like it
    :param source_arn: the ARN of the dead-letter queue
    :param handle: the task's handle; None for one that somebody else has started
    """

    def __init__(self, client: AdminQueueClient, source_arn: str, handle: str | None = None) -> None:
        self.client = client
        self.source_arn = source_arn
        self.handle = handle

    @classmethod
    def find_running(cls, client: AdminQueueClient, source_arn: str) -> MoveTask | None:
        """Return the task that moves messages out of a queue already, if there is one."""
        task = cls(client, source_arn)
        try:
            progress = task.read_progress()
        except (AttributeError, *CLIENT_ERRORS):
            return None
        return task if progress is not None and progress.status not in ENDED else None

    @classmethod
    def start(
        cls, client: AdminQueueClient, source_arn: str, target_arn: str, rate: int | None = None
    ) -> MoveTask | None:
        """Start a task and return it; None if the engine has none, or the caller's policy does not allow it."""
        more = {} if rate is None else {"MaxNumberOfMessagesPerSecond": rate}
        try:
            answer = client.start_message_move_task(SourceArn=source_arn, DestinationArn=target_arn, **more)
        except (AttributeError, *CLIENT_ERRORS):
            return None
        return cls(client, source_arn, str(answer["TaskHandle"]))

    def read_progress(self) -> Progress | None:
        """Return how far the queue's latest task is; None if there is none."""
        results = self.client.list_message_move_tasks(SourceArn=self.source_arn, MaxResults=1).get("Results")
        if not results:
            return None
        result = results[0]
        return Progress(
            status=result.get("Status", "RUNNING"),
            moved=result.get("ApproximateNumberOfMessagesMoved") or 0,
            total=result.get("ApproximateNumberOfMessagesToMove") or 0,
            failure=result.get("FailureReason"),
        )

    def follow(self, pause: Callable[[float], bool]) -> Iterator[Progress]:
        """
        Look again and again, until the task has ended.

        :param pause: waits for the given number of seconds, and returns whether to stop
        """
        while True:
            progress = self.read_progress()
            if progress is not None:
                yield progress
                if progress.status in ENDED:
                    return
            if pause(POLL_SECONDS):
                return

    def cancel(self) -> None:
        """End the task, if it is ours; messages that were moved stay moved."""
        if self.handle is not None:
            self.client.cancel_message_move_task(TaskHandle=self.handle)
