"""
The threads that receive messages: as many as the queue has work for, and the slots have room for.

Each asks for what there is room for, and waits for it in one long poll. While answers come back full, and there is
room and time to handle more, one more thread asks; when one comes back empty, one thread alone goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from logging import getLogger
from random import Random
from threading import Condition, Lock, Thread
from time import monotonic, process_time
from uuid import uuid4

from microcosm_pubsub.constants import FIFO_SUFFIX
from microcosm_pubsub.consumer import SQSConsumer
from microcosm_pubsub.errors import QueueAccessError, ReceiveError
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.worker.breaker import Breaker
from microcosm_pubsub.worker.buffer import Buffer


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
    Tell whether Python has a processor's worth of work already, so that more threads would only get in its way.

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


class Pollers:
    """
    Receive messages.

    :param consumer: of the queue
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
        self.buffer = buffer
        self.breaker = breaker
        self.accept = accept
        self.visibility_timeout_seconds = visibility_timeout_seconds
        self.max_pollers = max_pollers
        self.clock = clock
        self.random = random or Random()
        self.load = Load(clock)
        self.fifo = consumer.sqs_queue_url.endswith(FIFO_SUFFIX)
        self._changed = Condition(Lock())
        self._left = max_messages
        self._stopping = False
        self._paused = False
        #: since when each poller has been waiting for an answer, and since when none has come
        self._asking_since: dict[int, float] = {}
        self._failing_since: float | None = None
        self.threads: list[Thread] = []
        #: how many pollers may receive
        self.active = 1
        #: how many receives failed, and how many came back empty, one after another
        self.failed_receives = 0
        self.empty_receives = 0
        self._empty_at = 0.0
        #: why there is nothing more to receive
        self.error: BaseException | None = None

    def start(self) -> None:
        """Begin to receive."""
        self._start_thread()

    def stop(self) -> None:
        """Receive no more, after the receives that are under way."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def pause(self, paused: bool) -> None:
        """Receive no more until told otherwise, after the receives that are under way."""
        with self._changed:
            self._paused = paused
            self._failing_since = None
            self._changed.notify_all()

    def wake(self) -> None:
        """Let those that wait look again whether they may receive."""
        with self._changed:
            self._changed.notify_all()

    @property
    def has_ended(self) -> bool:
        """Tell whether no thread is left that receives."""
        return not any(thread.is_alive() for thread in self.threads)

    @property
    def has_received_all(self) -> bool:
        """Tell whether as many messages were received as there may be."""
        return self._left == 0 and not self._asking_since

    @property
    def oldest_seconds(self) -> float:
        """Return for how long the poller that has gone longest without an answer has been asking."""
        since = list(self._asking_since.values())
        return max(0.0, self.clock() - min(since)) if since else 0.0

    # what the threads do

    def run(self, index: int) -> None:
        """Receive until told to stop, or there is nothing more to receive."""
        attempt_id: str | None = None
        try:
            while self._wait_for_turn(index) and (count := self.buffer.reserve()):
                try:
                    attempt_id = self._poll(index, count, attempt_id)
                finally:
                    self.buffer.unreserve(count)
        except BaseException as error:
            # this thread's end, whatever it is: the worker ends, and says why
            self._fail(error)

    def _poll(self, index: int, count: int, attempt_id: str | None) -> str | None:
        """Receive once, and return the attempt's name if it is to be tried again."""
        count = self._permit(count)
        if count == 0:
            return attempt_id
        retried = attempt_id is not None
        if attempt_id is None and self.fifo:
            attempt_id = str(uuid4())
        started = self.clock()
        self._asking_since[index] = started if self._failing_since is None else self._failing_since
        try:
            messages = self._receive(count, attempt_id, started)
        except ReceiveError as error:
            if isinstance(error, QueueAccessError):
                raise
            self._failing_since = self._asking_since[index]
            self._give_back(count)
            self._wait_after(error)
            # once: when its messages have changed since, the queue refuses the same attempt
            return None if retried else attempt_id
        finally:
            del self._asking_since[index]
        self._adapt(len(messages), count, started)
        return None

    def _receive(self, count: int, attempt_id: str | None, started: float) -> Sequence[SQSMessage]:
        messages = self.consumer.receive(count, self.visibility_timeout_seconds, attempt_id)
        self._failing_since = None
        self.failed_receives = 0
        self._give_back(count - len(messages))
        if messages:
            self.accept(messages, started)
        return messages

    def _wait_for_turn(self, index: int) -> bool:
        """Wait until this thread may receive, and return whether it still is to."""
        with self._changed:
            while not self._stopping:
                if index < self.active and not self._paused and self._left != 0 and self.breaker.limit() != 0:
                    return True
                self._changed.wait()
            return False

    def _permit(self, count: int) -> int:
        """Return how many of so many messages may be received after all."""
        with self._changed:
            if self._stopping or self._paused:
                return 0
            limit = self.breaker.limit()
            count = min([count, *(most for most in (limit, self._left) if most is not None)])
            if self._left is not None:
                self._left -= count
            if limit and count:
                self.breaker.probe(began=True)
            return count

    def _give_back(self, count: int) -> None:
        if count:
            with self._changed:
                if self._left is not None:
                    self._left += count
                    # others may have waited since there was nothing left
                    self._changed.notify_all()
                if self.breaker.limit() == 0:
                    self.breaker.probe(began=False)

    def _adapt(self, received: int, asked: int, started: float) -> None:
        """Choose how many threads receive, and do not ask an empty queue too often."""
        with self._changed:
            if received:
                self.empty_receives = 0
                if self.load.is_full():
                    self.active = max(1, self.active - 1)
                elif received >= asked and self.active < self.max_pollers and self.buffer.has_room:
                    self.active += 1
                    self._changed.notify_all()
                    if self.active > len(self.threads):
                        self._start_thread()
                return
            if started >= self._empty_at:
                # not those that were under way together: a moment is no long time
                self.empty_receives += 1
                self._empty_at = self.clock()
            self.active = 1
            self._wait(MIN_EMPTY_POLL_SECONDS - (self.clock() - started))

    def _wait_after(self, error: ReceiveError) -> None:
        with self._changed:
            self.active = 1
            bound = min(MAX_RETRY_SECONDS, MIN_RETRY_SECONDS * 2 ** min(self.failed_receives, 16))
            self.failed_receives += 1
            seconds = bound / 2 + self.random.uniform(0, bound / 2)
            logger.warning("%s; trying again in %.1f s (failed receives: %d)", error, seconds, self.failed_receives)
            self._wait(seconds)

    def _wait(self, seconds: float) -> None:
        """Wait, unless told to stop; with the lock held."""
        deadline = self.clock() + seconds
        while not self._stopping and (left := deadline - self.clock()) > 0:
            self._changed.wait(left)

    def _start_thread(self) -> None:
        index = len(self.threads)
        thread = Thread(target=self.run, args=(index,), name=f"poller-{index}", daemon=True)
        self.threads.append(thread)
        thread.start()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            # the first one tells most
            self.error = self.error or error
            self._stopping = True
            self._changed.notify_all()
