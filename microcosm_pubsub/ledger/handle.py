"""
A task that was sent, as its sender sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from json import loads
from typing import Any, Protocol

from microcosm_pubsub.ledger.rows import TaskRow
from microcosm_pubsub.ledger.states import State


class Ledger(Protocol):
    """The ledger, as a handle needs it."""

    def read(self, task_id: str) -> TaskRow: ...

    def wait(self, task_id: str, timeout_seconds: float | None) -> Any: ...

    def cancel(self, task_id: str) -> State: ...

    def retry(self, task_id: str) -> LedgerHandle: ...


class LedgerHandle:
    """
    A task in the ledger; each use reads its row.

    :param ledger: has it
    :param task_id: identifies it
    :param name: of its function
    """

    def __init__(self, ledger: Ledger, task_id: str, name: str) -> None:
        self.ledger = ledger
        self.task_id = task_id
        self.name = name
        #: Whether this handle's sender has written it; False if one that waited already stands for what was sent; None
        #: if that is not known, as before the end of the transaction of a coroutine handler.
        self.is_new: bool | None = None

    def note_written(self, task_id: str, is_new: bool) -> None:
        """Note which task stands for what was sent."""
        self.task_id, self.is_new = task_id, is_new

    @property
    def row(self) -> TaskRow:
        """
        Return all that the ledger has of it.

        :raises CallError: if that is nothing: its transaction was not committed, or it is too old
        """
        return self.ledger.read(self.task_id)

    @property
    def state(self) -> State:
        """Return its state: a text, such as "pending"."""
        return self.row.state

    @property
    def error(self) -> Mapping[str, Any] | None:
        """Return the record of its last error: `type`, `message` and a short `traceback`; None if it has none."""
        text = self.row.error
        return None if text is None else loads(text)

    def result(self, timeout_seconds: float | None = None) -> Any:
        """
        Wait until the task has ended, and return its function's value, as JSON says it.

        :param timeout_seconds: wait at most this long; None is as long as it takes, 0 is not at all
        :raises TaskTimeout: if it has not ended by then
        :raises TaskFailed: if it failed for good
        :raises TaskCancelled: if it was cancelled
        :raises CallError: if its result cannot be kept
        """
        return self.ledger.wait(self.task_id, timeout_seconds)

    def cancel(self) -> State:
        """
        Cancel the task, and return the state that it has then.

        One that waits is `cancelled`. One that is `running` is told by its lease, and what it did is undone at its end;
        one that has ended stays as it is.
        """
        return self.ledger.cancel(self.task_id)

    def retry(self) -> LedgerHandle:
        """
        Send a task that has ended once more, with an id of its own, and return that one.

        :raises CallError: if it has not ended
        """
        return self.ledger.retry(self.task_id)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self.task_id}>"
