"""
Receipt handles: which receive of which message.
"""

from __future__ import annotations

from re import compile as compile_pattern
from typing import NamedTuple

from microcosm_pubsub.broker.broker import Refusal


HANDLE = compile_pattern(r"([0-9]{1,18})-([0-9]{1,18})-([0-9a-f]{16})")


class Receipt(NamedTuple):
    """The content of a receipt handle: the message's queue and row, and the receive that gave the handle."""

    queue_id: int
    row_id: int
    receipt: str


def to_handle(queue_id: int, row_id: int, receipt: str) -> str:
    """Return the handle of a receive of a message."""
    return f"{queue_id}-{row_id}-{receipt}"


def parse_handle(handle: str, queue_id: int) -> Receipt:
    """
    Return the content of a handle.

    :raises Refusal: if no receive from the queue can have given it
    """
    match = HANDLE.fullmatch(handle)
    if match is None or int(match[1]) != queue_id:
        raise Refusal("ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not a valid receipt handle.')
    return Receipt(int(match[1]), int(match[2]), match[3])
