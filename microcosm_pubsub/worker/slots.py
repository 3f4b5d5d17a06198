"""
The threads that handle messages, one unit each at a time.

Python cannot end a thread. One whose handler takes longer than it may is abandoned: its messages are settled without
it, another thread takes its place, and what it does in the end is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from logging import getLogger
from os import getpid
from threading import Lock, Thread
from time import monotonic
from typing import Protocol

from microcosm_pubsub.types import Handled
from microcosm_pubsub.worker.lanes import Lanes, Unit


logger = getLogger(__name__)


class Work(Protocol):
    """The work on a unit: `Handling` does it."""

    def handle(self, unit: Unit) -> list[Handled]: ...

    def finish(self, unit: Unit, handled: Sequence[Handled], seconds: float | None) -> None: ...

    def drop(self, handled: Sequence[Handled]) -> None: ...


class Slot:
    """
    A thread that handles units.

    :param clock: a monotonic clock, in seconds
    """

    def __init__(self, number: int, slots: Slots, clock: Callable[[], float]) -> None:
        self.slots = slots
        self.clock = clock
        self.unit: Unit | None = None
        self.started_at = 0.0
        self.abandoned = False
        self._lock = Lock()
        self.thread = Thread(target=self.run, name=f"slot-{number}", daemon=True)

    def run(self) -> None:
        """Handle units until there are none to come, or this slot was abandoned."""
        try:
            while not self.abandoned and (unit := self.slots.lanes.take()) is not None:
                self._handle(unit)
        except BaseException as error:
            # No error of a handler gets here: this is a bug here, and the worker must not go on with it.
            logger.exception("Thread %s ends", self.thread.name)
            self.slots.error = self.slots.error or error
        finally:
            self.slots.ended(self)

    def seconds(self, now: float) -> float:
        """Return for how long this slot has been handling its unit; 0 if it handles none."""
        return now - self.started_at if self.unit is not None else 0.0

    def abandon(self, unit: Unit) -> bool:
        """Let the outcome of a unit be dropped, and return whether it is: not if it has just been handled."""
        with self._lock:
            if self.unit is not unit:
                return False
            self.abandoned = True
            self.unit = None
            return True

    def end(self) -> Unit | None:
        """Return the unit that this thread ends without having handled it, which can be abandoned no more."""
        with self._lock:
            unit, self.unit = self.unit, None
            return unit

    def _handle(self, unit: Unit) -> None:
        self.started_at = self.clock()
        self.unit = unit
        handled = self.slots.work.handle(unit)
        if getpid() != self.slots.pid:
            # The handler forked, and its child came back here: the messages are the parent's to settle.
            self.abandoned = True
            return
        with self._lock:
            is_ours = not self.abandoned
            if is_ours:
                self.unit = None
        if not is_ours:
            logger.warning(
                "The handler of %s ended %.1f s after it began, when it had been abandoned; its outcome is dropped",
                unit,
                self.clock() - self.started_at,
            )
            self.slots.work.drop(handled)
            return
        self.slots.work.finish(unit, handled, self.clock() - self.started_at)


class Slots:
    """
    Handle units, a number of them at a time.

    :param lanes: give units
    :param work: the work on units
    :param concurrency: how many are handled at a time
    :param clock: a monotonic clock, in seconds
    """

    def __init__(
        self,
        lanes: Lanes,
        work: Work,
        concurrency: int,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.lanes = lanes
        self.work = work
        self.concurrency = concurrency
        self.clock = clock
        self.slots: list[Slot] = []
        #: The threads that were abandoned and have not ended.
        self.abandoned = 0
        #: The bug here that ended a slot, and the unit that it left unsettled.
        self.error: BaseException | None = None
        self.dropped: list[Unit] = []
        self._started = 0
        self._lock = Lock()
        self.pid = getpid()

    def start(self) -> None:
        """Begin to handle."""
        for _ in range(self.concurrency):
            self._start_slot()

    def abandon(self, slot: Slot, unit: Unit, replace: bool = True) -> bool:
        """Give up the handler of a unit, and return whether it was: not if it has just ended."""
        if not slot.abandon(unit):
            return False
        with self._lock:
            self.abandoned += 1
            self.slots.remove(slot)
        if replace:
            self._start_slot()
        return True

    def ended(self, slot: Slot) -> None:
        """Note that a slot's thread ends."""
        unit = slot.end()
        with self._lock:
            if slot.abandoned:
                self.abandoned -= 1
                return
            self.slots.remove(slot)
            if unit is not None:
                self.dropped.append(unit)

    @property
    def busy(self) -> list[Slot]:
        """Return the slots that are handling something."""
        return [slot for slot in list(self.slots) if slot.unit is not None]

    @property
    def have_ended(self) -> bool:
        """Return whether no thread is left, but for abandoned ones."""
        return not self.slots

    def _start_slot(self) -> None:
        with self._lock:
            slot = Slot(self._started, self, self.clock)
            self._started += 1
            self.slots.append(slot)
        slot.thread.start()
