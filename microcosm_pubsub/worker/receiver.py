"""
The receives of a worker: as many at a time as the queue has work for, and as there is room for.

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
from time import monotonic
from uuid import uuid4

from microcosm_pubsub.constants import FIFO_SUFFIX
from microcosm_pubsub.consumer import SQSConsumer
from microcosm_pubsub.errors import QueueAccessError, ReceiveError
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.message.raw import ReceiveAnswer
from microcosm_pubsub.worker.admission import Admission
from microcosm_pubsub.worker.delays import growing_delay
from microcosm_pubsub.worker.load import Load
from microcosm_pubsub.worker.reactor import Reactor, failed
from microcosm_pubsub.worker.settings import MIN_EMPTY_SECONDS


logger = getLogger(__name__)

#: The bounds of the wait before another receive after failed ones.
MIN_RETRY_SECONDS = 0.5
MAX_RETRY_SECONDS = 30.0

#: Takes received messages, with the time at which their receive began.
Accept = Callable[[Sequence[SQSMessage], float], None]


@dataclass(frozen=True, slots=True, eq=False)
class ReceiveCall:
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


class Receiver:
    """
    Receive messages.

    :param consumer: of the queue
    :param reactor: makes the calls
    :param admission: decides how many messages to ask for
    :param accept: takes received messages, with the time at which their receive began
    :param visibility_timeout_seconds: for how long a receive hides its messages; None leaves that to the queue
    :param max_calls: at most this many receives at a time
    :param min_empty_seconds: a queue that answers at once that it is empty is not asked more often than this
    :param clock: a monotonic clock, in seconds
    """

    def __init__(
        self,
        consumer: SQSConsumer,
        reactor: Reactor,
        admission: Admission,
        accept: Accept,
        visibility_timeout_seconds: int | None,
        max_calls: int,
        min_empty_seconds: float = MIN_EMPTY_SECONDS,
        clock: Callable[[], float] = monotonic,
        random: Random | None = None,
    ) -> None:
        self.consumer = consumer
        self.reactor = reactor
        self.admission = admission
        self.accept = accept
        self.visibility_timeout_seconds = visibility_timeout_seconds
        self.max_calls = max_calls
        self.min_empty_seconds = min_empty_seconds
        self.clock = clock
        self.random = random or Random()
        self.load = Load(clock)
        self.fifo = consumer.sqs_queue_url.endswith(FIFO_SUFFIX)
        self._lock = Lock()
        self._is_stopped = False
        self._is_paused = False
        self._open: set[ReceiveCall] = set()
        self._failing_since: float | None = None
        #: The names of the receives to try once more.
        self._retry_attempts = deque[str]()
        #: No receive begins before this time.
        self._next_at = -inf
        #: The number of receives that may be under way.
        self.active = 1
        #: The number of receives in a row that failed, and that came back empty.
        self.failed_receives = 0
        self.empty_receives = 0
        self._empty_at = 0.0
        #: The reason why there is nothing more to receive.
        self.error: BaseException | None = None
        admission.subscribe(self.run_due)

    def run_due(self) -> float | None:
        """Begin the receives that may begin, and return after how many seconds another one may; None if not by then."""
        # No lock is needed: a thread that changes one of these comes here afterwards.
        while len(self._open) < self.active and self.admission.budget != 0:
            call = self._next()
            if call is None:
                break
            self._begin(call)
        wait = self._next_at - self.clock()
        return wait if wait > 0 else None

    def stop(self) -> None:
        """Receive no more, after the receives that are under way."""
        with self._lock:
            self._is_stopped = True

    def pause(self, paused: bool) -> None:
        """Receive no more until told otherwise, after the receives that are under way."""
        with self._lock:
            self._is_paused = paused
            self._failing_since = None
        self.run_due()

    @property
    def has_ended(self) -> bool:
        """Return whether no receive is under way, and none will be."""
        return self._is_stopped and not self._open

    @property
    def has_received_all(self) -> bool:
        """Return whether as many messages were received as there may be."""
        return self.admission.budget == 0 and not self._open

    @property
    def oldest_seconds(self) -> float:
        """Return for how long the receive that has gone longest without an answer has been asking."""
        since = [call.since for call in list(self._open)]
        return max(0.0, self.clock() - min(since)) if since else 0.0

    # These make one receive.

    def _next(self) -> ReceiveCall | None:
        """Return a receive to begin, if one may."""
        with self._lock:
            now = self.clock()
            if self._is_stopped or self._is_paused or len(self._open) >= self.active or now < self._next_at:
                return None
            count = self.admission.reserve()
            if count == 0:
                return None
            is_retry = bool(self._retry_attempts)
            attempt_id = None
            if self.fifo:
                attempt_id = self._retry_attempts.popleft() if is_retry else str(uuid4())
            since = now if self._failing_since is None else self._failing_since
            call = ReceiveCall(count, attempt_id, is_retry, now, since)
            self._open.add(call)
            return call

    def _begin(self, call: ReceiveCall) -> None:
        parameters = self.consumer.calls.receive(call.count, self.visibility_timeout_seconds, call.attempt_id)
        try:
            self.reactor.call("receive_message", parameters, partial(self._answered, call))
        except BaseException as error:
            # A client is user code: what it cannot even begin has failed too.
            self._answered(call, failed(error))

    def _answered(self, call: ReceiveCall, get: Callable[[], ReceiveAnswer]) -> None:
        """Take the answer of a receive, and begin others."""
        received = 0
        try:
            messages = self.consumer.read_messages(get)
            received = len(messages)
            if messages:
                self.accept(messages, call.started)
        except ReceiveError as error:
            if isinstance(error, QueueAccessError):
                self._fail(error)
            else:
                self._try_again(call, error)
        except BaseException as error:
            # Any other error is not the receiver's to judge: the worker ends, and says why.
            self._fail(error)
        else:
            self._adapt(call, received)
        finally:
            with self._lock:
                self._open.discard(call)
                self.admission.answered(call.count, received)
        self.run_due()

    def _adapt(self, call: ReceiveCall, received: int) -> None:
        """Choose how many receives may be under way, and do not ask an empty queue too often."""
        with self._lock:
            self._failing_since = None
            if self.failed_receives:
                queue = self.consumer.sqs_queue_url
                logger.warning("Receiving from %s again after %d failed receives", queue, self.failed_receives)
            self.failed_receives = 0
            if received:
                self.empty_receives = 0
                if self.reactor.is_using_threads and self.load.is_full():
                    self.active = max(1, self.active - 1)
                elif received >= call.count and self.active < self.max_calls and self.admission.has_room:
                    self.active += 1
                return
            if call.started >= self._empty_at:
                # Receives that were under way together count once: a moment is no long time.
                self.empty_receives += 1
                self._empty_at = self.clock()
            self.active = 1
            self._wait(self.min_empty_seconds - (self.clock() - call.started))

    def _try_again(self, call: ReceiveCall, error: ReceiveError) -> None:
        with self._lock:
            self._failing_since = call.since
            if call.attempt_id is not None and not call.is_retry:
                # Try the same attempt once: the queue refuses it when its messages have changed since.
                self._retry_attempts.append(call.attempt_id)
            self.active = 1
            seconds = growing_delay(self.failed_receives, MIN_RETRY_SECONDS, MAX_RETRY_SECONDS, self.random)
            self.failed_receives += 1
            logger.warning("%s; trying again in %.1f s (failed receives: %d)", error, seconds, self.failed_receives)
            self._wait(seconds)

    def _wait(self, seconds: float) -> None:
        """Let no receive begin for a while; with the lock held."""
        if seconds > 0:
            self._next_at = self.clock() + seconds
            self.reactor.wake_by(self._next_at)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            # The first error tells most.
            self.error = self.error or error
            self._is_stopped = True
