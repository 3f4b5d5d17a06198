"""
What the database does with the rows of the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, MappingResult, Update, and_, case, delete, func, literal, or_, select, tuple_, update

from microcosm_pubsub.ledger.rows import Millis, TaskRow, from_values
from microcosm_pubsub.ledger.states import WAITING, State
from microcosm_pubsub.sql.database import Database


class TaskStore:
    """
    Read and write rows; each method is part of the transaction of the connection that it is given.

    :param database: has the rows
    """

    def __init__(self, database: Database) -> None:
        self.table = table = database.tables.tasks
        self._insert = database.insert(table).on_conflict_do_nothing(index_elements=["id"]).returning(*table.c)
        self._find = select(table)

    def insert(self, connection: Connection, values: Mapping[str, Any]) -> TaskRow | None:
        """Write a row, and return it; None if its id is there already."""
        return _first(connection.execute(self._insert, [dict(values)]).mappings())

    def find(self, connection: Connection, task_id: str, lock: bool = False) -> TaskRow | None:
        """Return the row of an id; None if there is none."""
        query = self._find.where(self.table.c.id == task_id)
        return _first(connection.execute(query.with_for_update() if lock else query).mappings())

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

    # while it runs

    def begin(self, connection: Connection, task_id: str, values: Mapping[str, Any]) -> TaskRow | None:
        """Let a task be run by this process, and return it; None if it is not to be run."""
        table = self.table
        # a task that has failed, and comes again, was sent once more by somebody: out of a dead-letter queue
        unkeyed = and_(table.c.state == State.FAILED, table.c.cursor_key.is_(None))
        begun = (
            update(table)
            .where(table.c.id == task_id, or_(table.c.state.in_((State.PENDING, State.LOST)), unkeyed))
            .values(
                state=State.RUNNING,
                attempts=table.c.attempts + 1,
                attempts_before=case((table.c.state == State.FAILED, table.c.attempts), else_=table.c.attempts_before),
                publishes=0,
                finished_at=None,
                **values,
            )
            .returning(*table.c)
        )
        return _first(connection.execute(begun).mappings())

    def end(self, connection: Connection, task_id: str, attempt: int, values: Mapping[str, Any]) -> TaskRow | None:
        """
        Let an attempt of a task end, and return the task; None if it is cancelled, or somebody else has begun another.

        :param attempt: its number
        """
        ended = self._of_attempt(task_id, attempt).where(~self.table.c.is_cancelled)
        return _first(connection.execute(ended.values(**values).returning(*self.table.c)).mappings())

    def end_anyhow(
        self, connection: Connection, task_id: str, attempt: int, values: Mapping[str, Any]
    ) -> TaskRow | None:
        """Let an attempt of a task end, whether it is cancelled or not."""
        ended = self._of_attempt(task_id, attempt)
        return _first(connection.execute(ended.values(**values).returning(*self.table.c)).mappings())

    def _of_attempt(self, task_id: str, attempt: int) -> Update:
        table = self.table
        # one that was found lost, and not begun again, is ours still
        return update(table).where(
            table.c.id == task_id, table.c.attempts == attempt, table.c.state.in_((State.RUNNING, State.LOST))
        )

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

    # looking after them

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

    def find_next_look(self, connection: Connection) -> Millis | None:
        """Return when somebody must see to a row next; None if to none."""
        found: Millis | None = connection.scalar(select(func.min(self.table.c.look_at)))
        return found

    def count(self, connection: Connection) -> dict[str, int]:
        """Return how many tasks there are of each state that is not final."""
        table = self.table
        states = (State.SCHEDULED, State.PENDING, State.RUNNING, State.LOST)
        counted = select(table.c.state, func.count()).where(table.c.state.in_(states)).group_by(table.c.state)
        found: dict[str, int] = dict(iter(connection.execute(counted).tuples()))
        return {str(state): found.get(state, 0) for state in states}

    # what people ask

    def list_rows(
        self,
        connection: Connection,
        limit: int,
        name: str | None = None,
        state: str | None = None,
        cursor_key: str | None = None,
        since: Millis | None = None,
        before: tuple[Millis, int] | None = None,
    ) -> list[TaskRow]:
        """
        Return rows, the newest first.

        :param since: only those that were sent from then on
        :param before: only those before this one, by its `created_at` and `seq`
        """
        query = self.make_query(limit, name, state, cursor_key, since, before)
        return [from_values(dict(values)) for values in connection.execute(query).mappings()]

    def make_query(
        self,
        limit: int,
        name: str | None = None,
        state: str | None = None,
        cursor_key: str | None = None,
        since: Millis | None = None,
        before: tuple[Millis, int] | None = None,
    ) -> Any:
        """Return the query behind `list_rows`."""
        table = self.table
        query = self._find.order_by(table.c.created_at.desc(), table.c.seq.desc()).limit(limit)
        for column, value in ((table.c.name, name), (table.c.state, state), (table.c.cursor_key, cursor_key)):
            if value is not None:
                query = query.where(column == value)
        if since is not None:
            query = query.where(table.c.created_at >= since)
        if before is not None:
            at, seq = before
            query = query.where(tuple_(table.c.created_at, table.c.seq) < tuple_(literal(at), literal(seq)))
        return query


def _first(found: MappingResult) -> TaskRow | None:
    values = found.first()
    return None if values is None else from_values(dict(values))
