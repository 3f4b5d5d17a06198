"""
Calls on several messages at once, each of which succeeds or fails alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from re import compile as compile_pattern
from typing import Any

from microcosm_pubsub.broker.broker import Refusal
from microcosm_pubsub.constants import MAX_BATCH_ENTRIES


ENTRY_ID = compile_pattern(r"[A-Za-z0-9_-]{1,80}")

Entries = Sequence[Mapping[str, Any]]
EntryAnswer = Mapping[str, Any] | Refusal


def find_fault(entries: Entries) -> str | None:
    """Return the fault of a batch as a whole, by SQS's name for it; None if it has none."""
    ids = [entry["Id"] for entry in entries]
    if not ids:
        return "EmptyBatchRequest"
    if len(ids) > MAX_BATCH_ENTRIES:
        return "TooManyEntriesInBatchRequest"
    if not all(map(ENTRY_ID.fullmatch, ids)):
        return "InvalidBatchEntryId"
    if len(set(ids)) < len(ids):
        return "BatchEntryIdsNotDistinct"
    return None


def answer_batch(
    entries: Entries,
    outcomes: Sequence[EntryAnswer],
    code_of: Callable[[Refusal], str],
) -> dict[str, list[dict[str, Any]]]:
    """
    Return the answer of a batch, from the answer or refusal of each entry.

    :param code_of: gives the code that the service has for a refusal
    """
    successful: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for entry, outcome in zip(entries, outcomes, strict=True):
        if isinstance(outcome, Refusal):
            failed.append({"Id": entry["Id"], "SenderFault": True, "Code": code_of(outcome), "Message": outcome.text})
        else:
            successful.append({"Id": entry["Id"], **outcome})
    return {"Successful": successful, "Failed": failed}
