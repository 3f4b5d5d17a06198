"""
The statements on the rows of the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    MappingResult,
    Update,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from microcosm_pubsub.ledger.rows import NAMES, Millis, TaskRow, from_values
from microcosm_pubsub.ledger.states import WAITING, State
from microcosm_pubsub.sql.database import Database


#: The columns that are written when a task begins, and when it has ended well.
BEGUN_VALUES = ("started_at", "look_at", "worker", "max_attempts")
COMPLETED_VALUES = ("state", "finished_at", "look_at", "result", "error")


@dataclass(frozen=True, slots=True)
class RowFilter:
    """
    The rows that are wanted, the newest first.

    :param since: only those that were sent from then on
    :param before: only those before this one, by its `created_at` and `seq`
    """

    limit: int
    name: str | None = None
    state: str | None = None
    cursor_key: str | None = None
    since: Millis | None = None
    before: tuple[Millis, int] | None = None


class TaskStore:
    """
    Read and write rows; each method is part of the transaction of the connection that it is given.

    :param database: has the rows
    """

    def __init__(self, database: Database) -> None:
        self.table = table = database.tables.tasks
        # Statements that each task needs are made once: SQLAlchemy takes longer to make one than to run it.
        self._insert = database.insert(table).on_conflict_do_nothing(index_elements=["id"]).returning(table.c.seq)
        self._find = select(table)
        self._find_one = self._find.where(table.c.id == bindparam("task_id"))
        self._next_look = select(func.min(table.c.look_at))
        self._begin = self._make_begin(is_sqlite=database.is_sqlite)
        of_attempt = self._make_end()
        self._complete = (
            of_attempt.where(~table.c.is_cancelled)
            .values(**{name: bindparam(f"new_{name}") for name in COMPLETED_VALUES})
            .returning(table.c.id)
        )

    def _make_begin(self, is_sqlite: bool) -> ReturningUpdate[Any]:
        table = self.table
        # A message that was put into the queue after its task has failed was sent back by somebody, out of the
        # dead-letter queue; one that was there before is one too many.
        is_back = table.c.finished_at < bindparam("sent_at")
        unkeyed = and_(table.c.state == State.FAILED, table.c.cursor_key.is_(None), is_back)
        begun = (
            update(table)
            .where(table.c.id == bindparam("task_id"), or_(table.c.state.in_((State.PENDING, State.LOST)), unkeyed))
            .values(
                state=State.RUNNING,
                attempts=table.c.attempts + 1,
                attempts_before=case((table.c.state == State.FAILED, table.c.attempts), else_=table.c.attempts_before),
                publishes=0,
                finished_at=None,
                is_cancelled=False,
                **{name: bindparam(f"new_{name}") for name in BEGUN_VALUES},
            )
        )
        # If what this says is lost, the task has not begun, and its message is here: nobody waits for the disk.
        # https://www.postgresql.org/docs/current/wal-async-commit.html
        soon = [] if is_sqlite else [func.set_config("synchronous_commit", "off", True)]
        return begun.returning(*table.c, *soon)

    def _make_end(self) -> Update:
        table = self.table
        # A task that was found lost, and not begun again, is still ours.
        return update(table).where(
            table.c.id == bindparam("task_id"),
            table.c.attempts == bindparam("attempt"),
            table.c.state.in_((State.RUNNING, State.LOST)),
        )

    def insert(self, connection: Connection, row: TaskRow) -> int | None:
        """Write a row, and return its number; None if its id is there already."""
        values = {name: getattr(row, name) for name in NAMES if name != "seq"}
        seq: int | None = connection.scalar(self._insert, values)
        return seq

    def find(self, connection: Connection, task_id: str, lock: bool = False) -> TaskRow | None:
        """Return the row of an id; None if there is none."""
        query = self._find_one.with_for_update() if lock else self._find_one
        return _first(connection.execute(query, {"task_id": task_id}).mappings())

    def find_waiting(self, connection: Connection, name: str, key: str) -> TaskRow | None:
        """Return the task of a name that waits at a key, which stays as it is in this transaction."""
        table = self.table
        query = self._find.where(table.c.name == name, table.c.cursor_key == key, table.c.state.in_(WAITING))
        return _first(connection.execute(query.with_for_update()).mappings())

    def find_next(self, connection: Connection, key: str, now: Millis) -> TaskRow | None:
        """Return the task that is next at a key, which stays as it is in this transaction; None if none is due."""
        table = self.table
        query = (
            self._find.where(table.c.cursor_key == key, table.c.state.in_(WAITING), table.c.due_at <= now)
            .order_by(table.c.due_at, table.c.seq)
            .limit(1)
        )
        return _first(connection.execute(query.with_for_update()).mappings())

    def change(self, connection: Connection, row: TaskRow, **values: Any) -> TaskRow:
        """Change a row that nobody else changes in this transaction, and return it."""
        changed = update(self.table).where(self.table.c.seq == row.seq).values(**values).returning(*self.table.c)
        found = _first(connection.execute(changed).mappings())
        assert found is not None, "a row that is locked is there"
        return found

    def forget(self, connection: Connection, row: TaskRow) -> None:
        """Remove a row."""
        connection.execute(delete(self.table).where(self.table.c.seq == row.seq))

    # Statements for a task that runs.

    def begin(
        self, connection: Connection, task_id: str, values: Mapping[str, Any], sent_at: Millis = 0
    ) -> TaskRow | None:
        """
        Let a task be run by this process, and return it; None if it is not to be run.

        :param sent_at: when its message was put into the queue
        :param values: those of `BEGUN_VALUES`
        """
        given = {"task_id": task_id, "sent_at": sent_at, **_rename(values)}
        return _first(connection.execute(self._begin, given).mappings())

    def complete(self, connection: Connection, task_id: str, attempt: int, values: Mapping[str, Any]) -> bool:
        """
        Let an attempt of a task end well, and return whether it has: not if it is cancelled, or another one has begun.

        :param attempt: its number
        :param values: those of `COMPLETED_VALUES`
        """
        given = {"task_id": task_id, "attempt": attempt, **_rename(values)}
        return connection.scalar(self._complete, given) is not None

    def end(self, connection: Connection, task_id: str, attempt: int, values: Mapping[str, Any]) -> TaskRow | None:
        """Let an attempt of a task end otherwise, and return the task; None if another one has begun."""
        ended = self._make_end().values(**values).returning(*self.table.c)
        return _first(connection.execute(ended, {"task_id": task_id, "attempt": attempt}).mappings())

    def beat(self, connection: Connection, task_ids: Sequence[str], look_at: Millis) -> dict[str, tuple[int, bool]]:
        """Note that tasks run, and return of each that does the number of its attempt, and whether it is to stop."""
        table = self.table
        beaten = (
            update(table)
            .where(table.c.id.in_(task_ids), table.c.state == State.RUNNING)
            .values(look_at=look_at)
            .returning(table.c.id, table.c.attempts, table.c.is_cancelled)
        )
        return {task_id: (attempt, stop) for task_id, attempt, stop in connection.execute(beaten)}

    # Statements for the sweeper.

    def find_due(self, connection: Connection, now: Millis, limit: int, keyed: bool) -> list[TaskRow]:
        """
        Return rows that somebody must see to.

        :param keyed: those with a key, which are not locked; else those without, which stay as they are in this
            transaction, and of which others that look at the same time get others
        """
        table = self.table
        query = self._find.where(table.c.look_at <= now).order_by(table.c.look_at).limit(limit)
        if keyed:
            query = query.where(table.c.cursor_key.is_not(None))
        else:
            query = query.where(table.c.cursor_key.is_(None)).with_for_update(skip_locked=True)
        return [from_values(dict(values)) for values in connection.execute(query).mappings()]

    def find_next_due(self, connection: Connection) -> Millis | None:
        """Return when somebody must see to a row next; None if to none."""
        found: Millis | None = connection.scalar(self._next_look)
        return found

    def count(self, connection: Connection) -> dict[str, int]:
        """Return how many tasks there are of each state that is not final."""
        table = self.table
        states = (State.SCHEDULED, State.PENDING, State.RUNNING, State.LOST)
        counted = select(table.c.state, func.count()).where(table.c.state.in_(states)).group_by(table.c.state)
        found = {row[0]: row[1] for row in connection.execute(counted)}
        return {str(state): found.get(state, 0) for state in states}

    # Questions of people.

    def list_rows(self, connection: Connection, wanted: RowFilter) -> list[TaskRow]:
        """Return rows, the newest first."""
        return [from_values(dict(values)) for values in connection.execute(self.make_query(wanted)).mappings()]

    def make_query(self, wanted: RowFilter) -> Any:
        """Return the query behind `list_rows`."""
        table = self.table
        query = self._find.order_by(table.c.created_at.desc(), table.c.seq.desc()).limit(wanted.limit)
        for name in ("name", "state", "cursor_key"):
            value = getattr(wanted, name)
            if value is not None:
                query = query.where(table.c[name] == value)
        if wanted.since is not None:
            query = query.where(table.c.created_at >= wanted.since)
        if wanted.before is not None:
            at, seq = wanted.before
            query = query.where(tuple_(table.c.created_at, table.c.seq) < tuple_(literal(at), literal(seq)))
        return query


def _first(found: MappingResult) -> TaskRow | None:
    values = found.first()
    return None if values is None else from_values(dict(values))


def _rename(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by the names of parameters, which must not be those of columns."""
    return {f"new_{name}": value for name, value in values.items()}
