"""
The sweep over tasks whose time has come, that were lost, that nobody began, or that are old.

Every daemon looks; the database lets one of them have each row.
"""

from __future__ import annotations

from functools import partial
from logging import getLogger

from sqlalchemy import Connection

from microcosm_pubsub.ledger.books import Books
from microcosm_pubsub.ledger.rows import TaskRow, write_reason
from microcosm_pubsub.ledger.states import State
from microcosm_pubsub.ledger.task_writer import TaskWriter
from microcosm_pubsub.sql.upgrade import explaining


logger = getLogger(__name__)

#: At most this many rows are treated in one transaction.
STEP = 100


class Sweeper:
    """
    See to tasks.

    :param books: in which they stand
    :param writer: publishes tasks
    """

    def __init__(self, books: Books, writer: TaskWriter) -> None:
        self.database = books.database
        self.store = books.store
        self.turns = books.turns
        self.terms = books.terms
        self.writer = writer

    def sweep(self) -> int:
        """See to some tasks, and return to how many."""
        return self._sweep_unkeyed() + self._sweep_keyed()

    def find_wait(self, limit: float) -> float:
        """Return in how many seconds there is something to see to, or a limit if that is less."""
        with self.database.reading() as connection, explaining(str(self.database)):
            look_at = self.store.find_next_due(connection)
        return limit if look_at is None else min(limit, max(0.0, (look_at - self.terms.now_ms()) / 1000))

    def count(self) -> dict[str, float]:
        """Return how many tasks there are of each state that is not final."""
        with self.database.reading() as connection:
            return {f"tasks_{state}": number for state, number in self.store.count(connection).items()}

    def _sweep_unkeyed(self) -> int:
        with self.database.open(self.database.make_transaction()) as transaction, explaining(str(self.database)):
            rows = transaction.run(
                lambda connection: self.store.find_due(connection, self.terms.now_ms(), STEP, keyed=False)
            )
            for row in rows:
                changed = transaction.run(partial(self._see_to, row))
                self.writer.publish_next(transaction, changed)
            transaction.commit()
        return len(rows)

    def _sweep_keyed(self) -> int:
        with self.database.reading() as connection:
            rows = self.store.find_due(connection, self.terms.now_ms(), STEP, keyed=True)
        for row in rows:
            with self.database.open(self.database.make_transaction()) as transaction:
                published = transaction.run(partial(self._see_to_keyed, row))
                self.writer.publish_next(transaction, published)
                transaction.commit()
        return len(rows)

    def _see_to(self, row: TaskRow, connection: Connection) -> TaskRow | None:
        """Treat a locked row without a key, and return it if it must be published."""
        if row.state.is_final:
            self.store.forget(connection, row)
            return None
        if row.state is State.RUNNING:
            return self._lose(connection, row)
        # A task that is lost stays so until it is begun.
        state = State.LOST if row.state is State.LOST else State.PENDING
        return self.store.change(connection, row, **self.terms.say_published(row.publishes, state))

    def _see_to_keyed(self, seen: TaskRow, connection: Connection) -> TaskRow | None:
        """Treat a row with a key, and return the task of that key to publish."""
        now = self.terms.now_ms()
        assert seen.cursor_key is not None, "these have a key"
        turn = self.turns.lock(connection, seen.cursor_key, now)
        row = self.store.find(connection, seen.id, lock=True)
        if row is None or row.look_at is None or row.look_at > now:
            # Somebody else was faster.
            return None
        if not row.state.is_final and turn != row.id:
            if turn is not None:
                # The task that has the turn passes it on.
                self.store.change(connection, row, state=State.PENDING, look_at=None)
                return None
            self.turns.give(connection, seen.cursor_key, row.id)
        changed = self._see_to(row, connection)
        if changed is None and not row.state.is_final:
            # It was given up.
            return self.writer.pass_on(connection, seen.cursor_key)
        return changed

    def _lose(self, connection: Connection, row: TaskRow) -> TaskRow | None:
        """Note that a task's worker is gone, and return the task if it must be run again."""
        reason = write_reason(
            "LeaseLost", f"Its worker {row.worker} was not heard of any more, at attempt {row.attempts}"
        )
        logger.warning("Task %s %s is lost: %s was not heard of any more", row.name, row.id, row.worker)
        if row.is_cancelled:
            self.store.change(connection, row, **self.terms.say_ended(State.CANCELLED, row.error))
            return None
        if row.counted_attempts >= (row.max_attempts or self.terms.max_attempts):
            self.store.change(connection, row, **self.terms.say_ended(State.FAILED, reason))
            return None
        values = self.terms.say_published(row.publishes, State.LOST)
        return self.store.change(connection, row, **values, error=reason)
