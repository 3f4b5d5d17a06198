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
from logging import getLogger
from random import Random
from threading import Condition, Lock
from time import monotonic

from microcosm_pubsub.clients import LASTING_ERRORS
from microcosm_pubsub.constants import MAX_BATCH_ENTRIES
from microcosm_pubsub.consumer import Refusal, SQSConsumer, settle_error
from microcosm_pubsub.errors import SettleError
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.worker.keeper import LOST_CODES, Keeper


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
class Entry:
    """What is to become of a message: None deletes it, a number makes it visible after so many seconds."""

    message: SQSMessage
    timeout: int | None
    due: float
    attempts: int = 0


class Settler:
    """
    Settle messages in batches.

    :param consumer: of the queue
    :param keeper: of the messages' leases
    :param on_failure: is told of each message that was not settled
    :param clock: a monotonic clock, in seconds
    """

    def __init__(
        self,
        consumer: SQSConsumer,
        keeper: Keeper,
        on_failure: Callable[[SQSMessage], None] = lambda message: None,
        clock: Callable[[], float] = monotonic,
        random: Random | None = None,
    ) -> None:
        self.consumer = consumer
        self.keeper = keeper
        self.on_failure = on_failure
        self.clock = clock
        self.random = random or Random()
        self._lock = Lock()
        self._changed = Condition(self._lock)
        self._sent = Condition(self._lock)
        self._deletes = deque[Entry]()
        self._changes = deque[Entry]()
        self._refused: list[Entry] = []
        self._sending = 0
        self._senders = 0
        #: until when a thread waits for what is first due
        self._timer_at: float | None = None
        self._flushing = False
        self._closed = False
        self._undeleted: OrderedDict[str, None] = OrderedDict()

    def ack_batch(self, messages: Iterable[SQSMessage]) -> list[SettleError]:
        """Delete messages soon; what the queue does not take is logged then."""
        for message in messages:
            self.add(message, None)
        return []

    def nack_batch(self, messages: Iterable[tuple[SQSMessage, int | None]]) -> list[SettleError]:
        """
        Make messages visible again soon; what the queue does not take is logged then.

        :param messages: each with the seconds after which it becomes visible, or None for the backoff policy's
        """
        for message, timeout in messages:
            self.add(message, self.consumer.backoff_seconds(message, timeout))
        return []

    def add(self, message: SQSMessage, timeout: int | None) -> None:
        """Settle a message soon: delete it, or make it visible after so many seconds."""
        if message.settled:
            # by its handler
            self.keeper.drop_one(message)
            return
        with self._lock:
            entries = self._deletes if timeout is None else self._changes
            due = self.clock() + MAX_DELAY_SECONDS
            entries.append(Entry(message, timeout, due))
            # Another thread is woken for a full batch, and while some send already, only for one that they leave
            # behind: fewer threads disturb the handlers less.
            full = len(entries) % MAX_BATCH_ENTRIES == 0 and len(entries) >= MAX_BATCH_ENTRIES * (1 + self._senders)
            if full or self._flushing or self._timer_at is None:
                self._changed.notify()
            elif due < self._timer_at:
                self._changed.notify_all()

    def is_done(self, message: SQSMessage) -> bool:
        """Tell whether a received message was handled before, and could not be deleted then."""
        return bool(self._undeleted) and message.message_id in self._undeleted

    @property
    def pending(self) -> int:
        """Return how many messages are not settled yet."""
        with self._lock:
            return self._count_pending()

    @property
    def oldest_seconds(self) -> float:
        """Return for how long the oldest entry has been waiting."""
        with self._lock:
            entries = [entries[0] for entries in (self._deletes, self._changes) if entries]
            # what was refused waits for its next attempt, and for the first it waited at least as long
            dues = [entry.due for entry in entries] + [entry.due for entry in self._refused]
            return max(0.0, self.clock() - min(dues) + MAX_DELAY_SECONDS) if dues else 0.0

    # what the threads do

    def run(self) -> None:
        """Send entries as they become due, until the settler is closed."""
        while (batch := self._wait_for_batch()) is not None:
            try:
                self._send(batch)
            finally:
                with self._lock:
                    self._sending -= len(batch)
                    self._senders -= 1
                    self._sent.notify_all()

    def _wait_for_batch(self) -> list[Entry] | None:
        with self._lock:
            while not (batch := self._pop_batch()):
                if self._closed:
                    return None
                self._wait()
            self._sending += len(batch)
            self._senders += 1
            if self._timer_at is None and self._first_due() is not None:
                # somebody must wait for the rest
                self._changed.notify()
            return batch

    def _wait(self) -> None:
        """Wait to be woken; one thread waits for what is first due, too."""
        first_due = self._first_due()
        if first_due is None or (self._timer_at is not None and self._timer_at <= first_due):
            self._changed.wait()
            return
        self._timer_at = first_due
        self._changed.wait(max(0.0, first_due - self.clock()))
        self._timer_at = None

    def flush(self, timeout_seconds: float) -> int:
        """
        Send what waits now, without waiting for more, and return how many messages remain unsettled.

        :param timeout_seconds: for how long to try
        """
        deadline = self.clock() + timeout_seconds
        with self._lock:
            self._flushing = True
            self._changed.notify_all()
            while self._count_pending() and self.clock() < deadline:
                self._sent.wait(max(0.0, deadline - self.clock()))
            return self._count_pending()

    def close(self) -> None:
        """Let the threads end."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()

    # inside; with the lock held

    def _count_pending(self) -> int:
        return len(self._deletes) + len(self._changes) + len(self._refused) + self._sending

    def _pop_batch(self) -> list[Entry]:
        now = self.clock()
        self._requeue(now)
        for entries in (self._deletes, self._changes):
            if entries and (len(entries) >= MAX_BATCH_ENTRIES or entries[0].due <= now or self._flushing):
                return [entries.popleft() for _ in range(min(len(entries), MAX_BATCH_ENTRIES))]
        return []

    def _requeue(self, now: float) -> None:
        """Put refused entries whose wait is over in front of the others."""
        if not self._refused:
            return
        due = [entry for entry in self._refused if entry.due <= now]
        self._refused = [entry for entry in self._refused if entry.due > now]
        for entry in reversed(due):
            (self._deletes if entry.timeout is None else self._changes).appendleft(entry)

    def _first_due(self) -> float | None:
        dues = [entries[0].due for entries in (self._deletes, self._changes) if entries]
        dues += [entry.due for entry in self._refused]
        return min(dues) if dues else None

    # inside; without the lock

    def _send(self, batch: list[Entry]) -> None:
        if batch[0].timeout is not None:
            # an extension after this would hide them again
            self.keeper.drop(entry.message for entry in batch)
        try:
            refusals = self.consumer.settle_chunk([(entry.message, entry.timeout) for entry in batch])
        except Exception as error:
            # a client is foreign code, and this thread settles what other threads handled: it must not end
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

    def _settled(self, entry: Entry) -> None:
        if entry.timeout is None:
            self.keeper.drop_one(entry.message)
            if self._undeleted:
                self._undeleted.pop(str(entry.message.message_id), None)

    def _refuse(self, entry: Entry, refusal: Refusal) -> None:
        now = self.clock()
        bound = min(MAX_RETRY_SECONDS, MIN_RETRY_SECONDS * 2 ** min(entry.attempts, 16))
        entry.attempts += 1
        entry.due = now + bound / 2 + self.random.uniform(0, bound / 2)
        lasting = refusal.code in LOST_CODES or refusal.code in LASTING_ERRORS
        if not lasting and not entry.message.lease.lost and entry.due < entry.message.lease.deadline:
            with self._lock:
                self._refused.append(entry)
                self._changed.notify_all()
            return
        self.keeper.drop_one(entry.message)
        if entry.timeout is None and entry.message.message_id is not None:
            self._undeleted[entry.message.message_id] = None
            while len(self._undeleted) > MAX_REMEMBERED:
                self._undeleted.popitem(last=False)
        logger.error("%s", refusal.error)
        self.on_failure(entry.message)
