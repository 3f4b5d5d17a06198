"""
The sender of tasks that name no graph: `resize.send(12)`.
"""

from __future__ import annotations

from typing import Any
from weakref import ReferenceType, ref

from microcosm_pubsub.errors import ConfigurationError


_latest: list[ReferenceType[Any]] = []


def set_latest(sender: Any) -> None:
    """Set the sender of tasks of this process that name no graph."""
    _latest[:] = [ref(sender)]


def get_latest() -> Any:
    """
    Return the sender of tasks of this process that name no graph.

    :raises ConfigurationError: if no graph has it
    """
    sender = _latest[0]() if _latest else None
    if sender is None:
        raise ConfigurationError(
            "No object graph of this process can send tasks: daemons can, and others by graph.use('pubsub_tasks')"
        )
    return sender
