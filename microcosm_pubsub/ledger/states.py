"""
The states of a task.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """
    The states of a task.

    `scheduled` until its time comes, `pending` until a worker has it (again), `running`, and at the end `completed`,
    `failed` or `cancelled`; `lost` while its worker is gone and no other one has it.
    """

    SCHEDULED = "scheduled"
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    LOST = "lost"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Return whether nothing more becomes of the task by itself."""
        return self in FINAL


FINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})

#: One task of a name waits for each key in these states.
WAITING = (State.SCHEDULED, State.PENDING)
