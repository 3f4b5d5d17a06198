"""
A transaction around what a handler does: a unit layer.

    begin -> inbox rows -> handler -> commit, or rollback -> results, which are settled afterwards

Work for a message that is acked is committed; work for one that stays in the queue, or that raised, is undone. In a
batch of which some messages stay and others do not, nobody can tell whose the writes are: all of it is undone, and each
message is handled alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from sqlalchemy.exc import DBAPIError

from microcosm_pubsub.dispatcher import stays
from microcosm_pubsub.dispatcher.unit import make_release
from microcosm_pubsub.errors import AttemptsExhausted, Nack
from microcosm_pubsub.message import Groups, SQSMessage
from microcosm_pubsub.result import MessageHandlingResult, describe
from microcosm_pubsub.sql.inbox import HandlerInbox
from microcosm_pubsub.sql.passing import first_line, is_passing
from microcosm_pubsub.sql.transaction import Transaction
from microcosm_pubsub.types import UnitCall


Results = list[MessageHandlingResult]


class TransactionLayer:
    """
    Handle the units of one handler in a transaction each.

    :param open_transaction: begins one, which is undone at the end of its block if it was not committed
    :param inbox: knows what the handler has handled before, if it is to handle each message once
    """

    def __init__(
        self,
        open_transaction: Callable[[], AbstractContextManager[Transaction]],
        inbox: HandlerInbox | None = None,
    ) -> None:
        self.open_transaction = open_transaction
        self.inbox = inbox

    def __call__(self, call_next: UnitCall, messages: Sequence[SQSMessage]) -> Results:
        """Return the results of messages."""
        results = self._handle(call_next, messages)
        return results if results is not None else self._handle_each(call_next, messages)

    def _handle_each(self, call_next: UnitCall, messages: Sequence[SQSMessage]) -> Results:
        """Return the results of messages that are handled in a transaction each."""
        groups = Groups()
        results = []
        for message in messages:
            if groups.is_blocked(message.fifo_group):
                result = make_release(message)
            else:
                result = self._handle_alone(call_next, message)
                if stays(message, result):
                    groups.block(message.fifo_group)
            results.append(result)
        return results

    def _handle_alone(self, call_next: UnitCall, message: SQSMessage) -> MessageHandlingResult:
        # The innermost ring, for one message among several: the transactions of others are committed by now.
        try:
            results = self._handle(call_next, [message])
        except Exception as error:
            return MessageHandlingResult.from_error(message, error)
        assert results is not None, "one message is not mixed"
        return results[0]

    def _handle(self, call_next: UnitCall, messages: Sequence[SQSMessage]) -> Results | None:
        """Return the results of messages that are handled in one transaction; None if they must be handled alone."""
        # An error raised here, by our commit or before it, is the result of all messages; nothing of theirs is kept.
        try:
            with self.open_transaction() as transaction:
                if self.inbox is None:
                    return self._run(transaction, call_next, messages)
                taken = self.inbox.take(transaction, messages)
                fresh = [messages[position] for position in taken.fresh]
                results = self._run(transaction, call_next, fresh) if fresh else []
                return None if results is None else taken.complete(messages, results, transaction.is_committed)
        except Exception as error:
            if not is_passing(error):
                raise
            raise try_again(error) from error

    def _run(self, transaction: Transaction, call_next: UnitCall, messages: Sequence[SQSMessage]) -> Results | None:
        """Return the results of messages, committed or undone; None if they must be handled alone."""
        results = call_next(messages)
        if not is_done(messages, results):
            transaction.rollback()
            return None if is_mixed(messages, results) else list(map(retry_passing, messages, results))
        for message in messages:
            # A handler that was abandoned, or was too slow, comes here too, and must not commit.
            message.lease.check()
        transaction.commit()
        return results


def is_done(messages: Sequence[SQSMessage], results: Results) -> bool:
    """Return whether to keep the work done for messages."""
    if all(result.raised for result in results):
        return False
    handled = zip(messages, results, strict=True)
    return not any(stays(message, result) for message, result in handled if may_have_run(message, result))


def is_mixed(messages: Sequence[SQSMessage], results: Results) -> bool:
    """Return whether some of several messages are done, and others are not."""
    return len({stays(message, result) for message, result in zip(messages, results, strict=True)}) > 1


def may_have_run(message: SQSMessage, result: MessageHandlingResult) -> bool:
    """Return whether a message may have come to its handler: nothing was written for one that did not."""
    error = result.exc_info[1] if result.exc_info is not None else None
    return message.error is None and not isinstance(error, AttemptsExhausted)


def retry_passing(message: SQSMessage, result: MessageHandlingResult) -> MessageHandlingResult:
    """Return the result of a message, which is tried again at once if its error is one that passes."""
    error = result.exc_info[1] if result.exc_info is not None else None
    if error is None or result.dead_letter or not is_passing(error):
        return result
    retried = MessageHandlingResult.from_error(message, try_again(error))
    retried.elapsed_time, retried.handle_start_time = result.elapsed_time, result.handle_start_time
    return retried


def try_again(error: BaseException) -> Nack:
    """Return the error because of which a message is retried at once."""
    said = describe(error)
    if isinstance(error, DBAPIError):
        # Its own text holds the statement and its values.
        said = f"{type(error.orig).__name__}: {first_line(error)}"
    return Nack(0, reason=f"The database asks to try again: {said}")
