"""
The worker: many messages of one queue at once, each of them ours until it is settled.

    receiver -> handling -> lanes -> slots (run) -> handling -> settler (batches)
       the reactor makes the calls of receiver and settler; the keeper extends leases

The thread that calls `run` watches over the others, and ends them: it receives no more, releases what nobody
has begun to handle, waits for the handlers that run, and sees to it that every message is settled. The way of one
message stands in `handling`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from logging import getLogger
from queue import Empty, SimpleQueue
from time import monotonic

from microcosm_pubsub.consumer import SQSConsumer
from microcosm_pubsub.dispatcher import SQSMessageDispatcher
from microcosm_pubsub.errors import EndOfInput, HandlerTimeout
from microcosm_pubsub.types import Handlers
from microcosm_pubsub.worker.assembly import assemble, only_enabled
from microcosm_pubsub.worker.breaker import State
from microcosm_pubsub.worker.gauges import Gauges
from microcosm_pubsub.worker.handling import lose
from microcosm_pubsub.worker.place import find_place
from microcosm_pubsub.worker.settings import INTERVALS, Intervals, WorkerSettings
from microcosm_pubsub.worker.slots import Slot


logger = getLogger(__name__)

#: A worker that ends looks whether it has ended at most once in this many seconds.
END_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Ending:
    """
    Why a worker ended.

    :param error: the error that ended it, if it was not asked to
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
    :param settings: the operator's settings
    :param send_metrics: gets `read_gauges` about once a second
    :param clock: a monotonic clock, in seconds
    :param intervals: how often the worker looks at what, and for how long it waits for others
    :raises ConfigurationError: if the settings contradict each other
    """

    def __init__(
        self,
        consumer: SQSConsumer,
        dispatcher: SQSMessageDispatcher,
        settings: WorkerSettings,
        send_metrics: Callable[[Mapping[str, float]], None] | None = None,
        clock: Callable[[], float] = monotonic,
        intervals: Intervals = INTERVALS,
    ) -> None:
        self.consumer = consumer
        self.dispatcher = dispatcher
        self.settings = settings
        self.clock = clock
        self.intervals = intervals
        self.parts = parts = assemble(consumer, dispatcher, settings, intervals, clock)
        self.receiver = parts.receiver
        self.handling = parts.handling
        self.slots = parts.slots
        self.lanes = parts.lanes
        self.settler = parts.settler
        self.pausing: str | None = None
        self.ending: Ending | None = None
        self.started_at = clock()
        self.gauges = Gauges(only_enabled(send_metrics), self.read_gauges, clock)
        self._commands: SimpleQueue[str] = SimpleQueue()

    # These may be called from any thread, and from signal handlers.

    def stop(self) -> None:
        """End; asked again, without waiting for handlers."""
        # Only this queue has a `put` that a signal handler may call at any moment:
        # https://docs.python.org/3/library/queue.html#queue.SimpleQueue.put
        self._commands.put("stop")

    def pause(self) -> None:
        """Receive no more until `resume`; messages that were received are handled."""
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
        return self.ending is None and self.pausing is None and self.parts.breaker.state is State.CLOSED

    def read_gauges(self) -> dict[str, float]:
        """Return its gauges."""
        return {
            "worker_slots_busy": len(self.slots.busy),
            "worker_buffered": self.lanes.waiting,
            "worker_leases": len(self.parts.keeper),
            "worker_abandoned": self.slots.abandoned,
            "worker_paused": int(self.pausing is not None or self.parts.breaker.state is not State.CLOSED),
            "worker_pollers": self.receiver.active,
            "worker_leases_extended": self.parts.keeper.extended,
            "worker_leases_lost": self.parts.keeper.lost,
            "worker_settle_failures": self.settler.failures,
        }

    # The life of a worker.

    def run(self, handlers: Handlers, on_watch: Callable[[], None] = lambda: None) -> Ending:
        """
        Handle messages until told to stop, or there is nothing more to do, and return why.

        :param handlers: the handler of each media type
        :param on_watch: is called several times a second
        :raises ConfigurationError: if a handler cannot work with the settings
        """
        self.handling.routes = routes = self.dispatcher.find_routes(handlers)
        options = {media_type: route.options for media_type, route in routes.routes.items()}
        self.settings.check_handlers(options, self.receiver.fifo, self.parts.has_leases)
        self.started_at = self.clock()
        self._start()
        while self.ending is None:
            command = self.obey_next()
            self.ending = Ending("told to stop") if command == "stop" else self._supervise(on_watch)
        return self._end(self.ending, on_watch)

    def _start(self) -> None:
        if self.parts.has_leases:
            self.parts.keeper.start()
        self.slots.start()
        self.parts.reactor.start(self.settler.run_due, self.receiver.run_due)

    def obey_next(self, seconds: float | None = None) -> str | None:
        """
        Wait a moment for a command, obey it, and return it; `run` does it again and again.

        :param seconds: for how long, if not for as long as usual
        """
        try:
            command = self._commands.get(timeout=self.intervals.watch_seconds if seconds is None else seconds)
        except Empty:
            return None
        if command == "toggle":
            command = "pause" if self.pausing is None else "resume"
        if command == "pause":
            logger.warning("Pausing: not receiving until resumed")
            self.pausing = "told to"
            self.receiver.pause(True)
        elif command == "resume":
            logger.warning("Resuming: receiving again")
            self.pausing = None
            self.receiver.pause(False)
        return command

    def _supervise(self, on_watch: Callable[[], None]) -> Ending | None:
        try:
            ending = self.watch()
            self.gauges()
            on_watch()
        except Exception as error:
            # This is a bug here, or a system without threads to give: messages are released before the end all the
            # same.
            logger.exception("Cannot look after the worker")
            return Ending(f"{type(error).__name__} while looking after the worker", error)
        return ending

    def watch(self) -> Ending | None:
        """Look after the threads once, and return why the worker is to end, if it is; `run` does it again and again."""
        now = self.clock()
        busy = self.slots.busy
        self.parts.admission.note_stuck(sum(slot.seconds(now) > self.settings.max_buffer_seconds for slot in busy))
        for slot in busy:
            self._check_timeout(slot, now)
        if self.settings.breaker_failure_share is not None:
            # The breaker may have closed since the receiver last tried; nothing else would wake it.
            self.receiver.run_due()
        return self._find_ending(now)

    def _check_timeout(self, slot: Slot, now: float) -> None:
        unit = slot.unit
        timeout = unit.options.timeout_seconds if unit is not None else None
        if unit is None or timeout is None or slot.seconds(now) <= timeout:
            return
        seconds, place = slot.seconds(now), find_place(slot.thread, self.dispatcher.loop)
        if self.slots.abandon(slot, unit, replace=self.ending is None):
            is_cancelled = self.dispatcher.loop.cancel(slot.thread)
            self.handling.time_out(unit, timeout, seconds, place, is_cancelled)

    def _find_ending(self, now: float) -> Ending | None:
        settings = self.settings
        fault = self.slots.error or self.receiver.error or self.parts.reactor.error or self.handling.departures.error
        if isinstance(fault, EndOfInput):
            return Ending(str(fault)) if self.lanes.is_empty else None
        if fault is not None:
            return Ending(str(fault), fault)
        if self.slots.abandoned > settings.max_abandoned:
            return Ending(
                f"{self.slots.abandoned} threads outlived the timeout of their handlers, "
                f"{settings.max_abandoned} may (pubsub_worker.max_abandoned)",
                HandlerTimeout("too many abandoned threads"),
            )
        if self.receiver.has_received_all and self.lanes.is_empty:
            return Ending(f"{settings.max_messages} messages handled (pubsub_worker.max_messages)", recycled=True)
        if settings.max_runtime_seconds is not None and now - self.started_at >= settings.max_runtime_seconds:
            return Ending(
                f"{settings.max_runtime_seconds:g} s have passed (pubsub_worker.max_runtime_seconds)", recycled=True
            )
        if settings.drain and self.receiver.empty_receives >= settings.drain_polls and self.lanes.is_empty:
            return Ending(f"the queue was empty {settings.drain_polls} times in a row")
        return None

    def _end(self, ending: Ending, on_watch: Callable[[], None]) -> Ending:
        busy, seconds = len(self.slots.busy), self.settings.shutdown_timeout_seconds
        waiting = f"; waiting at most {seconds:g} s for handlers that run: {busy}" if busy else ""
        logger.info("Ending: %s%s", ending.reason, waiting)
        self.receiver.stop()
        # A client that can end its receives at once has this method; others are waited for.
        interrupt = getattr(self.consumer.sqs_client, "interrupt", lambda: None)
        self.handling.keep_left_over(self.lanes.close())
        receives_end = self.clock() + self.consumer.wait_seconds + self.intervals.grace_seconds
        handlers_end = self.clock() + self.settings.shutdown_timeout_seconds
        handed_back = False
        while not (handed_back and (self.slots.have_ended or self.clock() >= handlers_end)):
            if not handed_back and (self.receiver.has_ended or self.clock() >= receives_end):
                # This comes last: a receive under way might get the messages again.
                self.handling.release_left_over()
                handed_back = True
                continue
            if not handed_back:
                # Each time: one that was asked for may only begin now.
                interrupt()
            if self.obey_next(min(self.intervals.watch_seconds, END_SECONDS)) == "stop":
                logger.warning("Told to stop again: not waiting for handlers")
                handlers_end = self.clock()
            self._supervise(on_watch)
        return self._finish(ending)

    def _finish(self, ending: Ending) -> Ending:
        abandoned = 0
        for slot in self.slots.busy:
            unit = slot.unit
            if unit is not None and self.slots.abandon(slot, unit, replace=False):
                abandoned += 1
                lose(unit.messages)
                self.handling.keep_left_over(unit.messages)
                logger.error("Abandoning a handler that still runs: %s", unit)
        for unit in self.slots.dropped:
            self.handling.keep_left_over(unit.messages)
        unsent = self.handling.departures.wait(self.intervals.grace_seconds)
        self.handling.release_left_over()
        unsettled = unsent + self.settler.flush(self.intervals.grace_seconds)
        self.parts.keeper.stop()
        self.parts.reactor.close()
        return Ending(ending.reason, ending.error, abandoned, unsettled, ending.recycled)
