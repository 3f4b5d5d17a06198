"""
SNS's errors and answers for batches.

https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from microcosm_pubsub.broker import batches
from microcosm_pubsub.broker.batches import Entries, EntryAnswer
from microcosm_pubsub.broker.broker import Refusal
from microcosm_pubsub.broker.sns.refusals import code_of


FAULTS = {
    "EmptyBatchRequest": "The batch request doesn't contain any entries.",
    "TooManyEntriesInBatchRequest": "The batch request contains more entries than permissible.",
    "InvalidBatchEntryId": "The Id of a batch entry in a batch request doesn't abide by the specification.",
    "BatchEntryIdsNotDistinct": "Two or more batch entries in the request have the same Id.",
}


def check_entries(entries: Entries) -> None:
    """
    Refuse a batch that is empty, too long, or whose entries cannot be told apart.

    :raises Refusal: if so
    """
    if fault := batches.find_fault(entries):
        raise Refusal(f"{fault}Exception", FAULTS[fault])


def answer_batch(entries: Entries, outcomes: Sequence[EntryAnswer]) -> dict[str, Any]:
    """Return the answer of a batch, from the answer or refusal of each entry; both lists are always there."""
    return batches.answer_batch(entries, outcomes, code_of)
