"""
Turns at a SQLite file, which has one writer at a time.

Threads of a process take turns here, which is fairer than at the file, where each tries again after a while.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import RLock, get_ident

from microcosm_pubsub.config.fork import hold_still_while_forking, start_anew_in_child
from microcosm_pubsub.sql.engine import BUSY_SECONDS
from microcosm_pubsub.sql.errors import TransactionError


class NoTurns:
    """Let all threads at a database at once."""

    def take(self) -> AbstractContextManager[None]:
        """Return a block in which a thread may use it."""
        return nullcontext()


NO_TURNS = NoTurns()


class Turns:
    """
    Let one thread at a time at a file.

    :param name: of the database, for errors
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._start_anew()
        start_anew_in_child(self, Turns._start_anew)
        # The lock is held while forking, as in `broker.store`: https://www.sqlite.org/howtocorrupt.html (2.6)
        hold_still_while_forking(self, lambda turns: turns._lock)

    def _start_anew(self) -> None:
        self._lock = RLock()
        self._owner: int | None = None

    @contextmanager
    def take(self) -> Iterator[None]:
        """
        Have the file while the block runs.

        :raises TransactionError: if this thread has it already, or others have it for too long
        """
        if self._owner == get_ident():
            raise TransactionError(
                f"This thread has a transaction of {self.name} already, and SQLite lets nobody else write meanwhile"
            )
        if not self._lock.acquire(timeout=BUSY_SECONDS):
            raise TransactionError(
                f"Another transaction of this process has kept the database {self.name} for {BUSY_SECONDS:g} s: make "
                "it shorter, or use PostgreSQL"
            )
        self._owner = get_ident()
        try:
            yield
        finally:
            self._owner = None
            self._lock.release()
