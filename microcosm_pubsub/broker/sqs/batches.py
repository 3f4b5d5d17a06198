"""
Calls on several messages at once, each of which succeeds or fails alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from re import fullmatch
from typing import Any

from microcosm_pubsub.broker.broker import Refusal
from microcosm_pubsub.constants import MAX_BATCH_ENTRIES


def check_entries(entries: Sequence[Mapping[str, Any]]) -> None:
    """
    Refuse a batch that is empty, too long, or whose entries cannot be told apart.

    :raises Refusal: if so
    """
    ids = [entry["Id"] for entry in entries]
    if not ids:
        raise Refusal("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(ids) > MAX_BATCH_ENTRIES:
        raise Refusal(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {MAX_BATCH_ENTRIES}. You have sent {len(ids)}.",
        )
    if not all(fullmatch(r"[A-Za-z0-9_-]{1,80}", entry_id) for entry_id in ids):
        raise Refusal(
            "InvalidBatchEntryId",
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 "
            "letters long.",
        )
    if len(set(ids)) < len(ids):
        repeated = next(entry_id for entry_id in ids if ids.count(entry_id) > 1)
        raise Refusal("BatchEntryIdsNotDistinct", f"Id {repeated} repeated.")


def answer_batch(
    entries: Sequence[Mapping[str, Any]],
    outcomes: Sequence[Mapping[str, Any] | Refusal],
) -> dict[str, Any]:
    """Return the answer of a batch, from what came of each of its entries."""
    successful: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for entry, outcome in zip(entries, outcomes, strict=True):
        if isinstance(outcome, Refusal):
            failed.append({"Id": entry["Id"], "SenderFault": True, "Code": outcome.name, "Message": outcome.text})
        else:
            successful.append({"Id": entry["Id"], **outcome})
    answer = {"Successful": successful, "Failed": failed}
    return {name: value for name, value in answer.items() if value}
