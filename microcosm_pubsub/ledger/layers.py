"""
The two layers around a task of the ledger: one outside of its transaction, and one inside.

    begin (in the ledger) -> [ transaction -> cursor -> function -> end (in the ledger) ] -> or what it failed of
"""

from __future__ import annotations

from collections.abc import Sequence

from microcosm_pubsub.constants import IDENTITY_KEY
from microcosm_pubsub.ledger.runs import Runs, find_policy
from microcosm_pubsub.message import SQSMessage, find_value
from microcosm_pubsub.registry import HandlerOptions
from microcosm_pubsub.result import MessageHandlingResult
from microcosm_pubsub.sql.transaction import current_transaction
from microcosm_pubsub.types import Handler, UnitCall, UnitLayer


Results = list[MessageHandlingResult]


class LedgerLayer:
    """
    A layer around the tasks of the ledger alone.

    :param runs: writes what becomes of them
    """

    def __init__(self, runs: Runs) -> None:
        self.runs = runs

    def for_handler(self, handler: Handler | None, options: HandlerOptions) -> UnitLayer | None:
        """Return the layer of a handler; None if that runs no tasks of the ledger."""
        return self if getattr(handler, "has_ledger", False) else None

    def __call__(self, call_next: UnitCall, messages: Sequence[SQSMessage]) -> Results:
        """Return the result of a task's message."""
        raise NotImplementedError


class BeginAndFail(LedgerLayer):
    """The outer layer: lets a task begin, and notes why it failed."""

    def __call__(self, call_next: UnitCall, messages: Sequence[SQSMessage]) -> Results:
        """Return the result of a task's message."""
        (message,) = messages
        task_id = find_task_id(message)
        if task_id is None:
            return call_next(messages)
        policy = find_policy(message)
        run = self.runs.begin(message, task_id, policy)
        with self.runs.opening(run):
            # The innermost ring, around the commit: an error here becomes a result, and the ledger must learn of it.
            try:
                run.check_attempts()
                (result,) = call_next(messages)
            except Exception as error:
                result = MessageHandlingResult.from_error(message, error)
            if result.retry or result.raised:
                result = self.runs.fail(run, result, find_policy(message))
        # People find its row by this.
        result.extra["task_id"] = task_id
        return [result]


class CursorAndEnd(LedgerLayer):
    """The inner layer: gives a task its cursor, and lets it end well."""

    def __call__(self, call_next: UnitCall, messages: Sequence[SQSMessage]) -> Results:
        """Return the result of a task's message."""
        run = self.runs.find(messages[0])
        if run is None:
            return call_next(messages)
        transaction = current_transaction()
        assert transaction is not None, "tasks of the ledger have a transaction"
        self.runs.load_cursor(run, transaction)
        results = call_next(messages)
        if not (results[0].retry or results[0].raised):
            self.runs.complete(run, transaction)
        return results


def find_task_id(message: SQSMessage) -> str | None:
    """Return the id of the task that a message calls; None if it is none of the ledger."""
    content = message.content
    if message.error is not None or not isinstance(content, dict) or content.get("ledger") is not True:
        return None
    task_id = find_value(message.opaque_data, IDENTITY_KEY)
    return task_id if isinstance(task_id, str) else None
