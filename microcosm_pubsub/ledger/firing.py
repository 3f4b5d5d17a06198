"""
Tasks that are sent again and again: any number of daemons, one firing for each time.

A row for each says when it is next. A daemon that finds that its time has come locks the row, sends the task, and says
when it is next, in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from logging import getLogger

from sqlalchemy import Connection, delete, select, update

from microcosm_pubsub.calls.errors import CallError
from microcosm_pubsub.calls.recurring import Recurrence
from microcosm_pubsub.ledger.rows import Millis
from microcosm_pubsub.ledger.task_writer import NewTask
from microcosm_pubsub.sql.database import Database
from microcosm_pubsub.sql.transaction import Transaction
from microcosm_pubsub.sql.upgrade import explaining


logger = getLogger(__name__)

#: A firing that comes later than this was missed: no daemon ran.
MISSED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """
    A task that is sent again and again.

    :param name: of the task
    :param spec: when, for people
    :param next_at: when next, in milliseconds since the epoch
    :param last_at: when it was sent last
    :param is_paused: whether it is left out until somebody resumes it
    """

    name: str
    spec: str
    next_at: Millis
    last_at: Millis | None
    is_paused: bool


class Schedules:
    """
    Send tasks when it is time.

    :param database: has the schedules
    :param recurrences: when each task is sent, by its name
    :param make_task: makes a task of a name and an id
    :param enter: writes a task in a transaction, and publishes it
    :param now: tells the time of day, in seconds since the epoch
    """

    def __init__(
        self,
        database: Database,
        recurrences: Mapping[str, Recurrence],
        make_task: Callable[[str, str], NewTask],
        enter: Callable[[Transaction, NewTask], object],
        now: Callable[[], float],
    ) -> None:
        self.database = database
        self.table = database.tables.schedules
        self.recurrences = recurrences
        self.make_task = make_task
        self.enter = enter
        self.now = now

    def register(self) -> None:
        """Write when the tasks are sent, where that is new, or another time than before."""
        made = self.database.insert(self.table)
        changed = made.on_conflict_do_update(
            index_elements=["name"],
            set_={"spec": made.excluded.spec, "next_at": made.excluded.next_at},
            where=self.table.c.spec != made.excluded.spec,
        )
        rows = [
            {"name": name, "spec": str(each), "next_at": self._find_next(name, self.now())}
            for name, each in sorted(self.recurrences.items())
        ]
        if rows:
            with self.database.connect() as connection, explaining(str(self.database)):
                connection.execute(changed, rows)

    def fire_due(self, limit: float = 1.0) -> tuple[int, float]:
        """
        Send the tasks whose time has come.

        :returns: how many that were, and in how many seconds the next one is due, or a limit if that is less
        """
        if not self.recurrences:
            return 0, limit
        fired = 0
        schedules = self.list()
        for schedule in schedules:
            if self._is_due(schedule):
                with self.database.open(self.database.make_transaction()) as transaction:
                    fired += self._fire(transaction, schedule.name)
                    transaction.commit()
        dues = [each.next_at / 1000 for each in schedules if not each.is_paused and each.name in self.recurrences]
        return fired, min([limit, *(max(0.0, due - self.now()) for due in dues)])

    # Operations for people.

    def list(self) -> Sequence[Schedule]:
        """Return all schedules of the database, by name."""
        table = self.table
        with self.database.reading() as connection, explaining(str(self.database)):
            rows = connection.execute(select(table).order_by(table.c.name)).mappings()
            return [Schedule(**row) for row in rows]

    def run(self, name: str) -> str:
        """
        Send a task now, beside its times, and return its id.

        :raises CallError: if it has no times, or is not declared here
        """
        self._check(name)
        task = self.make_task(name, f"schedule:{name}:by-hand:{int(self.now() * 1000)}")
        with self.database.open(self.database.make_transaction()) as transaction:
            self.enter(transaction, task)
            transaction.commit()
        return task.id

    def pause(self, name: str) -> None:
        """
        Leave a task out until it is resumed.

        :raises CallError: if the database has no such schedule
        """
        self._change(name, is_paused=True)

    def resume(self, name: str) -> None:
        """
        Send a task again from now on; times that fell into its pause are not made up for.

        :raises CallError: if the database has no such schedule, or it is not declared here
        """
        self._check(name)
        self._change(name, is_paused=False, next_at=self._find_next(name, self.now()))

    def forget(self, name: str) -> None:
        """
        Delete a schedule, such as one whose task is gone; a daemon that declares it writes it again when it starts.

        :raises CallError: if the database has no such schedule
        """
        with self.database.connect() as connection, explaining(str(self.database)):
            self._require(name, connection.execute(delete(self.table).where(self.table.c.name == name)).rowcount)

    # Internals.

    def _is_due(self, schedule: Schedule) -> bool:
        if schedule.name not in self.recurrences or schedule.is_paused:
            return False
        return schedule.next_at <= self.now() * 1000 or self._is_ahead(schedule)

    def _is_ahead(self, schedule: Schedule) -> bool:
        """Return whether a clock that was wrong has let the schedule run ahead."""
        return schedule.last_at is not None and schedule.last_at / 1000 > self.now() + MISSED_SECONDS

    def _fire(self, transaction: Transaction, name: str) -> bool:
        """Send a task if it is due, and return whether it was."""
        schedule = transaction.run(lambda connection: self._lock(connection, name))
        if schedule is None or not self._is_due(schedule):
            # Another daemon was faster.
            return False
        now = self.now()
        next_at = self._find_next(name, now)
        if self._is_ahead(schedule):
            logger.warning("The clock of %s was ahead; it is next sent at %s", name, to_text(next_at))
            transaction.run(lambda connection: self._write(connection, name, next_at=next_at, last_at=None))
            return False
        is_missed = now - schedule.next_at / 1000 > MISSED_SECONDS
        if is_missed and not self.recurrences[name].catch_up:
            logger.warning("%s was not sent at %s, when no daemon ran", name, to_text(schedule.next_at))
            transaction.run(lambda connection: self._write(connection, name, next_at=next_at))
            return False
        transaction.run(lambda connection: self._write(connection, name, next_at=next_at, last_at=int(now * 1000)))
        try:
            self.enter(transaction, self.make_task(name, f"schedule:{name}:{to_text(schedule.next_at)}"))
        except CallError:
            # It was sent for this time before, by a daemon whose clock was wrong.
            return False
        return True

    def _find_next(self, name: str, after: float) -> Millis:
        return int(self.recurrences[name].find_next(after) * 1000)

    def _lock(self, connection: Connection, name: str) -> Schedule | None:
        query = select(self.table).where(self.table.c.name == name).with_for_update(skip_locked=True)
        found = connection.execute(query).mappings().first()
        return None if found is None else Schedule(**found)

    def _write(self, connection: Connection, name: str, **values: object) -> int:
        return connection.execute(update(self.table).where(self.table.c.name == name).values(**values)).rowcount

    def _change(self, name: str, **values: object) -> None:
        with self.database.connect() as connection, explaining(str(self.database)):
            self._require(name, self._write(connection, name, **values))

    def _require(self, name: str, count: int) -> None:
        if not count:
            raise CallError(f"The database has no schedule {name!r}: `pubsub schedules list` shows those that it has")

    def _check(self, name: str) -> None:
        if name not in self.recurrences:
            known = ", ".join(sorted(self.recurrences)) or "none"
            raise CallError(f"No task {name!r} with times is declared here; there are {known}")


def to_text(millis: Millis) -> str:
    """Return a time for people, and for ids."""
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
