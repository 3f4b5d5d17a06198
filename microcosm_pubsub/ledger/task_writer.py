"""
Writing tasks into the ledger, and publishing them: in the transaction that is open, or in one of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from json import dumps, loads
from logging import getLogger
from typing import Any

from sqlalchemy import Connection

from microcosm_pubsub.calls.errors import CallError
from microcosm_pubsub.calls.merging import Merge, merge_arguments
from microcosm_pubsub.constants import DEFAULT_TOPIC_SIZE_LIMIT_BYTES
from microcosm_pubsub.errors import TopicNotDefinedError
from microcosm_pubsub.ledger.books import Books
from microcosm_pubsub.ledger.rows import Millis, TaskRow, write_error
from microcosm_pubsub.ledger.states import State
from microcosm_pubsub.sql.transaction import Transaction, current_transaction
from microcosm_pubsub.sql.upgrade import explaining


logger = getLogger(__name__)

#: A task whose topic is not known here becomes due again after this many milliseconds, for a daemon that knows it.
PUT_OFF_MS = 60_000

#: The longest call that a topic takes, with what is added to it on its way, in bytes.
MAX_CALL_BYTES = DEFAULT_TOPIC_SIZE_LIMIT_BYTES - 8 * 1024


@dataclass(frozen=True, slots=True)
class NewTask:
    """
    A task to be written.

    :param call: as it travels
    :param due_at: when it is to run at the earliest; 0 is at once
    :param merge: how its arguments are merged if it waits already
    :param retried_from: the id of the task that it repeats
    :param check: raises if arguments do not fit its function
    """

    id: str
    name: str
    queue: str
    call: Mapping[str, Any]
    group_id: str | None = None
    cursor_key: str | None = None
    due_at: Millis = 0
    merge: str | Merge = "keep"
    retried_from: str | None = None
    trace_id: str | None = None
    check: Callable[[Any], object] = lambda arguments: None


class TaskWriter:
    """
    Write tasks.

    :param books: in which they stand
    :param publish: publishes a task's message, by the outbox of the transaction that is open
    """

    def __init__(self, books: Books, publish: Callable[[TaskRow], None]) -> None:
        self.database = books.database
        self.store = books.store
        self.turns = books.turns
        self.terms = books.terms
        self.publish = publish

    def enter(self, new: NewTask, note: Callable[[str, bool], None]) -> None:
        """
        Write a task, and publish it if it is due and its turn.

        Within the transaction of a coroutine handler that is done at its end: here nobody can wait for the database.

        :param note: is told the id of its row, and whether it is new: if one of its name waits for its key already, it
            is that one
        :raises CallError: if its id is in the ledger already, or it is too long
        :raises PublishError: if it cannot be published; the transaction that is open cannot be committed then
        """
        open_here = current_transaction()
        if open_here is not None and open_here.owner is self.database and open_here.is_async:
            write_call(new.name, new.call)
            open_here.outgoing.add(lambda connection: note(*self._enter_on(connection, open_here, new)))
            return
        transaction = self.database.current()
        if transaction is not None:
            # The session makes its savepoints on the connection only when that is used.
            transaction.session.connection()
            note(*self.enter_in(transaction, new))
            return
        with self.database.open(self.database.make_transaction()) as own:
            entered = self.enter_in(own, new)
            own.commit()
        note(*entered)

    def enter_in(self, transaction: Transaction, new: NewTask) -> tuple[str, bool]:
        """Write a task in a transaction, as `enter` does, and return what is noted."""
        return transaction.run(lambda connection: self._enter_on(connection, transaction, new))

    def _enter_on(self, connection: Connection, transaction: Transaction, new: NewTask) -> tuple[str, bool]:
        with explaining(str(self.database)):
            row, is_new, is_published = self.write(connection, new)
        if is_published:
            self.publish_in(transaction, row)
        return row.id, is_new

    def publish_in(self, transaction: Transaction, row: TaskRow) -> None:
        """
        Publish a task whose row says that it is.

        :raises PublishError: if that cannot be; the transaction cannot be committed then
        """
        try:
            self.publish(row)
        except Exception as error:
            transaction.fail(error)
            raise

    def publish_next(self, transaction: Transaction, row: TaskRow | None) -> None:
        """
        Publish a task whose row says that it is, and which nobody sends just now.

        One that cannot be published is given up, and the next one of its key has its turn; nothing is raised, for what
        is written in the same transaction has nothing to do with it.
        """
        while row is not None:
            # A fault of this message must not keep others from being published.
            try:
                self.publish(row)
            except TopicNotDefinedError as error:
                logger.warning("Cannot publish task %s %s here: %s", row.name, row.id, error)
                transaction.run(partial(self._put_off, row, error))
            except Exception as error:
                logger.error("Task %s %s is given up: %s", row.name, row.id, error)
                row = transaction.run(partial(self._give_up, row, error))
                continue
            return

    def _put_off(self, row: TaskRow, error: Exception, connection: Connection) -> None:
        look_at = self.terms.now_ms() + PUT_OFF_MS
        self.store.change(connection, row, look_at=look_at, error=write_error(error))

    def _give_up(self, row: TaskRow, error: Exception, connection: Connection) -> TaskRow | None:
        self.store.change(connection, row, **self.terms.say_ended(State.FAILED, write_error(error)))
        return None if row.cursor_key is None else self.pass_on(connection, row.cursor_key)

    def write(self, connection: Connection, new: NewTask) -> tuple[TaskRow, bool, bool]:
        """Write a task, and return its row, whether it is new, and whether to publish it."""
        if new.cursor_key is None:
            values, is_published = self._place(new.due_at, None)
            return self._insert(connection, new, values), True, is_published
        turn = self.turns.lock(connection, new.cursor_key, self.terms.now_ms())
        waiting = self.store.find_waiting(connection, new.name, new.cursor_key)
        if waiting is None:
            values, is_published = self._place(new.due_at, turn)
            row = self._insert(connection, new, values)
        else:
            values, is_published = {}, False
            due_at = min(waiting.due_at, new.due_at)
            if turn != waiting.id:
                values, is_published = self._place(due_at, turn)
            values = {**values, "due_at": due_at, "call": self._merge(new, waiting)}
            row = self.store.change(connection, waiting, **values)
        if is_published:
            self.turns.give(connection, new.cursor_key, row.id)
        return row, waiting is None, is_published

    def pass_on(self, connection: Connection, key: str) -> TaskRow | None:
        """Let the next task at a key that is locked have its turn, and return it to be published; None if none is."""
        found = self.store.find_next(connection, key, self.terms.now_ms())
        self.turns.give(connection, key, None if found is None else found.id)
        if found is None:
            return None
        return self.store.change(connection, found, **self.terms.say_published(found.publishes))

    def _place(self, due_at: Millis, turn: str | None) -> tuple[dict[str, Any], bool]:
        """
        Return the values of a task's row, and whether to publish it.

        :param turn: the id of the task whose turn it is at its key; None if it is nobody's
        """
        if due_at > self.terms.now_ms():
            return self.terms.say_scheduled(due_at), False
        if turn is None:
            return self.terms.say_published(), True
        # The task that has the turn passes it on.
        return {"state": State.PENDING, "look_at": None}, False

    def _insert(self, connection: Connection, new: NewTask, values: Mapping[str, Any]) -> TaskRow:
        row = self._make_row(new, values)
        seq = self.store.insert(connection, row)
        if seq is None:
            raise CallError(f"A task with the id {new.id} is in the ledger already: give it another, or leave it out")
        return replace(row, seq=seq)

    def _make_row(self, new: NewTask, values: Mapping[str, Any]) -> TaskRow:
        """Return the row of a task, which has no number yet."""
        return TaskRow(
            seq=0,
            id=new.id,
            name=new.name,
            queue=new.queue,
            call=write_call(new.name, new.call),
            group_id=new.group_id,
            cursor_key=new.cursor_key,
            created_at=self.terms.now_ms(),
            due_at=new.due_at,
            trace_id=new.trace_id,
            retried_from=new.retried_from,
            **values,
        )

    def _merge(self, new: NewTask, waiting: TaskRow) -> str:
        call = loads(waiting.call)
        call["params"] = merge_arguments(new.name, new.merge, call.get("params"), new.call.get("params"))
        if callable(new.merge):
            new.check(call["params"])
        return write_call(new.name, call)


def write_call(name: str, call: Mapping[str, Any]) -> str:
    """
    Return a call as JSON.

    :param name: of the task, for errors
    :raises CallError: if it cannot be written, or is too long for a topic
    """
    try:
        text = dumps(call, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CallError(f"The arguments of task {name} cannot be written as JSON: {error}") from error
    if len(text) > MAX_CALL_BYTES:
        raise CallError(
            f"The arguments of task {name} have {len(text)} bytes, and a message takes {MAX_CALL_BYTES} of them: keep "
            "what is longer elsewhere, and send where it is"
        )
    return text
