"""
Tasks that run here: begun in the ledger, kept alive there, and ended there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from json import loads
from logging import getLogger
from os import getpid
from socket import gethostname
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from microcosm_pubsub.calls.errors import CallError
from microcosm_pubsub.errors import DeadLetter, LeaseLost, Nack, SkipMessage
from microcosm_pubsub.ledger.books import Books
from microcosm_pubsub.ledger.rows import Millis, TaskRow, say_error, write_reason, write_result
from microcosm_pubsub.ledger.states import State
from microcosm_pubsub.ledger.task_writer import TaskWriter
from microcosm_pubsub.ledger.turns import write_cursor
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.result import MessageHandlingResult, MessageHandlingResultType, describe
from microcosm_pubsub.retry import RetryPolicy
from microcosm_pubsub.sql.errors import TransactionError
from microcosm_pubsub.sql.transaction import Transaction
from microcosm_pubsub.sql.upgrade import explaining


logger = getLogger(__name__)

#: A message whose task does not have the turn comes again after this many seconds.
TURN_SECONDS = 30

CANCELLED = "The task was cancelled"


class Run:
    """
    One attempt of a task, here.

    :param row: the task, as it was begun
    :param message: its message
    """

    def __init__(self, row: TaskRow, message: SQSMessage) -> None:
        self.row = row
        self.message = message
        self.attempt = row.attempts
        self.cursor: dict[str, Any] = {}
        #: The value that the function returned.
        self.value: Any = None
        self.is_cancelled = False

    @property
    def id(self) -> str:
        """Return the id of the task."""
        return self.row.id

    @property
    def is_given_up(self) -> bool:
        """Return whether it goes on, if at all, without a worker that waits for it; not if it was only told to stop."""
        return self.message.lease.lost_reason is not None and not self.is_cancelled

    def check_attempts(self) -> None:
        """
        Do nothing if it may be run once more.

        :raises DeadLetter: if its attempts are used up, by workers that died
        """
        limit = self.row.max_attempts
        if limit is not None and self.row.counted_attempts > limit:
            raise DeadLetter(f"It was begun {limit} times before, and did not end")


class Runs:
    """
    Know the tasks that run here, and write their events.

    :param books: in which they stand
    :param writer: lets the next task of a key have its turn
    """

    def __init__(self, books: Books, writer: TaskWriter) -> None:
        self.database = books.database
        self.store = books.store
        self.turns = books.turns
        self.terms = books.terms
        self.writer = writer
        self._open: dict[int, Run] = {}

    def find(self, message: SQSMessage) -> Run | None:
        """Return the run of a message; None if that is no task of the ledger."""
        return self._open.get(id(message))

    @contextmanager
    def opening(self, run: Run) -> Iterator[None]:
        """Know of a run while the block lasts."""
        self._open[id(run.message)] = run
        try:
            yield
        finally:
            del self._open[id(run.message)]

    # How a run begins.

    def begin(self, message: SQSMessage, task_id: str, policy: RetryPolicy) -> Run:
        """
        Let a task begin.

        :raises SkipMessage: if its message is one too many: it runs, has run, or was cancelled
        :raises Nack: if it is not its turn
        :raises CallError: if the ledger does not know it
        """
        values = {
            "started_at": self.terms.now_ms(),
            "look_at": self.terms.compute_lease_end(),
            "worker": f"{gethostname()}:{getpid()}",
            "max_attempts": policy.max_attempts or self.terms.max_attempts,
        }
        with self.database.autocommitting() as connection, explaining(str(self.database)):
            row = self.store.begin(connection, task_id, values, find_sent_at(message))
        if row is None:
            with self.database.connect() as connection:
                row = self._begin_again(connection, message, task_id, values)
        # Arguments may have been merged into the row after its message was published.
        if row.cursor_key is not None:
            message.content = {**message.content, "params": loads(row.call).get("params")}
        # The ledger counts attempts of the task; the queue counts receives of one message.
        message.approximate_receive_count = row.counted_attempts + message.releases
        return Run(row, message)

    def _begin_again(
        self, connection: Connection, message: SQSMessage, task_id: str, values: dict[str, Any]
    ) -> TaskRow:
        """Return a task that had failed, if somebody has sent its message once more."""
        row = self.store.find(connection, task_id)
        if row is None:
            raise CallError(
                f"Task {task_id} is not in the ledger of {self.database}: it was sent by somebody with another "
                "database, or was removed as old"
            )
        is_back = row.finished_at is not None and row.finished_at < find_sent_at(message)
        if row.state is State.FAILED and row.cursor_key is not None and is_back:
            if self.turns.lock(connection, row.cursor_key, values["started_at"]) not in (None, row.id):
                raise Nack(TURN_SECONDS, reason=f"Another task has the turn of {row.cursor_key!r}")
            self.turns.give(connection, row.cursor_key, row.id)
            return self.store.change(
                connection,
                row,
                state=State.RUNNING,
                attempts=row.attempts + 1,
                attempts_before=row.attempts,
                publishes=0,
                finished_at=None,
                is_cancelled=False,
                **values,
            )
        raise SkipMessage(f"The task is {row.state}")

    # How a run ends whose function's work is committed.

    def load_cursor(self, run: Run, transaction: Transaction) -> None:
        """Load the cursor that the run before it left."""
        key = run.row.cursor_key
        if key is not None:
            run.cursor = transaction.run(lambda connection: self.turns.load(connection, key))

    def complete(self, run: Run, transaction: Transaction) -> None:
        """
        Let a task end well, in the transaction of its effects.

        :raises LeaseLost: if it is cancelled, or somebody else has begun it since
        :raises DeadLetter: if its cursor cannot be kept
        """
        key = run.row.cursor_key
        cursor = write_cursor(key, run.cursor) if key is not None else ""
        values = {**self.terms.say_ended(State.COMPLETED), **self._say_result(run)}

        def write(connection: Connection) -> TaskRow | None:
            if key is not None:
                self.turns.lock(connection, key, self.terms.now_ms())
            if not self.store.complete(connection, run.id, run.attempt, values):
                raise LeaseLost(f"Task {run.id} was cancelled, or is run by another worker: what it did is undone")
            if key is None:
                return None
            self.turns.save(connection, key, cursor, self.terms.now_ms())
            return self.writer.pass_on(connection, key)

        following = transaction.run(write)
        self.writer.publish_next(transaction, following)

    def _say_result(self, run: Run) -> dict[str, Any]:
        try:
            return {"result": write_result(run.value)}
        except CallError as error:
            logger.warning("Task %s %s: %s; what it did is kept", run.row.name, run.id, error)
            return {"result": None, "error": write_reason("CallError", str(error))}

    # How a run ends whose function's work was undone.

    def fail(self, run: Run, result: MessageHandlingResult, policy: RetryPolicy) -> MessageHandlingResult:
        """Note the failure of a task whose effects were undone, and return the result of its message."""
        limit = run.row.max_attempts
        gives_up = policy.gives_up(run.message, result) or (limit is not None and run.row.counted_attempts >= limit)
        # A worker that cannot tell is as good as one that died: the task is found lost, and run again.
        try:
            row = self._note_failure(run, result, gives_up)
        except (SQLAlchemyError, TransactionError) as error:
            logger.warning("Cannot write that task %s %s failed: %s", run.row.name, run.id, describe(error))
            return result
        if row is None:
            return MessageHandlingResult.from_error(run.message, SkipMessage("Another worker has begun the task since"))
        if row.state is State.CANCELLED:
            return MessageHandlingResult.from_error(run.message, SkipMessage(CANCELLED))
        # The queue counts receives, and the ledger attempts, of whatever message.
        result.dead_letter = result.dead_letter or (result.retry and row.state is State.FAILED)
        return result

    def _note_failure(self, run: Run, result: MessageHandlingResult, gives_up: bool) -> TaskRow | None:
        with self.database.open(self.database.make_transaction()) as transaction:
            row, following = transaction.run(lambda connection: self._write_failure(connection, run, result, gives_up))
            self.writer.publish_next(transaction, following)
            transaction.commit()
        return row

    def _write_failure(
        self, connection: Connection, run: Run, result: MessageHandlingResult, gives_up: bool
    ) -> tuple[TaskRow | None, TaskRow | None]:
        key = run.row.cursor_key
        if key is not None:
            self.turns.lock(connection, key, self.terms.now_ms())
        current = self.store.find(connection, run.id, lock=True)
        if current is None or current.attempts != run.attempt:
            return None, None
        values = self._choose_end(run, current, result, gives_up)
        row = self.store.end(connection, run.id, run.attempt, values)
        following = None
        if row is not None and row.state.is_final and key is not None:
            following = self.writer.pass_on(connection, key)
        return row, following

    def _choose_end(self, run: Run, current: TaskRow, result: MessageHandlingResult, gives_up: bool) -> dict[str, Any]:
        """Return the values of a task's row after its effects were undone."""
        if current.is_cancelled or run.is_cancelled:
            return self.terms.say_ended(State.CANCELLED, write_reason("TaskCancelled", CANCELLED))
        error = say_error(result)
        if not result.retry:
            is_expired = result.result is MessageHandlingResultType.EXPIRED
            return self.terms.say_ended(State.FAILED if is_expired else State.COMPLETED, error)
        if gives_up:
            return self.terms.say_ended(State.FAILED, error)
        wait = int((result.retry_timeout_seconds or 0) * 1000)
        look_at = self.terms.now_ms() + wait + self.terms.compute_patience(current.publishes)
        return {"state": State.PENDING, "look_at": look_at, "error": error}

    # How a run is kept alive.

    def beat(self) -> float:
        """Let the ledger know the runs here, tell those that must stop, and return when to do that again."""
        runs = {run.id: run for run in list(self._open.values())}
        for run in [run for run in runs.values() if run.is_given_up]:
            # Somebody else may have it by now.
            del runs[run.id]
        if runs:
            with self.database.connect() as connection:
                found = self.store.beat(connection, sorted(runs), self.terms.compute_lease_end())
            for run in runs.values():
                attempt, is_cancelled = found.get(run.id, (None, False))
                if is_cancelled and attempt == run.attempt:
                    run.is_cancelled = True
                    run.message.lease.lose(CANCELLED)
                elif attempt is not None and attempt != run.attempt:
                    run.message.lease.lose("another worker has begun the task since")
        return self.terms.lease_seconds / 6


def find_policy(message: SQSMessage) -> RetryPolicy:
    """Return the retry policy of a message's route."""
    assert message.route is not None, "messages are accepted before they are handled"
    policy: RetryPolicy = message.route.policy
    return policy


def find_sent_at(message: SQSMessage) -> Millis:
    """
    Return when a message was put into its queue; 0 if that is not told.

    One that comes out of a dead-letter queue was put there when it was sent back:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html
    """
    told = str(message.attributes.get("SentTimestamp") or "")
    return int(told) if told.isdecimal() else 0
