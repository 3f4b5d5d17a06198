"""
The statements on the rows of the outbox.

Relays side by side pass over what another one is just taking (`FOR UPDATE SKIP LOCKED`); what it has taken is not free.
https://www.postgresql.org/docs/current/sql-select.html#SQL-FOR-UPDATE-SHARE
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import time
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, exists, func, or_, select, tuple_, update

from microcosm_pubsub.producer import PubsubMessage
from microcosm_pubsub.sql.database import Database
from microcosm_pubsub.sql.outbox.rows import Row, from_values, to_values
from microcosm_pubsub.sql.upgrade import explaining


#: The first and the longest wait of a row that cannot be published, in seconds; each is twice the one before.
MIN_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 600.0

#: At most this many characters of an error are kept.
MAX_ERROR_LENGTH = 500


class OutboxStore:
    """
    Write, take and delete rows.

    :param database: in which they are
    :param claim_seconds: for how long a row is its taker's to publish
    :param now: tells the time of day, in seconds since the epoch
    """

    def __init__(self, database: Database, claim_seconds: float, now: Callable[[], float] = time) -> None:
        self.database = database
        self.claim_seconds = claim_seconds
        self.now = now
        self.table = table = database.tables.outbox
        self._insert = table.insert().returning(table.c.id, sort_by_parameter_order=True)
        self._insert_one = table.insert().returning(table.c.id)
        self._first = select(func.min(table.c.free_at))
        self._delete = delete(table).where(table.c.id.in_(bindparam("done", expanding=True)))

    def now_ms(self) -> int:
        """Return the time of day, in milliseconds since the epoch."""
        return int(self.now() * 1000)

    def write(self, connection: Connection, messages: Sequence[PubsubMessage]) -> list[int]:
        """Write messages in a transaction, and return the ids of their rows, in their order."""
        now, claim = self.now_ms(), int(self.claim_seconds * 1000)
        values = [to_values(message, now, claim) for message in messages]
        with explaining(str(self.database)):
            if len(values) == 1:
                return list(connection.scalars(self._insert_one, values[0]))
            return list(connection.scalars(self._insert, values))

    def has_free(self) -> bool:
        """Return whether there are rows whose time has come and which nobody publishes."""
        with self.database.reading() as connection:
            first: int | None = connection.scalar(self._first)
        return first is not None and first <= self.now_ms()

    def take_free(self, limit: int) -> list[Row]:
        """Return rows without an order whose time has come and which nobody publishes, and take them."""
        table = self.table
        free = (
            select(table.c.id)
            .where(table.c.free_at <= self.now_ms(), ~table.c.is_ordered)
            .order_by(table.c.free_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with self._connect() as connection:
            return self._take(connection, free)

    def take_ordered(self, limit: int) -> list[Row]:
        """
        Return rows that must keep their order, and take them: the first ones of groups, with those that follow.

        The first row of a group stands for the group: the relay that has it is the only one to publish any of them.
        """
        table, now = self.table, self.now_ms()
        earlier = table.alias("earlier")
        is_first = ~exists().where(
            earlier.c.is_ordered,
            earlier.c.topic_arn == table.c.topic_arn,
            earlier.c.group_id == table.c.group_id,
            earlier.c.id < table.c.id,
            earlier.c.due_at <= now,
        )
        firsts = (
            select(table.c.topic_arn, table.c.group_id)
            .where(table.c.is_ordered, table.c.free_at <= now, is_first)
            .order_by(table.c.free_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with self._connect() as connection:
            groups = [tuple(group) for group in connection.execute(firsts)]
            if not groups:
                return []
            members = (
                select(table.c.id)
                .where(table.c.is_ordered, tuple_(table.c.topic_arn, table.c.group_id).in_(groups))
                .where(table.c.due_at <= now)
                .order_by(table.c.id)
                .limit(limit)
            )
            return self._take(connection, members)

    def _take(self, connection: Connection, ids: Select[Any]) -> list[Row]:
        table = self.table
        until = self.now_ms() + int(self.claim_seconds * 1000)
        taken = update(table).where(table.c.id.in_(ids)).values(free_at=until).returning(*table.c)
        rows = [from_values(dict(values)) for values in connection.execute(taken).mappings()]
        return sorted(rows, key=lambda row: row.id)

    def finish(self, published: Iterable[int], failed: Sequence[tuple[Row, str]], freed: Iterable[int] = ()) -> None:
        """
        Delete rows that were published, and let others wait.

        :param failed: rows that were not, and why
        :param freed: rows whose turn has not come, which are free again
        """
        table, done, free = self.table, list(published), list(freed)
        if done and not (failed or free):
            with self.database.autocommitting() as connection:
                connection.execute(self._delete, {"done": done})
            return
        with self._connect() as connection:
            if done:
                connection.execute(self._delete, {"done": done})
            if failed:
                waits = [
                    {
                        "row": row.id,
                        "why": make_error(why),
                        "until": self.now_ms() + int(compute_backoff(row.attempts) * 1000),
                    }
                    for row, why in failed
                ]
                connection.execute(
                    update(table)
                    .where(table.c.id == bindparam("row"))
                    .values(attempts=table.c.attempts + 1, error=bindparam("why"), free_at=bindparam("until")),
                    waits,
                )
            if free:
                connection.execute(update(table).where(table.c.id.in_(free)).values(free_at=0))

    def count(self) -> dict[str, float]:
        """Return how many rows there are, how many of them have failed, and how long the oldest one is due."""
        table, now = self.table, self.now_ms()
        due = func.min(func.coalesce(func.nullif(table.c.due_at, 0), table.c.created_at))
        with self._connect() as connection:
            waiting, failed, oldest = connection.execute(select(func.count(), func.count(table.c.error), due)).one()
        return {
            "outbox_waiting": waiting,
            "outbox_failed": failed,
            "outbox_oldest_seconds": max(0.0, (now - oldest) / 1000) if oldest is not None else 0.0,
        }

    # Operations for people.

    def list_rows(self, limit: int, only_failed: bool = False) -> list[Mapping[str, Any]]:
        """Return rows as they are, the first one first."""
        table = self.table
        query = select(table).order_by(table.c.id).limit(limit)
        if only_failed:
            query = query.where(table.c.error.is_not(None))
        with self._connect() as connection:
            return [dict(values) for values in connection.execute(query).mappings()]

    def find(self, name: str) -> Mapping[str, Any] | None:
        """Return the row of an id: its own, or its message's."""
        with self._connect() as connection:
            found = connection.execute(select(self.table).where(self._is(name))).mappings().first()
        return None if found is None else dict(found)

    def free(self, names: Sequence[str] | None) -> int:
        """Let rows be published at once, before their time too, and return how many; None are all that have failed."""
        change = update(self.table).values(free_at=0, due_at=0)
        return self._change(change, names)

    def discard(self, names: Sequence[str] | None) -> int:
        """Delete rows without publishing them, and return how many; None are all that have failed."""
        return self._change(delete(self.table), names)

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        """Give a connection with a short transaction, which says how to make our tables if they are missing."""
        with self.database.connect() as connection, explaining(str(self.database)):
            yield connection

    def _change(self, change: Any, names: Sequence[str] | None) -> int:
        chosen = self.table.c.error.is_not(None) if names is None else or_(*map(self._is, names))
        with self._connect() as connection:
            return int(connection.execute(change.where(chosen)).rowcount)

    def _is(self, name: str) -> Any:
        by_identity = self.table.c.identity == name
        # A longer number is no id of a row.
        return or_(by_identity, self.table.c.id == int(name)) if name.isdecimal() and len(name) < 19 else by_identity


def compute_backoff(attempts: int) -> float:
    """Return how long a row waits after this many failures, in seconds."""
    return float(min(MAX_BACKOFF_SECONDS, MIN_BACKOFF_SECONDS * 2 ** min(attempts, 30)))


def make_error(why: str) -> str:
    """Return why a row failed, as it is stored."""
    return " ".join(why.replace("\0", " ").split())[:MAX_ERROR_LENGTH]
