"""
The receives of a worker: as many at a time as the queue has work for, and the slots have room for.

Each asks for what there is room for, and waits for it in one long poll. While answers come back full, and there is
room and time to handle more, one more is begun; when one comes back empty, one alone goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from logging import getLogger
from math import inf
from random import Random
from threading import Lock
from time import monotonic, process_time
from typing import Any
from uuid import uuid4

from microcosm_pubsub.constants import FIFO_SUFFIX, MAX_RECEIVE_MESSAGES
from microcosm_pubsub.consumer import SQSConsumer
from microcosm_pubsub.errors import QueueAccessError, ReceiveError
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.worker.breaker import Breaker
from microcosm_pubsub.worker.buffer import Buffer
from microcosm_pubsub.worker.reactor import Reactor, failed


logger = getLogger(__name__)

#: The wait before another receive after failed ones: doubled each time, within these bounds, half of it random.
MIN_RETRY_SECONDS = 0.5
MAX_RETRY_SECONDS = 30.0

#: A queue that answers at once that it is empty is not asked more often than this.
MIN_EMPTY_POLL_SECONDS = 0.25

#: How often the load is measured, and what share of one processor is all that Python's lock lets threads have.
LOAD_SECONDS = 0.1
FULL_LOAD = 0.75

#: Takes received messages, with the time at which their receive began.
Accept = Callable[[Sequence[SQSMessage], float], None]


class Load:
    """
    Return whether Python has a processor's worth of work already, so that more threads would only get in its way.

    :param clock: a monotonic clock, in seconds
    :param cpu_clock: the processor time of this process, in seconds
    """

    def __init__(self, clock: Callable[[], float] = monotonic, cpu_clock: Callable[[], float] = process_time) -> None:
        self.clock = clock
        self.cpu_clock = cpu_clock
        self._since = clock()
        self._cpu_since = cpu_clock()
        self._full = False

    def is_full(self) -> bool:
        """Return what the last tenth of a second told."""
        now = self.clock()
        if now - self._since >= LOAD_SECONDS:
            cpu = self.cpu_clock()
            self._full = cpu - self._cpu_since >= FULL_LOAD * (now - self._since)
            self._since, self._cpu_since = now, cpu
        return self._full


@dataclass(slots=True, eq=False)
class Asking:
    """
    A receive that is under way.

    :param count: how many messages were asked for
    :param attempt_id: names it, on a FIFO queue
    :param is_retry: whether one of that name failed before
    :param started: when it began
    :param since: since when no receive was answered
    """

    count: int
    attempt_id: str | None
    is_retry: bool
    started: float
    since: float


class Pollers:
    """
    Receive messages.

    :param consumer: of the queue
    :param reactor: makes the calls
    :param buffer: tells how many messages there is room for
    :param breaker: tells whether any may be received
    :param accept: takes received messages, with the time at which their receive began
    :param visibility_timeout_seconds: for how long a receive hides its messages; None leaves that to the queue
    :param max_pollers: at most this many receives at a time
    :param max_messages: in all, at most this many messages are received
    :param clock: a monotonic clock, in seconds
    """

    def __init__(
        self,
        consumer: SQSConsumer,
        reactor: Reactor,
        buffer: Buffer,
        breaker: Breaker,
        accept: Accept,
        visibility_timeout_seconds: int | None,
        max_pollers: int,
        max_messages: int | None = None,
        clock: Callable[[], float] = monotonic,
        random: Random | None = None,
    ) -> None:
        self.consumer = consumer
        self.reactor = reactor
        self.buffer = buffer
        self.breaker = breaker
        self.accept = accept
        self.visibility_timeout_seconds = visibility_timeout_seconds
        self.max_pollers = max_pollers
        self.clock = clock
        self.random = random or Random()
        self.load = Load(clock)
        self.fifo = consumer.sqs_queue_url.endswith(FIFO_SUFFIX)
        self._lock = Lock()
        self._left = max_messages
        self._stopping = False
        self._paused = False
        self._asking: set[Asking] = set()
        self._failing_since: float | None = None
        #: the names of receives that are to be tried again
        self._again = deque[str]()
        #: before that, none begins
        self._next_at = -inf
        #: how many receives may be under way
        self.active = 1
        #: how many receives failed, and how many came back empty, one after another
        self.failed_receives = 0
        self.empty_receives = 0
        self._empty_at = 0.0
        #: why there is nothing more to receive
        self.error: BaseException | None = None

    def look(self) -> float | None:
        """Begin the receives that may begin, and return after how many seconds another one may; None if not by then."""
        while (asking := self._next()) is not None:
            self._ask(asking)
        wait = self._next_at - self.clock()
        return wait if wait > 0 else None

    def stop(self) -> None:
        """Receive no more, after the receives that are under way."""
        with self._lock:
            self._stopping = True

    def pause(self, paused: bool) -> None:
        """Receive no more until told otherwise, after the receives that are under way."""
        with self._lock:
            self._paused = paused
            self._failing_since = None
        self.look()

    @property
    def has_ended(self) -> bool:
        """Return whether no receive is under way, and none will be."""
        return self._stopping and not self._asking

    @property
    def has_received_all(self) -> bool:
        """Return whether as many messages were received as there may be."""
        return self._left == 0 and not self._asking

    @property
    def oldest_seconds(self) -> float:
        """Return for how long the receive that has gone longest without an answer has been asking."""
        since = [asking.since for asking in list(self._asking)]
        return max(0.0, self.clock() - min(since)) if since else 0.0

    # one receive

    def _next(self) -> Asking | None:
        """Return a receive to begin, if one may."""
        with self._lock:
            now = self.clock()
            if self._stopping or self._paused or len(self._asking) >= self.active or now < self._next_at:
                return None
            most = self._most()
            count = self.buffer.reserve(most) if most else 0
            if count == 0:
                return None
            self._count_off(count)
            is_retry = bool(self._again)
            attempt_id = None
            if self.fifo:
                attempt_id = self._again.popleft() if is_retry else str(uuid4())
            since = now if self._failing_since is None else self._failing_since
            asking = Asking(count, attempt_id, is_retry, now, since)
            self._asking.add(asking)
            return asking

    def _most(self) -> int:
        """Return how many messages may be received; with the lock held."""
        return min(most for most in (MAX_RECEIVE_MESSAGES, self.breaker.limit(), self._left) if most is not None)

    def _count_off(self, count: int) -> None:
        """Note that so many messages are being received; with the lock held."""
        if self._left is not None:
            self._left -= count
        if self.breaker.limit() is not None:
            self.breaker.probe(began=True)

    def _ask(self, asking: Asking) -> None:
        call = self.consumer.calls.receive(asking.count, self.visibility_timeout_seconds, asking.attempt_id)
        try:
            self.reactor.call("receive_message", call, partial(self._answered, asking))
        except BaseException as error:
            # a client is foreign code: what it cannot even begin has failed too
            self._answered(asking, failed(error))

    def _answered(self, asking: Asking, get: Callable[[], Any]) -> None:
        """Take what came of a receive, and begin others."""
        try:
            self._take(asking, get)
        except BaseException as error:
            # whatever it is, it is not ours to decide: the worker ends, and says why
            self._fail(error)
        finally:
            with self._lock:
                self._asking.discard(asking)
            self.buffer.unreserve(asking.count)
        self.look()

    def _take(self, asking: Asking, get: Callable[[], Any]) -> None:
        try:
            messages = self.consumer.read_messages(get)
        except ReceiveError as error:
            if isinstance(error, QueueAccessError):
                raise
            self._failed(asking, error)
            return
        self._failing_since = None
        self.failed_receives = 0
        self._give_back(asking.count - len(messages))
        if messages:
            self.accept(messages, asking.started)
        self._adapt(len(messages), asking)

    def _failed(self, asking: Asking, error: ReceiveError) -> None:
        self._give_back(asking.count)
        with self._lock:
            self._failing_since = asking.since
            if asking.attempt_id is not None and not asking.is_retry:
                # once: when its messages have changed since, the queue refuses the same attempt
                self._again.append(asking.attempt_id)
            self.active = 1
            bound = min(MAX_RETRY_SECONDS, MIN_RETRY_SECONDS * 2 ** min(self.failed_receives, 16))
            self.failed_receives += 1
            seconds = bound / 2 + self.random.uniform(0, bound / 2)
            logger.warning("%s; trying again in %.1f s (failed receives: %d)", error, seconds, self.failed_receives)
            self._wait(seconds)

    def _give_back(self, count: int) -> None:
        """Let messages be asked for again that did not come."""
        if count:
            with self._lock:
                if self._left is not None:
                    self._left += count
                if self.breaker.limit() == 0:
                    self.breaker.probe(began=False)

    def _adapt(self, received: int, asking: Asking) -> None:
        """Choose how many receives may be under way, and do not ask an empty queue too often."""
        with self._lock:
            if received:
                self.empty_receives = 0
                if self.reactor.threads.busy and self.load.is_full():
                    self.active = max(1, self.active - 1)
                elif received >= asking.count and self.active < self.max_pollers and self.buffer.has_room:
                    self.active += 1
                return
            if asking.started >= self._empty_at:
                # not those that were under way together: a moment is no long time
                self.empty_receives += 1
                self._empty_at = self.clock()
            self.active = 1
            self._wait(MIN_EMPTY_POLL_SECONDS - (self.clock() - asking.started))

    def _wait(self, seconds: float) -> None:
        """Let no receive begin for a while; with the lock held."""
        if seconds > 0:
            self._next_at = self.clock() + seconds
            self.reactor.wake_by(self._next_at)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            # the first one tells most
            self.error = self.error or error
            self._stopping = True
