"""
Results made true at the queue: acked, nacked, or given up; the only place that does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from microcosm_pubsub.consumer import GivenUp, SQSConsumer
from microcosm_pubsub.dispatcher.reason import make_reason, stays
from microcosm_pubsub.errors import SettleError
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.types import Handled


class BatchSettler(Protocol):
    """
    Settles messages: a consumer at once, a worker's settler soon. Both return the errors of those that were not
    settled.
    """

    def ack_batch(self, messages: Iterable[SQSMessage]) -> list[SettleError]: ...

    def nack_batch(self, messages: Iterable[tuple[SQSMessage, int | None]]) -> list[SettleError]: ...

    def dead_letter_batch(self, messages: Iterable[GivenUp]) -> list[SettleError]: ...


class OwnSettler:
    """
    Settles messages by methods of their own, as version 3 did.

    Their consumer is not the dispatcher's, as in a test that has none; or a test has replaced one of the methods.
    """

    def ack_batch(self, messages: Iterable[SQSMessage]) -> list[SettleError]:
        """Ack messages; `settle_results` tells what cannot be."""
        for message in messages:
            message.ack()
        return []

    def nack_batch(self, messages: Iterable[tuple[SQSMessage, int | None]]) -> list[SettleError]:
        """Nack messages."""
        for message, timeout in messages:
            message.nack(timeout)
        return []

    def dead_letter_batch(self, messages: Iterable[GivenUp]) -> list[SettleError]:
        """Nack messages that are given up: only a consumer knows where the dead-letter queue is."""
        return self.nack_batch((each.message, each.timeout) for each in messages)


def choose_settler(messages: Iterable[SQSMessage], consumer: SQSConsumer) -> BatchSettler:
    """
    Return what settles messages: the consumer, unless one of them has another one, or a method that was replaced.

    :param consumer: gave the messages, or is the dispatcher's
    """
    own = any(
        message.consumer not in (None, consumer) or not vars(message).keys().isdisjoint(("ack", "nack"))
        for message in messages
    )
    return OwnSettler() if own else consumer


def settle_results(
    handled: Sequence[Handled], settler: BatchSettler, on_failure: Callable[[Exception], None]
) -> list[SQSMessage]:
    """
    Settle messages by their results, and return those that stay in their queue.

    :param settler: settles them
    :param on_failure: is told of each message that was not settled
    """
    acked: list[SQSMessage] = []
    stayed: list[SQSMessage] = []
    nacked: list[tuple[SQSMessage, int | None]] = []
    given_up: list[GivenUp] = []
    for message, result in handled:
        if not stays(message, result):
            acked.append(message)
            continue
        stayed.append(message)
        if result.dead_letter:
            given_up.append(GivenUp(message, make_reason(message, result), result.retry_timeout_seconds))
        else:
            nacked.append((message, result.retry_timeout_seconds))
    if acked:
        settle_contained(settler.ack_batch, acked, on_failure)
    if nacked:
        settle_contained(settler.nack_batch, nacked, on_failure)
    if given_up:
        settle_contained(settler.dead_letter_batch, given_up, on_failure)
    return stayed


def settle_contained(
    call: Callable[[Any], list[SettleError]], entries: Sequence[Any], on_failure: Callable[[Exception], None]
) -> None:
    """Settle messages in one way; one that makes the call raise is settled alone."""
    # The second ring: clients and backoff policies are user code, and what they raise must not keep
    # other messages from being settled.
    try:
        errors: list[Exception] = list(call(entries))
    except Exception as error:
        if len(entries) > 1:
            for entry in entries:
                settle_contained(call, [entry], on_failure)
            return
        errors = [error]
    for failure in errors:
        on_failure(failure)
