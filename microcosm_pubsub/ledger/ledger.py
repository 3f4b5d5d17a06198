"""
The ledger of tasks: the component `pubsub_ledger`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from json import loads
from time import monotonic, sleep
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy import Connection

from microcosm_pubsub.calls.errors import CallError
from microcosm_pubsub.calls.functions import Task
from microcosm_pubsub.calls.options import SendOptions
from microcosm_pubsub.ledger.books import Books
from microcosm_pubsub.ledger.errors import TaskCancelled, TaskFailed, TaskTimeout
from microcosm_pubsub.ledger.handle import LedgerHandle
from microcosm_pubsub.ledger.rows import TaskRow, write_reason
from microcosm_pubsub.ledger.runs import CANCELLED, Runs
from microcosm_pubsub.ledger.states import State
from microcosm_pubsub.ledger.store import RowFilter
from microcosm_pubsub.ledger.sweeper import Sweeper
from microcosm_pubsub.ledger.task_writer import NewTask, TaskWriter
from microcosm_pubsub.ledger.terms import Terms
from microcosm_pubsub.sql.database import Database
from microcosm_pubsub.sql.transaction import Transaction
from microcosm_pubsub.sql.upgrade import explaining


T = TypeVar("T")

#: A result is polled for at this interval, at first and at most, in seconds.
MIN_WAIT_SECONDS = 0.01
MAX_WAIT_SECONDS = 0.5


class Ledger:
    """
    Remember tasks.

    :param database: has the ledger
    :param publish: publishes a task's message
    :param terms: how long things take
    :param always: whether all tasks that this graph sends are remembered
    :param find_trace_id: returns the id of the trace that runs here, if one does
    :param clock: a monotonic clock, in seconds
    :param pause: waits for some seconds
    """

    def __init__(
        self,
        database: Database,
        publish: Callable[[TaskRow], None],
        terms: Terms,
        always: bool = False,
        find_trace_id: Callable[[], str | None] = lambda: None,
        clock: Callable[[], float] = monotonic,
        pause: Callable[[float], None] = sleep,
    ) -> None:
        self.database = database
        self.terms = terms
        self.always = always
        self.find_trace_id = find_trace_id
        self.clock = clock
        self.pause = pause
        books = Books(database, terms)
        self.store = books.store
        self.turns = books.turns
        self.writer = TaskWriter(books, publish)
        self.runs = Runs(books, self.writer)
        self.sweeper = Sweeper(books, self.writer)

    # Operations for senders.

    def send(self, new: NewTask) -> LedgerHandle:
        """
        Write a task, and have it run.

        :raises CallError: if its id is in the ledger already
        :raises PublishError: if it cannot be published
        """
        handle = LedgerHandle(self, new.id, new.name)
        self.writer.enter(new, handle.note_written)
        return handle

    def send_call(self, task: Task, call: Mapping[str, Any], options: SendOptions) -> LedgerHandle:
        """
        Write a task, and have it run, as its options say.

        :param call: the task as it travels
        """
        due_at = options.to_publish_options().find_due_at(self.terms.now())
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

    def list(self, **filters: Any) -> Sequence[LedgerHandle]:
        """
        Return tasks, the newest first.

        :param filters: those of `list_rows`
        :raises CallError: if one of these cannot be
        """
        return [LedgerHandle(self, row.id, row.name) for row in self.list_rows(**filters)]

    def list_rows(
        self,
        name: str | None = None,
        state: str | None = None,
        cursor_key: str | None = None,
        since: datetime | None = None,
        limit: int = 100,
        before: LedgerHandle | str | None = None,
    ) -> Sequence[TaskRow]:
        """
        Return tasks as the ledger has them, the newest first.

        :param since: only those that were sent from then on: a time with its zone
        :param before: only those before this one, the last of the page before
        :raises CallError: if one of these cannot be
        """
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
        wanted = RowFilter(limit, name, state, cursor_key, at, place)
        return self._read(lambda connection: self.store.list_rows(connection, wanted))

    def wait(self, task_id: str, timeout_seconds: float | None) -> Any:
        """Return a task's value, when it has ended; see `LedgerHandle.result`."""
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
        transaction = self.database.current()
        if transaction is not None:
            return self._cancel_in(transaction, task_id)
        with self.database.open(self.database.make_transaction()) as own:
            state = self._cancel_in(own, task_id)
            own.commit()
        return state

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

    # Internals.

    def _cancel_in(self, transaction: Transaction, task_id: str) -> State:
        key = self.read(task_id).cursor_key
        row, following = transaction.run(lambda connection: self._cancel(connection, task_id, key))
        self.writer.publish_next(transaction, following)
        return row.state

    def _cancel(self, connection: Connection, task_id: str, key: str | None) -> tuple[TaskRow, TaskRow | None]:
        turn = None if key is None else self.turns.lock(connection, key, self.terms.now_ms())
        row = self.store.find(connection, task_id, lock=True)
        if row is None:
            raise CallError(f"No task {task_id} is in the ledger of {self.database}")
        if row.state.is_final:
            return row, None
        if row.state is State.RUNNING:
            return self.store.change(connection, row, is_cancelled=True), None
        ended = self.terms.say_ended(State.CANCELLED, write_reason("TaskCancelled", CANCELLED))
        row = self.store.change(connection, row, **ended)
        following = self.writer.pass_on(connection, key) if key is not None and turn == task_id else None
        return row, following

    def _read(self, call: Callable[[Connection], T]) -> T:
        transaction = self.database.current()
        if transaction is not None:
            with explaining(str(self.database)):
                return transaction.run(call)
        with self.database.reading() as connection, explaining(str(self.database)):
            return call(connection)
