"""
Received messages on their way to a slot, in the order in which they may be handled.

Messages without a group are handled as slots come free. Messages of a FIFO group go through a lane, one after
another; those of a fair-queue group too, a few at a time, if that is limited. Messages of a batch handler wait for
each other. How many messages to ask for is decided elsewhere (`admission`), by the numbers that stand here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Condition, Lock
from time import monotonic

from microcosm_pubsub.dispatcher import get_route
from microcosm_pubsub.message import Groups, SQSMessage
from microcosm_pubsub.registry import HandlerOptions, Route


NONE = Groups()

#: At most this many messages are named in a line of the log.
MAX_NAMED = 3


def name_messages(messages: Sequence[SQSMessage]) -> str:
    """Return the names of messages, for a line of the log."""
    names = ", ".join(map(name_message, messages[:MAX_NAMED]))
    more = len(messages) - MAX_NAMED
    return names if more <= 0 else f"{names} and {more} more"


def name_message(message: SQSMessage) -> str:
    """Return the name of a message, with that of the task or method that it calls, if it is a call."""
    method = message.route.name if message.route is not None else None
    return f"{message.message_id} ({message.media_type}{f' {method}' if method else ''})"


@dataclass(slots=True)
class Lane:
    """The messages of one group that wait for each other, and how many of it are on their way."""

    waiting: deque[SQSMessage] = field(default_factory=deque)
    active: int = 0
    #: The batch that holds the active messages, while others may still join it.
    batch: Unit | None = None


@dataclass(slots=True, eq=False)
class Unit:
    """
    Messages to be handled by one call of their handler.

    :param due: when a batch is handled even if it is not full
    """

    messages: list[SQSMessage]
    route: Route
    due: float = 0.0

    def __str__(self) -> str:
        return name_messages(self.messages)

    @property
    def options(self) -> HandlerOptions:
        """Return how the handler wants its messages."""
        return self.route.options

    @property
    def missing(self) -> int:
        """Return how many messages may still join."""
        return (self.route.options.batch_size or 1) - len(self.messages)


class Lanes:
    """
    Hold received messages until a slot takes them.

    :param max_per_group: how many messages of one group of a standard queue may be handled at a time
    :param on_idle: is called when a slot has nothing to take, with the lock held
    :param clock: a monotonic clock, in seconds
    """

    def __init__(
        self,
        max_per_group: int | None = None,
        on_idle: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.max_per_group = max_per_group
        self.on_idle = on_idle
        self.clock = clock
        self._lock = Lock()
        self._work = Condition(self._lock)
        #: The units that a slot may take.
        self.ready = deque[Unit]()
        self._batches: dict[Route, Unit] = {}
        self._lanes: dict[str, Lane] = {}
        self._idle_slots = 0
        #: Whether an idle slot was told to look, and has not looked yet.
        self._is_waking = False
        self.is_closed = False
        #: The number of messages that wait, of units that run, and of messages that the neediest batch waits for.
        self.waiting = 0
        self.running = 0
        self.missing = 0

    def put(self, messages: Iterable[SQSMessage]) -> bool:
        """Add received messages, in their order, and return whether they were taken: after `close`, none are."""
        with self._lock:
            if self.is_closed:
                return False
            for message in messages:
                self.waiting += 1
                route = message.route
                if message.group_id is None and isinstance(route, Route) and route.options.batch_size is None:
                    # Fast path: nearly all messages have no group and no batch handler.
                    self.ready.append(Unit([message], route))
                elif message.group_id is None:
                    self._enqueue(message)
                else:
                    self._put_in_lane(message, message.group_id)
            self._wake_next()
            return True

    def take(self) -> Unit | None:
        """Wait for the next unit, and return it; None after `close`."""
        with self._lock:
            while not self.is_closed:
                # Mostly, only ready units wait.
                unit = self._pop_due() if self._batches else None
                if unit is None and self.ready:
                    unit = self.ready.popleft()
                if unit is not None:
                    self.waiting -= len(unit.messages)
                    self.running += 1
                    self._wake_next()
                    return unit
                self._idle_slots += 1
                self.on_idle()
                self._work.wait(self._seconds_until_due() if self._batches else None)
                self._idle_slots -= 1
                self._is_waking = False
            return None

    def done(self, unit: Unit, groups: Groups = NONE) -> list[SQSMessage]:
        """
        Note that a unit was handled, and return the messages that must not be handled now.

        :param groups: FIFO groups of which a message stays in the queue, so that later ones must wait
        """
        with self._lock:
            self.running -= 1
            if not self._lanes:
                return []
            refused = [message for group in groups.blocked for message in self._empty_lane(group)]
            for message in unit.messages:
                self._leave_lane(message)
        return refused

    def refuse_group(self, group: str) -> list[SQSMessage]:
        """Remove the messages of a FIFO group that wait for others of it, and return them."""
        with self._lock:
            return self._empty_lane(group)

    def close(self) -> list[SQSMessage]:
        """Take and give no more messages, let nobody wait, and return the messages that waited, in their order."""
        with self._lock:
            self.is_closed = True
            messages = [message for unit in (*self.ready, *self._batches.values()) for message in unit.messages]
            messages += [message for lane in self._lanes.values() for message in lane.waiting]
            self.ready.clear()
            self._batches.clear()
            self._lanes.clear()
            self.waiting = self.missing = 0
            self._work.notify_all()
            return messages

    @property
    def is_empty(self) -> bool:
        """Return whether nothing waits and nothing runs."""
        with self._lock:
            return self.waiting == 0 and self.running == 0

    @property
    def has_work(self) -> bool:
        """Return whether a slot would get something now."""
        with self._lock:
            return bool(self.ready) or self._seconds_until_due() == 0

    @property
    def groups(self) -> int:
        """Return how many groups have messages here."""
        return len(self._lanes)

    # These are called with the lock held.

    def _wake_next(self) -> None:
        """
        Have one idle slot look, if there is something to take, or a batch to wait for; that slot wakes the next one.

        A slot that handles short messages takes all that are ready before another has begun to run: to wake as many as
        there are messages costs more than to handle them, and all of them would ask for Python's lock.
        """
        if self._idle_slots and not self._is_waking and (self.ready or self._batches):
            self._is_waking = True
            self._work.notify()

    def _put_in_lane(self, message: SQSMessage, group: str) -> None:
        if self.max_per_group is None and message.fifo_group is None:
            self._enqueue(message)
            return
        lane = self._lanes.setdefault(group, Lane())
        lane.waiting.append(message)
        self._advance(lane)

    def _advance(self, lane: Lane) -> None:
        """Let as many messages of a lane go as may."""
        while lane.waiting:
            message = lane.waiting[0]
            limit = 1 if message.fifo_group is not None else self.max_per_group
            joins = lane.batch is not None and lane.batch is self._batches.get(get_route(message))
            if limit is not None and lane.active >= limit and not joins:
                return
            lane.active += 1
            lane.batch = self._enqueue(lane.waiting.popleft())

    def _leave_lane(self, message: SQSMessage) -> None:
        lane = self._lanes.get(message.group_id) if message.group_id is not None else None
        if lane is None:
            return
        lane.active -= 1
        if lane.active == 0:
            lane.batch = None
        self._advance(lane)
        if lane.active == 0:
            del self._lanes[message.group_id]  # type: ignore[arg-type]
        else:
            self._wake_next()

    def _empty_lane(self, group: str) -> list[SQSMessage]:
        lane = self._lanes.get(group)
        if lane is None:
            return []
        messages = list(lane.waiting)
        lane.waiting.clear()
        self.waiting -= len(messages)
        return messages

    def _enqueue(self, message: SQSMessage) -> Unit | None:
        """Add a message that may be handled, and return the batch that waits for more, if it is in one."""
        route = message.route
        assert isinstance(route, Route), "the dispatcher accepts messages before the lanes do"
        if route.options.batch_size is None:
            self.ready.append(Unit([message], route))
            return None
        unit = self._batches.get(route)
        if unit is None:
            due = self.clock() + route.options.batch_window_seconds
            unit = self._batches[route] = Unit([], route, due)
        unit.messages.append(message)
        if unit.missing > 0:
            self._note_missing()
            return unit
        self.ready.append(self._batches.pop(route))
        self._note_missing()
        return None

    def _note_missing(self) -> None:
        self.missing = max((unit.missing for unit in self._batches.values()), default=0)

    def _pop_due(self) -> Unit | None:
        now = self.clock()
        for route, unit in self._batches.items():
            if unit.due <= now:
                del self._batches[route]
                self._note_missing()
                return unit
        return None

    def _seconds_until_due(self) -> float | None:
        if not self._batches:
            return None
        return max(0.0, min(unit.due for unit in self._batches.values()) - self.clock())
