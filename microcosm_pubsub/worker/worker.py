"""
The worker: many messages of one queue at once, each of them ours until it is settled.

    pollers -> keeper (leases) -> buffer (lanes) -> slots (run) -> settler (batches) -> observers
                     the reactor makes the calls of pollers and settler

The thread that calls `run` watches over the others, and ends them: it receives no more, hands back what nobody
has begun to handle, waits for the handlers that run, and sees to it that every message is settled.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from logging import getLogger
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import monotonic
from typing import TypeVar

from microcosm_pubsub.constants import MAX_BATCH_ENTRIES
from microcosm_pubsub.consumer import SQSConsumer
from microcosm_pubsub.dispatcher import SQSMessageDispatcher, judge, stays
from microcosm_pubsub.errors import EndOfInput, HandlerTimeout
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.reader import Reader
from microcosm_pubsub.result import MessageHandlingResult, MessageHandlingResultType
from microcosm_pubsub.types import Handlers
from microcosm_pubsub.worker.breaker import Breaker, State
from microcosm_pubsub.worker.buffer import Buffer, Unit
from microcosm_pubsub.worker.gauges import Gauges
from microcosm_pubsub.worker.keeper import Keeper
from microcosm_pubsub.worker.poller import Pollers
from microcosm_pubsub.worker.reactor import Reactor
from microcosm_pubsub.worker.receives import Receives
from microcosm_pubsub.worker.settings import Settings
from microcosm_pubsub.worker.settler import Settler
from microcosm_pubsub.worker.slots import Slot, Slots


logger = getLogger(__name__)

#: How often the worker looks after its threads, and its leases, in seconds.
WATCH_SECONDS = 0.25
MIN_KEEPER_SECONDS = 0.1

#: How long the receives under way may take longer than they should, and the last settling, when the worker ends.
GRACE_SECONDS = 5.0

SenderT = TypeVar("SenderT", bound=Callable[..., None])
Handled = list[tuple[SQSMessage, MessageHandlingResult]]


@dataclass(frozen=True, slots=True)
class Ending:
    """
    Why a worker ended.

    :param error: what made it end, if it was not asked to
    :param abandoned: how many handlers were still running
    :param unsettled: how many messages are hidden until their visibility timeout runs out
    """

    reason: str
    error: BaseException | None = None
    abandoned: int = 0
    unsettled: int = 0
    recycled: bool = False


class Worker:
    """
    Handle the messages of one queue, many at once.

    :param consumer: receives and settles
    :param dispatcher: runs handlers and tells observers
    :param settings: what an operator decides
    :param send_metrics: gets `read_gauges` about once a second
    :param clock: a monotonic clock, in seconds
    :raises ConfigurationError: if the settings contradict each other
    """

    def __init__(
        self,
        consumer: SQSConsumer,
        dispatcher: SQSMessageDispatcher,
        settings: Settings,
        send_metrics: Callable[[Mapping[str, float]], None] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.consumer = consumer
        self.dispatcher = dispatcher
        self.settings = settings
        self.clock = clock
        #: whether what is not settled comes again: it does not from a file
        self.has_leases = not isinstance(consumer.sqs_client, Reader)
        settings.check(consumer.wait_seconds, self.has_leases)
        self.routes = dispatcher.find_routes({})
        self.pausing: str | None = None
        self.ending: Ending | None = None
        self.started_at = clock()
        self._commands: SimpleQueue[str] = SimpleQueue()
        self._stop_keeper = Event()
        self._left_over = deque[SQSMessage]()
        visibility = settings.visibility_timeout_seconds
        self.keeper = Keeper(consumer, visibility, settings.max_lease_seconds, clock)
        self.reactor = Reactor(consumer.sqs_client, settings.max_pollers + settings.max_settlers, clock)
        self.settler = Settler(
            consumer,
            self.reactor,
            self.keeper,
            settings.max_settlers,
            on_failure=self._settle_failed,
            on_sent=lambda: self.buffer.tell_of_room(),
            clock=clock,
        )
        self.breaker = Breaker(
            settings.breaker_failure_share,
            settings.breaker_window_seconds,
            settings.breaker_min_results,
            settings.breaker_open_seconds,
            clock,
        )
        self.buffer = self._make_buffer()
        self.pollers = Pollers(
            consumer,
            self.reactor,
            self.buffer,
            self.breaker,
            self._accept,
            visibility if self.has_leases else None,
            # lines come one after another
            settings.max_pollers if self.has_leases else 1,
            settings.max_messages,
            clock,
        )
        self.slots = Slots(self.buffer, self, settings.concurrency, clock)
        self.receives = Receives(only_enabled(dispatcher.batch_metrics), clock)
        self.gauges = Gauges(only_enabled(send_metrics), self.read_gauges, clock)

    def _make_buffer(self) -> Buffer:
        settings = self.settings
        return Buffer(
            settings.concurrency,
            limit=self.consumer.limit,
            max_buffer_seconds=settings.max_buffer_seconds,
            max_buffer=settings.max_buffer,
            max_per_group=settings.max_per_group,
            count_unsettled=lambda: self.settler.pending,
            # as many as are under way, and as many again
            max_unsettled=max(settings.max_buffer, 2 * MAX_BATCH_ENTRIES * settings.max_settlers),
            on_room=lambda: self.pollers.look(),
            on_idle=self.reactor.take_over,
            clock=self.clock,
        )

    # what others ask of the worker, from any thread, and from signal handlers

    def stop(self) -> None:
        """End; asked again, without waiting for handlers."""
        # the one queue whose `put` a signal handler may call at any moment
        # https://docs.python.org/3/library/queue.html#queue.SimpleQueue.put
        self._commands.put("stop")

    def pause(self) -> None:
        """Receive no more until `resume`; what was received is handled."""
        self._commands.put("pause")

    def resume(self) -> None:
        """Receive again after `pause`."""
        self._commands.put("resume")

    def toggle(self) -> None:
        """Pause, or resume."""
        self._commands.put("toggle")

    @property
    def is_ready(self) -> bool:
        """Return whether messages are being received."""
        return self.ending is None and self.pausing is None and self.breaker.state is State.CLOSED

    def read_gauges(self) -> dict[str, float]:
        """Return what goes on, as numbers."""
        return {
            "worker_slots_busy": len(self.slots.busy),
            "worker_buffered": self.buffer.waiting,
            "worker_leases": len(self.keeper),
            "worker_abandoned": self.slots.abandoned,
            "worker_paused": int(self.pausing is not None or self.breaker.state is not State.CLOSED),
            "worker_pollers": self.pollers.active,
        }

    # the life of a worker

    def run(self, handlers: Handlers, on_watch: Callable[[], None] = lambda: None) -> Ending:
        """
        Handle messages until told to stop, or there is nothing more to do, and return why.

        :param handlers: the handler of each media type
        :param on_watch: is called several times a second
        :raises ConfigurationError: if a handler cannot work with the settings
        """
        self.routes = self.dispatcher.find_routes(handlers)
        options = {media_type: route.options for media_type, route in self.routes.routes.items()}
        self.settings.check_handlers(options, self.pollers.fifo, self.has_leases)
        self.started_at = self.clock()
        self._start()
        while self.ending is None:
            command = self._next_command()
            self.ending = Ending("told to stop") if command == "stop" else self._look(on_watch)
        return self._end(self.ending, on_watch)

    def _start(self) -> None:
        if self.has_leases:
            Thread(target=self._keep, name="keeper", daemon=True).start()
        self.slots.start()
        self.reactor.start(self.settler.look, self.pollers.look)

    def _keep(self) -> None:
        seconds = min(1.0, max(MIN_KEEPER_SECONDS, self.settings.visibility_timeout_seconds / 10))
        while not self._stop_keeper.wait(seconds):
            try:
                self.keeper.renew()
            except Exception:
                # a client is foreign code, and without this thread every lease would be lost
                logger.exception("Cannot extend leases")

    def _next_command(self) -> str | None:
        try:
            command = self._commands.get(timeout=WATCH_SECONDS)
        except Empty:
            return None
        if command == "toggle":
            command = "pause" if self.pausing is None else "resume"
        if command == "pause":
            logger.warning("Pausing: not receiving until resumed")
            self.pausing = "told to"
            self.pollers.pause(True)
        elif command == "resume":
            logger.warning("Resuming: receiving again")
            self.pausing = None
            self.pollers.pause(False)
        return command

    def _look(self, on_watch: Callable[[], None]) -> Ending | None:
        try:
            ending = self._watch()
            self.gauges()
            on_watch()
        except Exception as error:
            # a fault of ours, or a system without threads to give: messages are handed back before the end all the same
            logger.exception("Cannot look after the worker")
            return Ending(f"{type(error).__name__} while looking after the worker", error)
        return ending

    def _watch(self) -> Ending | None:
        """Look after the threads, and return why the worker is to end, if it is."""
        now = self.clock()
        busy = self.slots.busy
        self.buffer.note_stuck(sum(slot.seconds(now) > self.settings.max_buffer_seconds for slot in busy))
        for slot in busy:
            self._check_timeout(slot, now)
        if self.settings.breaker_failure_share is not None:
            # whatever its state: it may just have closed, and they may wait since it was open
            self.pollers.look()
        return self._find_ending(now)

    def _find_ending(self, now: float) -> Ending | None:
        settings = self.settings
        fault = self.slots.error or self.pollers.error or self.reactor.error
        if isinstance(fault, EndOfInput):
            return Ending(str(fault)) if self.buffer.is_empty else None
        if fault is not None:
            return Ending(str(fault), fault)
        if self.slots.abandoned > settings.max_abandoned:
            return Ending(
                f"{self.slots.abandoned} threads outlived the timeout of their handlers, "
                f"{settings.max_abandoned} may (pubsub_worker.max_abandoned)",
                HandlerTimeout("too many abandoned threads"),
            )
        if self.pollers.has_received_all and self.buffer.is_empty:
            return Ending(f"{settings.max_messages} messages handled (pubsub_worker.max_messages)", recycled=True)
        if settings.max_runtime_seconds is not None and now - self.started_at >= settings.max_runtime_seconds:
            return Ending(
                f"{settings.max_runtime_seconds:g} s have passed (pubsub_worker.max_runtime_seconds)", recycled=True
            )
        if settings.drain and self.pollers.empty_receives >= settings.drain_polls and self.buffer.is_empty:
            return Ending(f"the queue was empty {settings.drain_polls} times in a row")
        return None

    def _end(self, ending: Ending, on_watch: Callable[[], None]) -> Ending:
        logger.info("Ending: %s", ending.reason)
        self.pollers.stop()
        self._left_over += self.buffer.close()
        receives_end = self.clock() + self.consumer.wait_seconds + GRACE_SECONDS
        handlers_end = self.clock() + self.settings.shutdown_timeout_seconds
        handed_back = False
        while not (handed_back and (self.slots.have_ended or self.clock() >= handlers_end)):
            if not handed_back and (self.pollers.has_ended or self.clock() >= receives_end):
                # not before: a receive under way might get them again
                self._hand_back()
                handed_back = True
                continue
            if self._next_command() == "stop":
                logger.warning("Told to stop again: not waiting for handlers")
                handlers_end = self.clock()
            self._look(on_watch)
        return self._finish(ending)

    def _finish(self, ending: Ending) -> Ending:
        abandoned = 0
        for slot in self.slots.busy:
            unit = slot.unit
            if unit is not None and self.slots.abandon(slot, unit, replace=False):
                abandoned += 1
                lose(unit.messages)
                self._left_over += unit.messages
                logger.error("Abandoning a handler that still runs: %s", describe(unit))
        for unit in self.slots.dropped:
            self._left_over += unit.messages
        self._hand_back()
        unsettled = self.settler.flush(GRACE_SECONDS)
        self._stop_keeper.set()
        self.reactor.close()
        return Ending(ending.reason, ending.error, abandoned, unsettled, ending.recycled)

    def _hand_back(self) -> None:
        if self._left_over:
            logger.info("Releasing %d messages that were not handled", len(self._left_over))
        while self._left_over:
            message = self._left_over.popleft()
            self.settler.add(message, 0)
            self.dispatcher.releases.note(message)
            self.dispatcher.count("RELEASED")
            self.receives.ended([message])

    # the life of a message

    def _accept(self, messages: Sequence[SQSMessage], opened_at: float) -> None:
        if self.has_leases:
            self.keeper.hold(messages, opened_at)
        self.receives.began(messages)
        self.dispatcher.accept(messages, self.routes)
        fresh = [message for message in messages if not self.settler.is_done(message)]
        if len(fresh) < len(messages):
            for message in messages:
                if self.settler.is_done(message):
                    logger.info("Message %s was handled before: deleting it", message.message_id)
                    self.settler.add(message, None)
                    self.receives.ended([message])
        if not self.buffer.put(fresh):
            self._left_over += fresh

    def handle(self, unit: Unit) -> Callable[[float], None]:
        """Run the handler of a unit, and return what settles it, given the seconds that it took."""
        if len(unit.messages) == 1 and unit.options.batch_size is None and not unit.messages[0].lease.lost:
            # what nearly all units are
            (result,) = self.dispatcher.run_unit(unit.messages)
            return partial(self._settle, unit, [(unit.messages[0], result)], set())
        lost = [message for message in unit.messages if message.lease.lost]
        # what is lost may be somebody else's by now, and what comes after it in its group must not be handled before
        groups = {message.fifo_group for message in lost if message.fifo_group}
        held_back = [message for message in unit.messages if message.fifo_group in groups and message not in lost]
        messages = [message for message in unit.messages if message not in lost and message not in held_back]
        results = self.dispatcher.run_unit(messages) if messages else []
        results += [self.dispatcher.release(message) for message in held_back]
        for message in lost:
            logger.warning("Not handling message %s: its lease is lost", message.message_id)
            self.dispatcher.count("LEASE_LOST")
            self.keeper.drop_one(message)
        return partial(self._settle, unit, list(zip((*messages, *held_back), results, strict=True)), groups)

    def _settle(self, unit: Unit, handled: Handled, lost_groups: set[str], seconds: float | None) -> None:
        failed_groups = lost_groups | {
            message.fifo_group for message, result in handled if message.fifo_group and stays(message, result)
        }
        # what was released took no time
        results = [result for _, result in handled if result.elapsed_time is not None]
        for result in results:
            self.breaker.record(result.result is MessageHandlingResultType.FAILED)
        self.dispatcher.settle(handled, self.settler)
        # what was not handled does not tell how long the next will take
        refused = self.buffer.done(unit, seconds if results else None, failed_groups)
        for message, result in (*handled, *((message, self._release(message)) for message in refused)):
            self.dispatcher.notify(message, result)
        self.receives.ended(unit.messages)
        self.reactor.help()

    def _release(self, message: SQSMessage) -> MessageHandlingResult:
        self.settler.add(message, 0)
        self.receives.ended([message])
        return self.dispatcher.release(message)

    def _check_timeout(self, slot: Slot, now: float) -> None:
        unit = slot.unit
        timeout = unit.options.timeout_seconds if unit is not None else None
        if unit is None or timeout is None or slot.seconds(now) <= timeout:
            return
        seconds = slot.seconds(now)
        if not self.slots.abandon(slot, unit, replace=self.ending is None):
            return
        self.dispatcher.loop.cancel(slot.thread)
        lose(unit.messages)
        error = HandlerTimeout(
            f"The handler took longer than its timeout of {timeout:g} s and was given up; its thread goes on until "
            "the handler returns"
        )
        results = [MessageHandlingResult.from_error(message, error) for message in unit.messages]
        for message, result in zip(unit.messages, results, strict=True):
            result.elapsed_time = seconds * 1000
            judge(message, result)
        self._settle(unit, list(zip(unit.messages, results, strict=True)), set(), None)

    def _settle_failed(self, message: SQSMessage) -> None:
        self.dispatcher.count("SETTLE_FAILED")
        if message.fifo_group is not None:
            for later in self.buffer.refuse_group(message.fifo_group):
                self.dispatcher.notify(later, self._release(later))


def only_enabled(sender: SenderT | None) -> SenderT | None:
    """Return a sender of metrics, but for one that says that it is not enabled."""
    return sender if getattr(sender, "enabled", True) else None


def lose(messages: Iterable[SQSMessage]) -> None:
    """Tell a handler that goes on, if it asks, that its messages are somebody else's."""
    for message in messages:
        message.lease.lose("its handler was given up")


def describe(unit: Unit) -> str:
    """Return which messages a unit holds, in a few words."""
    names = ", ".join(f"{message.message_id} ({message.media_type})" for message in unit.messages[:3])
    return names if len(unit.messages) <= 3 else f"{names} and {len(unit.messages) - 3} more"
