"""
Batch calls of SQS: at most ten entries each, every one of which succeeds or fails alone.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessageBatch.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from microcosm_pubsub.constants import MAX_BATCH_ENTRIES
from microcosm_pubsub.message.raw import BatchAnswer


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failure:
    """
    Why an entry was not taken.

    :param code: the queue's error code
    :param is_sender_fault: whether it cannot succeed as it is
    """

    code: str
    is_sender_fault: bool


def split_calls(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Iterate over the items of one call each."""
    return (items[start : start + MAX_BATCH_ENTRIES] for start in range(0, len(items), MAX_BATCH_ENTRIES))


def read_failures(answer: BatchAnswer) -> dict[str, Failure]:
    """Return the entries that an answer calls failed, by their ids."""
    return {
        str(entry.get("Id")): Failure(str(entry.get("Code")), bool(entry.get("SenderFault")))
        for entry in answer.get("Failed") or ()
    }
