"""
The ledger of tasks: the component `pubsub_ledger`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from json import loads
from time import monotonic, sleep, time
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy import Connection

from microcosm_pubsub.calls.errors import CallError
from microcosm_pubsub.calls.functions import Task
from microcosm_pubsub.calls.sending import SendOptions
from microcosm_pubsub.ledger.entering import Entering, NewTask
from microcosm_pubsub.ledger.errors import TaskCancelled, TaskFailed, TaskTimeout
from microcosm_pubsub.ledger.firing import Schedules
from microcosm_pubsub.ledger.handle import LedgerHandle
from microcosm_pubsub.ledger.looking import Looking
from microcosm_pubsub.ledger.rows import TaskRow, write_reason
from microcosm_pubsub.ledger.runs import CANCELLED, Runs
from microcosm_pubsub.ledger.states import State
from microcosm_pubsub.ledger.store import TaskStore
from microcosm_pubsub.ledger.turns import Turns
from microcosm_pubsub.sql.background import Repeated
from microcosm_pubsub.sql.database import Database
from microcosm_pubsub.sql.upgrade import explaining


T = TypeVar("T")

#: How long a result is waited for between two looks, and at most.
MIN_WAIT_SECONDS = 0.01
MAX_WAIT_SECONDS = 0.5

#: How often tasks are counted for metrics.
COUNT_SECONDS = 10.0


class Ledger:
    """
    Remember tasks.

    :param database: has the ledger
    :param publish: publishes a task's message
    :param always: whether all tasks that this graph sends are remembered
    :param lease_seconds: so long after it was last heard of a task is lost
    :param republish_seconds: after so long without having been begun a task is published again
    :param retention_seconds: so long a task is kept after its end
    :param max_attempts: of tasks whose policy does not say
    :param find_trace_id: returns the id of the trace that runs here, if one does
    :param now: tells the time of day, in seconds since the epoch
    :param clock: a monotonic clock, in seconds
    :param pause: waits for some seconds
    """

    def __init__(
        self,
        database: Database,
        publish: Callable[[TaskRow], None],
        always: bool = False,
        lease_seconds: float = 30.0,
        republish_seconds: float = 3600.0,
        retention_seconds: float = 30 * 24 * 3600.0,
        max_attempts: int = 5,
        find_trace_id: Callable[[], str | None] = lambda: None,
        now: Callable[[], float] = time,
        clock: Callable[[], float] = monotonic,
        pause: Callable[[float], None] = sleep,
    ) -> None:
        self.database = database
        self.always = always
        self.clock = clock
        self.pause = pause
        self.retention_seconds = retention_seconds
        self.find_trace_id = find_trace_id
        self.store = TaskStore(database)
        self.turns = Turns(database)
        self.entering = Entering(database, self.store, self.turns, publish, republish_seconds, retention_seconds, now)
        parts = (database, self.store, self.turns, self.entering)
        self.runs = Runs(*parts, lease_seconds, retention_seconds, max_attempts)
        self.looking = Looking(*parts, retention_seconds, max_attempts)

    # what senders do

    def send(self, new: NewTask) -> LedgerHandle:
        """
        Write a task, and have it run.

        :raises CallError: if its id is in the ledger already
        :raises PublishError: if it cannot be published
        """
        row, is_new = self.entering.enter(new)
        return LedgerHandle(self, new.id if row is None else row.id, new.name, is_new)

    def send_call(self, task: Task, call: Mapping[str, Any], options: SendOptions) -> LedgerHandle:
        """
        Write a task, and have it run, as its options say.

        :param call: the task as it travels
        """
        due_at = options.to_publish_options().find_due_at(self.entering.now())
        return self.send(
            NewTask(
                id=task.task_id,
                name=task.name,
                queue=task.function.queue,
                call=call,
                group_id=options.group_id,
                cursor_key=options.cursor_key,
                due_at=0 if due_at is None else int(due_at * 1000),
                merge=options.merge,
                trace_id=self.find_trace_id(),
                check=task.function.parameters.load,
            )
        )

    def read(self, task_id: str) -> TaskRow:
        """
        Return a task.

        :raises CallError: if the ledger does not have it
        """
        row = self._read(lambda connection: self.store.find(connection, task_id))
        if row is None:
            raise CallError(
                f"No task {task_id} is in the ledger of {self.database}: it was never committed, was removed as old, "
                "or is in another database"
            )
        return row

    def find(self, task_id: str) -> LedgerHandle:
        """
        Return the handle of a task.

        :raises CallError: if the ledger does not have it
        """
        return LedgerHandle(self, task_id, self.read(task_id).name)

    def list(
        self,
        name: str | None = None,
        state: str | None = None,
        cursor_key: str | None = None,
        since: datetime | None = None,
        limit: int = 100,
        before: LedgerHandle | str | None = None,
    ) -> Sequence[LedgerHandle]:
        """
        Return tasks, the newest first.

        :param since: only those that were sent from then on: a time with its zone
        :param before: only those before this one, the last of the page before
        :raises CallError: if one of these cannot be
        """
        return [
            LedgerHandle(self, row.id, row.name)
            for row in self.list_rows(name, state, cursor_key, since, limit, before)
        ]

    def list_rows(
        self,
        name: str | None = None,
        state: str | None = None,
        cursor_key: str | None = None,
        since: datetime | None = None,
        limit: int = 100,
        before: LedgerHandle | str | None = None,
    ) -> Sequence[TaskRow]:
        """Return tasks as the ledger has them, the newest first, as `list` does."""
        if state is not None and state not in list(State):
            raise CallError(f"There is no state {state!r}; there are {', '.join(State)}")
        if type(limit) is not int or limit < 1:
            raise CallError(f"limit is {limit!r}, but must be a whole number from 1")
        if since is not None and since.utcoffset() is None:
            raise CallError(f"since is {since.isoformat()}, a time without a zone: give it one")
        place = None
        if before is not None:
            row = self.read(before if isinstance(before, str) else before.task_id)
            place = (row.created_at, row.seq)
        at = None if since is None else int(since.timestamp() * 1000)
        return self._read(
            lambda connection: self.store.list_rows(connection, limit, name, state, cursor_key, at, place)
        )

    def wait(self, task_id: str, timeout_seconds: float | None) -> Any:
        """Return what a task returned, when it has ended; see `LedgerHandle.result`."""
        deadline = None if timeout_seconds is None else self.clock() + timeout_seconds
        pause = MIN_WAIT_SECONDS
        while not (row := self.read(task_id)).state.is_final:
            if self.database.current() is not None:
                raise CallError(
                    f"Task {row.name} {task_id} is {row.state}, and nothing becomes of it within a transaction that is "
                    "open: wait for it afterwards"
                )
            left = MAX_WAIT_SECONDS if deadline is None else deadline - self.clock()
            if left <= 0:
                raise TaskTimeout(f"Task {row.name} {task_id} is {row.state} after {timeout_seconds:g} s; it goes on")
            self.pause(min(pause, left))
            pause = min(2 * pause, MAX_WAIT_SECONDS)
        error = None if row.error is None else loads(row.error)
        if row.state is State.FAILED:
            raise TaskFailed(task_id, row.name, error or {})
        if row.state is State.CANCELLED:
            raise TaskCancelled(f"Task {row.name} {task_id} was cancelled")
        if row.result is None and error is not None and error["type"] == "CallError":
            raise CallError(f"Task {row.name} {task_id} has completed: {error['message']}")
        return None if row.result is None else loads(row.result)

    def cancel(self, task_id: str) -> State:
        """Cancel a task, and return the state that it has then; see `LedgerHandle.cancel`."""
        key = self.read(task_id).cursor_key
        transaction = self.database.current()
        if transaction is not None:
            row, following = transaction.run(lambda connection: self._cancel(connection, task_id, key))
            self.entering.publish_next(transaction, following)
            return row.state
        with self.database.open(self.database.make_transaction()) as own:
            row, following = own.run(lambda connection: self._cancel(connection, task_id, key))
            self.entering.publish_next(own, following)
            own.commit()
        return row.state

    def retry(self, task_id: str) -> LedgerHandle:
        """Send a task that has ended once more; see `LedgerHandle.retry`."""
        row = self.read(task_id)
        if not row.state.is_final:
            raise CallError(f"Task {row.name} {task_id} is {row.state}: only one that has ended can be sent once more")
        return self.send(
            NewTask(
                id=str(uuid4()),
                name=row.name,
                queue=row.queue,
                call=loads(row.call),
                group_id=row.group_id,
                cursor_key=row.cursor_key,
                retried_from=row.id,
                trace_id=row.trace_id,
            )
        )

    # inside

    def _cancel(self, connection: Connection, task_id: str, key: str | None) -> tuple[TaskRow, TaskRow | None]:
        now = self.entering.now_ms()
        turn = None if key is None else self.turns.lock(connection, key, now)
        row = self.store.find(connection, task_id, lock=True)
        if row is None:
            raise CallError(f"No task {task_id} is in the ledger of {self.database}")
        if row.state.is_final:
            return row, None
        if row.state is State.RUNNING:
            return self.store.change(connection, row, is_cancelled=True), None
        ended = {"finished_at": now, "look_at": now + int(self.retention_seconds * 1000)}
        row = self.store.change(
            connection, row, state=State.CANCELLED, error=write_reason("TaskCancelled", CANCELLED), **ended
        )
        following = self.entering.pass_on(connection, key) if key is not None and turn == task_id else None
        return row, following

    def _read(self, call: Callable[[Connection], T]) -> T:
        transaction = self.database.current()
        if transaction is not None:
            with explaining(str(self.database)):
                return transaction.run(call)
        with self.database.reading() as connection, explaining(str(self.database)):
            return call(connection)


class LedgerKeeping:
    """
    Look after the ledger while a daemon runs: a service.

    :param ledger: the ledger
    :param schedules: the tasks that are sent again and again
    :param poll_seconds: how often to look
    """

    name = "ledger"

    def __init__(self, ledger: Ledger, schedules: Schedules, poll_seconds: float = 1.0) -> None:
        self.ledger = ledger
        self.schedules = schedules
        self.poll_seconds = poll_seconds
        self.works = [
            Repeated("ledger-beats", ledger.runs.beat),
            Repeated("ledger", self.step),
        ]
        self._gauges: dict[str, float] = {}
        self._count_at = ledger.clock()

    def start(self) -> None:
        """
        Begin.

        :raises PubSubError: if the database cannot be used, or our tables have another version
        """
        self.ledger.database.check()
        self.schedules.register()
        for work in self.works:
            work.start()

    def stop(self) -> None:
        """End, after the steps that are under way."""
        for work in self.works:
            work.stop()

    def step(self) -> float:
        """See to what is due, and return after how many seconds to do so again."""
        found, wait = self.see_to_due()
        if self.ledger.clock() >= self._count_at:
            self._count_at = self.ledger.clock() + COUNT_SECONDS
            self._gauges = self.ledger.looking.count()
        return 0.0 if found else wait

    def see_to_due(self) -> tuple[int, float]:
        """See to what is due, and return how much that was, and in how many seconds there is more."""
        fired, wait = self.schedules.fire_due(self.poll_seconds)
        wait = self.ledger.looking.find_wait(wait)
        return (fired, wait) if wait > 0 else (fired + self.ledger.looking.look(), 0.0)

    def set_clock(self, now: Callable[[], float]) -> None:
        """
        Go by another clock.

        :param now: tells the time of day, in seconds since the epoch
        """
        self.ledger.entering.now = now

    def problems(self) -> Iterable[str]:
        """Return what went wrong the last time."""
        return [work.problem for work in self.works if work.problem is not None]

    def gauges(self) -> Mapping[str, float]:
        """Return how many tasks there are of each state that is not final."""
        return self._gauges
