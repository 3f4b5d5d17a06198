"""
Deletes and visibility changes, gathered into batch calls.

An entry that the queue refuses for a passing reason is tried again while the lease lasts. A delete that failed for good
is remembered, so that the message is deleted and not handled again when it comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from logging import getLogger
from math import inf
from random import Random
from threading import Condition, Lock
from time import monotonic

from microcosm_pubsub.clients import LASTING_ERRORS
from microcosm_pubsub.constants import MAX_BATCH_ENTRIES
from microcosm_pubsub.consumer import GivenUp, Refusal, SQSConsumer, settle_error
from microcosm_pubsub.errors import SettleError
from microcosm_pubsub.message import RecentCounts, SQSMessage
from microcosm_pubsub.message.raw import BatchAnswer
from microcosm_pubsub.worker.admission import Admission
from microcosm_pubsub.worker.delays import growing_delay
from microcosm_pubsub.worker.entries import MAX_DELAY_SECONDS, Batch, Entries, Settlement
from microcosm_pubsub.worker.leases import LOST_CODES, LeaseKeeper
from microcosm_pubsub.worker.reactor import Reactor, failed
from microcosm_pubsub.worker.settle_calls import read_refusals, send_dead_letters


logger = getLogger(__name__)

#: The bounds of the wait before a refused entry is tried again.
MIN_RETRY_SECONDS = 0.2
MAX_RETRY_SECONDS = 10.0


class Settler:
    """
    Settle messages in batches.

    :param consumer: of the queue
    :param reactor: makes the calls
    :param keeper: of the messages' leases
    :param entries: hold what waits
    :param admission: is told when a call has ended
    :param clock: a monotonic clock, in seconds
    """

    def __init__(
        self,
        consumer: SQSConsumer,
        reactor: Reactor,
        keeper: LeaseKeeper,
        entries: Entries,
        admission: Admission,
        clock: Callable[[], float] = monotonic,
        random: Random | None = None,
    ) -> None:
        self.consumer = consumer
        self.reactor = reactor
        self.keeper = keeper
        self.entries = entries
        self.admission = admission
        self.clock = clock
        self.random = random or Random()
        self._lock = Lock()
        self._sent = Condition(self._lock)
        #: When the reactor will run what is due.
        self._runs_at = inf
        #: The messages that were handled, and could not be deleted.
        self.undeleted = RecentCounts()
        #: The number of messages that could not be settled.
        self.failures = 0
        self._on_failure: Callable[[SQSMessage], None] = lambda message: None

    def subscribe(self, on_failure: Callable[[SQSMessage], None]) -> None:
        """Have a function told of each message that could not be settled."""
        self._on_failure = on_failure

    # These take entries to settle.

    def ack_batch(self, messages: Iterable[SQSMessage]) -> list[SettleError]:
        """Delete messages soon; refusals of the queue are logged then."""
        for message in messages:
            self.add(message, None)
        return []

    def nack_batch(
        self,
        messages: Iterable[tuple[SQSMessage, int | None]],
        compute_seconds: Callable[[SQSMessage, int | None], int] | None = None,
    ) -> list[SettleError]:
        """
        Make messages visible again soon; refusals of the queue are logged then.

        :param messages: each with the seconds after which it becomes visible, or None for the backoff policy's
        :param compute_seconds: computes them, if the backoff policy does not
        :returns: an error for each whose backoff policy failed, which stays hidden until its lease runs out
        """
        errors: list[SettleError] = []
        for message, timeout in messages:
            try:
                # `int()` rejects None, which an entry would read as "delete".
                seconds = int((compute_seconds or self.consumer.backoff_seconds)(message, timeout))
            except Exception as error:
                # A backoff policy is user code: what it raises concerns this message alone.
                logger.exception("The backoff policy failed")
                self.keeper.forget(message)
                errors.append(settle_error("nack", message, f"its backoff policy raised {type(error).__name__}"))
            else:
                self.add(message, seconds)
        return errors

    def dead_letter_batch(self, messages: Iterable[GivenUp]) -> list[SettleError]:
        """Send messages to the dead-letter queue soon, and delete them then; refusals are logged then."""
        for given_up in messages:
            self.add(given_up.message, None, given_up)
        return []

    def add(self, message: SQSMessage, timeout: int | None, given_up: GivenUp | None = None) -> None:
        """
        Settle a message soon.

        :param timeout: after how many seconds it becomes visible; None deletes it
        :param given_up: why it goes to the dead-letter queue before it is deleted, if it does
        """
        if message.settled:
            # Its handler has settled it.
            self.keeper.forget(message)
            return
        now = self.clock()
        with self._lock:
            waiting = self.entries.add(message, timeout, now, given_up)
            # The first entry of its kind is due before the others.
            due = now + MAX_DELAY_SECONDS if waiting == 1 and now + MAX_DELAY_SECONDS < self._runs_at else None
            if due is not None:
                self._runs_at = due
        if self.entries.is_flushing or (waiting >= MAX_BATCH_ENTRIES and waiting >= self._find_worthy()):
            self._send_next()
        elif due is not None:
            self.reactor.wake_by(due)

    def is_done(self, message: SQSMessage) -> bool:
        """Return whether a received message was handled before, and could not be deleted then."""
        return self.undeleted.count(message.message_id) > 0

    @property
    def oldest_seconds(self) -> float:
        """Return for how long the oldest entry has been waiting."""
        with self._lock:
            return max(0.0, self.clock() - self.entries.find_oldest())

    # These send; a slot or the reactor calls them, whichever comes by.

    def run_due(self) -> float | None:
        """Send due entries, and return the seconds until more are; None if nothing waits, or all for a call."""
        while self.entries.waiting and self._send_next():
            pass
        with self._lock:
            self._runs_at = due = self.entries.find_due() if self.entries.waiting else inf
        return None if due == inf else max(0.0, due - self.clock())

    def flush(self, timeout_seconds: float) -> int:
        """
        Send waiting entries now, without waiting for more, and return how many messages remain unsettled.

        :param timeout_seconds: for how long to try
        """
        deadline = self.clock() + timeout_seconds
        with self._lock:
            self.entries.flush(self.clock())
        while self._send_next():
            pass
        with self._lock:
            while self.entries.count and self.clock() < deadline:
                self._sent.wait(max(0.0, deadline - self.clock()))
            return self.entries.count

    def _find_worthy(self) -> int:
        """Return how many entries are worth a call."""
        # Wait for one batch more per batch under way: fewer threads disturb the handlers less.
        return MAX_BATCH_ENTRIES * (1 + len(self.entries.sending)) if self.reactor.is_using_threads else 0

    def _send_next(self) -> bool:
        """Send one batch, if one must be sent and may be, and return whether it was."""
        with self._lock:
            batch = self.entries.pop_batch(self.clock())
        if not batch:
            return False
        try:
            self._send(batch)
        except Exception as error:
            # A client is user code: what it cannot even begin has failed too.
            self._answered(batch, failed(error))
        return True

    def _send(self, batch: Batch) -> None:
        if batch[0].given_up is not None:
            self.reactor.run(partial(self._send_dead_letters, batch))
        elif batch[0].timeout is None or self.keeper.try_to_stop(settlement.message for settlement in batch):
            self._call(batch)
        else:
            self.reactor.run(partial(self._release, batch))

    def _release(self, batch: Batch) -> None:
        # An extension after this would hide them again.
        self.keeper.stop_extending(settlement.message for settlement in batch)
        self._call(batch)

    def _call(self, batch: Batch) -> None:
        method, call = self.consumer.calls.settle([(settlement.message, settlement.timeout) for settlement in batch])
        self.reactor.call(method, call, partial(self._answered, batch))

    def _note_due(self) -> float | None:
        """Return when something is due, if the reactor does not look by then; with the lock held."""
        due = self.entries.find_due()
        if due >= self._runs_at:
            return None
        self._runs_at = due
        return due

    # These read the answers.

    def _answered(self, batch: Batch, get: Callable[[], BatchAnswer]) -> None:
        """Read the queue's answer."""
        try:
            refused = {id(refusal.entry[0]): refusal for refusal in read_refusals(self.consumer, batch, get)}
            for settlement in batch:
                refusal = refused.get(id(settlement.message))
                if refusal is None:
                    self._settled(settlement)
                else:
                    self._refuse(settlement, refusal)
        finally:
            self._ended(batch)

    def _settled(self, settlement: Settlement) -> None:
        if settlement.timeout is None:
            self.keeper.forget(settlement.message)
            if self.undeleted.counts:
                self.undeleted.forget(settlement.message.message_id)

    def _refuse(self, settlement: Settlement, refusal: Refusal) -> None:
        message = settlement.message
        delay = growing_delay(settlement.attempts, MIN_RETRY_SECONDS, MAX_RETRY_SECONDS, self.random)
        due = self.clock() + delay
        is_lasting = refusal.code in LOST_CODES or refusal.code in LASTING_ERRORS
        if not is_lasting and due < message.lease.deadline:
            with self._lock:
                self.entries.refuse(settlement, due)
            return
        self.keeper.forget(message)
        if settlement.timeout is None:
            self.undeleted.add(message.message_id)
        self.failures += 1
        logger.error("%s", refusal.error)
        self._on_failure(message)

    def _send_dead_letters(self, batch: Batch) -> None:
        """Send messages to the dead-letter queue, and have those deleted that it took."""
        try:
            given_up = [settlement.given_up for settlement in batch if settlement.given_up is not None]
            sent, kept = send_dead_letters(self.consumer, given_up)
            for message in sent:
                self.add(message, None)
            timeouts = [(each.message, each.timeout) for each in kept]
            for failure in self.nack_batch(timeouts, self.consumer.growing_seconds):
                logger.error("%s", failure)
        finally:
            self._ended(batch)

    def _ended(self, batch: Batch) -> None:
        """Go on after a call."""
        with self._lock:
            self.entries.end(batch)
            if self.entries.is_flushing:
                self._sent.notify_all()
        self.admission.tell_of_room()
        while self._send_next():
            pass
        with self._lock:
            due = self._note_due()
        if due is not None:
            # The reactor may sleep for long, and a slot may have taken the answer.
            self.reactor.wake_by(due)
