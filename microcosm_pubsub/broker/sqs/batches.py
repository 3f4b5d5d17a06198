"""
SQS's errors and answers for batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from microcosm_pubsub.broker import batches
from microcosm_pubsub.broker.batches import Entries, EntryAnswer
from microcosm_pubsub.broker.broker import Refusal
from microcosm_pubsub.constants import MAX_BATCH_ENTRIES


FAULTS = {
    "EmptyBatchRequest": "There should be at least one entry in the request.",
    "TooManyEntriesInBatchRequest": (
        f"Maximum number of entries per request are {MAX_BATCH_ENTRIES}. You have sent {{count}}."
    ),
    "InvalidBatchEntryId": (
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 "
        "letters long."
    ),
    "BatchEntryIdsNotDistinct": "Id {repeated} repeated.",
}


def check_entries(entries: Entries) -> None:
    """
    Refuse a batch that is empty, too long, or whose entries cannot be told apart.

    :raises Refusal: if so
    """
    if fault := batches.find_fault(entries):
        ids = [entry["Id"] for entry in entries]
        repeated = next((entry_id for entry_id in ids if ids.count(entry_id) > 1), None)
        raise Refusal(fault, FAULTS[fault].format(count=len(ids), repeated=repeated))


def answer_batch(entries: Entries, outcomes: Sequence[EntryAnswer]) -> dict[str, Any]:
    """Return the answer of a batch, from the answer or refusal of each entry; an empty list is left out."""
    answer = batches.answer_batch(entries, outcomes, lambda refusal: refusal.name)
    return {name: value for name, value in answer.items() if value}
