"""
Publish calls on several messages at once, each of which succeeds or fails alone.

https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from re import fullmatch
from typing import Any

from microcosm_pubsub.broker.broker import Refusal
from microcosm_pubsub.broker.sns.refusals import code_of
from microcosm_pubsub.constants import MAX_BATCH_ENTRIES


def check_entries(entries: Sequence[Mapping[str, Any]]) -> None:
    """
    Refuse a batch that is empty, too long, or whose entries cannot be told apart.

    :raises Refusal: if so
    """
    ids = [entry["Id"] for entry in entries]
    if not ids:
        raise Refusal("EmptyBatchRequestException", "The batch request doesn't contain any entries.")
    if len(ids) > MAX_BATCH_ENTRIES:
        raise Refusal(
            "TooManyEntriesInBatchRequestException", "The batch request contains more entries than permissible."
        )
    if not all(fullmatch(r"[A-Za-z0-9_-]{1,80}", entry_id) for entry_id in ids):
        raise Refusal(
            "InvalidBatchEntryIdException",
            "The Id of a batch entry in a batch request doesn't abide by the specification.",
        )
    if len(set(ids)) < len(ids):
        raise Refusal("BatchEntryIdsNotDistinctException", "Two or more batch entries in the request have the same Id.")


def answer_batch(
    entries: Sequence[Mapping[str, Any]],
    outcomes: Sequence[Mapping[str, Any] | Refusal],
) -> dict[str, Any]:
    """Return the answer of a batch, from what came of each of its entries; both lists are always there."""
    successful: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for entry, outcome in zip(entries, outcomes, strict=True):
        if isinstance(outcome, Refusal):
            failed.append({"Id": entry["Id"], "Code": code_of(outcome), "Message": outcome.text, "SenderFault": True})
        else:
            successful.append({"Id": entry["Id"], **outcome})
    return {"Successful": successful, "Failed": failed}
