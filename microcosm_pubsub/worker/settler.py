"""
Deletes and visibility changes, gathered into batch calls.

An entry waits a moment for others of its kind, at most ten to a call. What the queue refuses for a passing reason is
tried again while the lease lasts. A delete that failed for good is remembered, so that the message is deleted and
not handled again when it comes back.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from logging import getLogger
from math import inf
from random import Random
from threading import Condition, Lock
from time import monotonic
from typing import Any

from microcosm_pubsub.clients import LASTING_ERRORS
from microcosm_pubsub.constants import MAX_BATCH_ENTRIES
from microcosm_pubsub.consumer import GivenUp, Refusal, SQSConsumer, settle_error
from microcosm_pubsub.errors import SettleError
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.worker.keeper import LOST_CODES, Keeper
from microcosm_pubsub.worker.reactor import Reactor, failed


logger = getLogger(__name__)

#: An entry waits so long for others, in seconds.
#: https://docs.awspring.io/spring-cloud-aws/docs/current/reference/html/index.html#acknowledging-messages
MAX_DELAY_SECONDS = 0.05

#: The wait before a refused entry is tried again: doubled each time, within these bounds, half of it random.
MIN_RETRY_SECONDS = 0.2
MAX_RETRY_SECONDS = 10.0

#: So many messages are remembered that could not be deleted.
MAX_REMEMBERED = 10_000


@dataclass(slots=True, eq=False)
class Pending:
    """
    What is to become of a message.

    :param timeout: after how many seconds it becomes visible; None deletes it
    :param due: when it is to be settled at the latest
    :param since: when it was added
    :param given_up: why it goes to the dead-letter queue before it is deleted, if it does
    """

    message: SQSMessage
    timeout: int | None
    due: float
    since: float
    given_up: GivenUp | None = None
    attempts: int = 0


class Settler:
    """
    Settle messages in batches.

    :param consumer: of the queue
    :param reactor: makes the calls
    :param keeper: of the messages' leases
    :param max_settlers: at most this many calls at a time
    :param on_failure: is told of each message that was not settled
    :param on_sent: is called when a call has ended
    :param clock: a monotonic clock, in seconds
    """

    def __init__(
        self,
        consumer: SQSConsumer,
        reactor: Reactor,
        keeper: Keeper,
        max_settlers: int,
        on_failure: Callable[[SQSMessage], None] = lambda message: None,
        on_sent: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = monotonic,
        random: Random | None = None,
    ) -> None:
        self.consumer = consumer
        self.reactor = reactor
        self.keeper = keeper
        self.max_settlers = max_settlers
        self.on_failure = on_failure
        self.on_sent = on_sent
        self.clock = clock
        self.random = random or Random()
        self._lock = Lock()
        self._sent = Condition(self._lock)
        self._deletes = deque[Pending]()
        self._changes = deque[Pending]()
        self._dead_letters = deque[Pending]()
        self._queues = (self._deletes, self._changes, self._dead_letters)
        self._refused: list[Pending] = []
        self._sending: list[list[Pending]] = []
        #: when the reactor will look at what is due
        self._look_at = inf
        self._flushing = False
        self._undeleted: OrderedDict[str, None] = OrderedDict()

    def ack_batch(self, messages: Iterable[SQSMessage]) -> list[SettleError]:
        """Delete messages soon; what the queue does not take is logged then."""
        for message in messages:
            self.add(message, None)
        return []

    def nack_batch(
        self,
        messages: Iterable[tuple[SQSMessage, int | None]],
        compute_seconds: Callable[[SQSMessage, int | None], int] | None = None,
    ) -> list[SettleError]:
        """
        Make messages visible again soon; what the queue does not take is logged then.

        :param messages: each with the seconds after which it becomes visible, or None for the backoff policy's
        :param compute_seconds: computes them, if the backoff policy does not
        :returns: an error for each whose backoff policy failed, which stays hidden until its lease runs out
        """
        errors: list[SettleError] = []
        for message, timeout in messages:
            try:
                # not None, which would delete it
                seconds = int((compute_seconds or self.consumer.backoff_seconds)(message, timeout))
            except Exception as error:
                # a policy is foreign code: what it raises concerns this message alone
                logger.exception("The backoff policy failed")
                self.keeper.drop_one(message)
                errors.append(settle_error("release", message, f"its backoff policy raised {type(error).__name__}"))
            else:
                self.add(message, seconds)
        return errors

    def dead_letter_batch(self, messages: Iterable[GivenUp]) -> list[SettleError]:
        """Send messages to the dead-letter queue soon, and delete them then; what is not taken is logged then."""
        for given_up in messages:
            self.add(given_up.message, None, given_up)
        return []

    def add(self, message: SQSMessage, timeout: int | None, given_up: GivenUp | None = None) -> None:
        """
        Settle a message soon: delete it, or make it visible after so many seconds.

        :param given_up: why it goes to the dead-letter queue before it is deleted, if it does
        """
        if message.settled:
            # by its handler
            self.keeper.drop_one(message)
            return
        with self._lock:
            now = self.clock()
            due = now + MAX_DELAY_SECONDS
            entry = Pending(message, timeout, due, now, given_up)
            entries = self._queue_of(entry)
            entries.append(entry)
            is_full = len(entries) >= MAX_BATCH_ENTRIES * (1 + self._patience())
            is_first = due < self._look_at
        if is_full or self._flushing:
            self._send_next()
        elif is_first:
            self._have_looked_at()

    def look(self) -> float | None:
        """Send what is due, and return after how many seconds more will be; None if nothing waits, or for a call."""
        self._send_due()
        with self._lock:
            self._look_at = self._first_due()
            return None if self._look_at == inf else max(0.0, self._look_at - self.clock())

    def is_done(self, message: SQSMessage) -> bool:
        """Return whether a received message was handled before, and could not be deleted then."""
        return bool(self._undeleted) and message.message_id in self._undeleted

    @property
    def pending(self) -> int:
        """Return how many messages are not settled yet."""
        # without the lock: it is asked for again and again, and about is enough
        return self._count_pending()

    @property
    def oldest_seconds(self) -> float:
        """Return for how long the oldest entry has been waiting."""
        with self._lock:
            waiting = [entries[0].since for entries in self._queues if entries]
            refused = [entry.since for entry in self._refused]
            sending = [entry.since for batch in self._sending for entry in batch]
            return max(0.0, self.clock() - min(waiting + refused + sending, default=self.clock()))

    def flush(self, timeout_seconds: float) -> int:
        """
        Send what waits now, without waiting for more, and return how many messages remain unsettled.

        :param timeout_seconds: for how long to try
        """
        deadline = self.clock() + timeout_seconds
        with self._lock:
            self._flushing = True
            for entry in self._refused:
                entry.due = self.clock()
        self._send_due()
        with self._lock:
            while self._count_pending() and self.clock() < deadline:
                self._sent.wait(max(0.0, deadline - self.clock()))
            return self._count_pending()

    # inside; with the lock held

    def _count_pending(self) -> int:
        return sum(map(len, self._queues)) + len(self._refused) + sum(map(len, self._sending))

    def _patience(self) -> int:
        """Return how many batches wait for others that are being sent."""
        # fewer threads disturb the handlers less; what takes none is sent at once
        return len(self._sending) if self.reactor.threads.busy else 0

    def _pop_batch(self) -> list[Pending]:
        now = self.clock()
        self._requeue(now)
        queues = [entries for entries in self._queues if entries]
        # the one that waits for longest first, so that neither waits for the other's end
        for entries in sorted(queues, key=lambda entries: entries[0].due):
            if len(entries) >= MAX_BATCH_ENTRIES or entries[0].due <= now or self._flushing:
                return [entries.popleft() for _ in range(min(len(entries), MAX_BATCH_ENTRIES))]
        return []

    def _queue_of(self, entry: Pending) -> deque[Pending]:
        if entry.given_up is not None:
            return self._dead_letters
        return self._deletes if entry.timeout is None else self._changes

    def _requeue(self, now: float) -> None:
        """Put refused entries whose wait is over in front of the others."""
        if not self._refused:
            return
        due = [entry for entry in self._refused if entry.due <= now]
        self._refused = [entry for entry in self._refused if entry.due > now]
        for entry in reversed(due):
            self._queue_of(entry).appendleft(entry)

    def _first_due(self) -> float:
        """Return when something is to be sent, if nothing else happens before."""
        if len(self._sending) >= self.max_settlers:
            # when one of them has ended
            return inf
        dues = [entries[0].due for entries in self._queues if entries]
        dues += [entry.due for entry in self._refused]
        return min(dues, default=inf)

    # inside; without the lock

    def _send_due(self) -> None:
        while self._send_next():
            pass

    def _have_looked_at(self) -> None:
        """Have the reactor look in time at what waits."""
        with self._lock:
            first_due = self._first_due()
            is_first = first_due < self._look_at
            if is_first:
                self._look_at = first_due
        if is_first:
            self.reactor.wake_by(first_due)

    def _send_next(self) -> bool:
        """Send one batch, if one is to be sent and may be, and return whether it was."""
        with self._lock:
            batch = self._pop_batch() if len(self._sending) < self.max_settlers else []
            if not batch:
                return False
            self._sending.append(batch)
        try:
            self._send(batch)
        except Exception as error:
            # a client is foreign code: what it cannot even begin has failed too
            self._finish(batch, partial(self._read, failed(error)))
        return True

    def _send(self, batch: list[Pending]) -> None:
        if batch[0].given_up is not None:
            self.reactor.run(partial(self._finish, batch, self._send_dead_letters))
        elif batch[0].timeout is None or self.keeper.try_to_drop(entry.message for entry in batch):
            self._call(batch)
        else:
            self.reactor.run(partial(self._release, batch))

    def _release(self, batch: list[Pending]) -> None:
        # an extension after this would hide them again
        self.keeper.drop(entry.message for entry in batch)
        self._call(batch)

    def _call(self, batch: list[Pending]) -> None:
        method, call = self.consumer.calls.settle([(entry.message, entry.timeout) for entry in batch])
        self.reactor.call(method, call, lambda get: self._finish(batch, partial(self._read, get)))

    def _finish(self, batch: list[Pending], finish: Callable[[list[Pending]], None]) -> None:
        """Finish what became of a batch, whatever it was."""
        try:
            finish(batch)
        finally:
            with self._lock:
                self._sending.remove(batch)
                self._sent.notify_all()
            self.on_sent()
            self._send_due()
            self._have_looked_at()

    def _read(self, get: Callable[[], Any], batch: list[Pending]) -> None:
        """Read what the queue answered."""
        try:
            refusals = self.consumer.calls.read_refusals([(entry.message, entry.timeout) for entry in batch], get)
        except Exception as error:
            # a client is foreign code, and what is settled here was handled elsewhere: it concerns this batch alone
            logger.exception("Cannot settle %d messages", len(batch))
            code = type(error).__name__
            refusals = [
                Refusal(
                    (entry.message, entry.timeout),
                    settle_error("delete" if entry.timeout is None else "release", entry.message, code),
                    try_alone=False,
                    code=code,
                )
                for entry in batch
            ]
        refused = {id(refusal.entry[0]): refusal for refusal in refusals}
        for entry in batch:
            refusal = refused.get(id(entry.message))
            if refusal is None:
                self._settled(entry)
            else:
                self._refuse(entry, refusal)

    def _send_dead_letters(self, batch: list[Pending]) -> None:
        """Send messages to the dead-letter queue, and have those deleted that it took."""
        try:
            sent, errors = self.consumer.send_dead_letters(
                [entry.given_up for entry in batch if entry.given_up is not None]
            )
        except Exception:
            # a client is foreign code, and what is settled here was handled elsewhere: it concerns this batch alone
            logger.exception("Cannot send %d messages to the dead-letter queue", len(batch))
            sent, errors = [], []
        for error in errors:
            logger.error("%s", error)
        for entry in batch:
            if entry.message in sent:
                self.add(entry.message, None)
                continue
            # it goes back, and may be taken by the queue's own redrive policy, or by us when it comes again
            timeout = entry.given_up.timeout if entry.given_up is not None else None
            for failure in self.nack_batch([(entry.message, timeout)], self.consumer.growing_seconds):
                logger.error("Cannot tell when message %s is to come again", entry.message.message_id, exc_info=failure)

    def _settled(self, entry: Pending) -> None:
        if entry.timeout is None:
            self.keeper.drop_one(entry.message)
            if self._undeleted:
                self._undeleted.pop(str(entry.message.message_id), None)

    def _refuse(self, entry: Pending, refusal: Refusal) -> None:
        now = self.clock()
        bound = min(MAX_RETRY_SECONDS, MIN_RETRY_SECONDS * 2 ** min(entry.attempts, 16))
        entry.attempts += 1
        entry.due = now + bound / 2 + self.random.uniform(0, bound / 2)
        lasting = refusal.code in LOST_CODES or refusal.code in LASTING_ERRORS
        if not lasting and entry.due < entry.message.lease.deadline:
            with self._lock:
                self._refused.append(entry)
            return
        self.keeper.drop_one(entry.message)
        if entry.timeout is None and entry.message.message_id is not None:
            self._undeleted[entry.message.message_id] = None
            while len(self._undeleted) > MAX_REMEMBERED:
                self._undeleted.popitem(last=False)
        logger.error("%s", refusal.error)
        self.on_failure(entry.message)
