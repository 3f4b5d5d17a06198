"""
Received messages on their way to a slot, in the order that they may be handled.

Messages without a group are handled as slots come free. Messages of a FIFO group go through a lane, one after
another; those of a fair-queue group too, a few at a time, if that is limited. Messages of a batch handler wait for
each other. The buffer also knows how many messages it is worth receiving: free slots, and as much work as is done
in a moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Condition, Lock
from time import monotonic

from microcosm_pubsub.constants import MAX_RECEIVE_MESSAGES
from microcosm_pubsub.dispatcher import get_route
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.registry import HandlerOptions, Route


#: The newest handling time counts for so much of the mean.
MEAN_WEIGHT = 0.1


@dataclass(slots=True)
class Lane:
    """The messages of one group that wait for each other, and how many of it are on their way."""

    waiting: deque[SQSMessage] = field(default_factory=deque)
    active: int = 0
    #: the batch that the active ones are in, while others may still join it
    batch: Unit | None = None


@dataclass(slots=True, eq=False)
class Unit:
    """Messages to be handled by one call."""

    messages: list[SQSMessage]
    route: Route
    due: float = 0.0

    @property
    def options(self) -> HandlerOptions:
        """Return how their handler wants its messages."""
        return self.route.options

    @property
    def missing(self) -> int:
        """Return how many messages may still join."""
        return (self.options.batch_size or 1) - len(self.messages)


class Buffer:
    """
    Hold received messages until a slot takes them.

    :param concurrency: how many slots there are
    :param limit: how many messages one receive gives at most
    :param max_buffer_seconds: how much work may wait, in seconds of all slots together
    :param max_buffer: how many messages may wait
    :param max_per_group: how many messages of one group of a standard queue may be handled at a time
    :param count_unsettled: tells how many messages were handled and not settled yet
    :param max_unsettled: with so many of them, none are asked for
    :param on_room: is called when it is worth asking for messages, if it was not before
    :param on_idle: is called when a slot has nothing to take, with the lock held
    :param clock: a monotonic clock, in seconds
    """

    def __init__(
        self,
        concurrency: int,
        limit: int = MAX_RECEIVE_MESSAGES,
        max_buffer_seconds: float = 1.0,
        max_buffer: int = 200,
        max_per_group: int | None = None,
        count_unsettled: Callable[[], int] = lambda: 0,
        max_unsettled: int = 200,
        on_room: Callable[[], object] = lambda: None,
        on_idle: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.concurrency = concurrency
        self.limit = limit
        self.max_buffer_seconds = max_buffer_seconds
        self.max_buffer = max_buffer
        self.max_per_group = max_per_group
        self.count_unsettled = count_unsettled
        self.max_unsettled = max_unsettled
        self.on_room = on_room
        self.on_idle = on_idle
        self.clock = clock
        self._lock = Lock()
        self._work = Condition(self._lock)
        self._ready = deque[Unit]()
        self._batches: dict[Route, Unit] = {}
        self._lanes: dict[str, Lane] = {}
        self._closed = False
        self._idle_slots = 0
        self._is_asked = False
        self._mean_seconds: float | None = None
        #: how many messages wait, how many units run, and how many messages are being asked for
        self.waiting = 0
        self.running = 0
        self.reserved = 0
        #: how many slots are held for longer than the buffer may be deep
        self.stuck = 0
        #: how many messages may be here, those included that run
        self.capacity = concurrency

    def put(self, messages: Iterable[SQSMessage]) -> bool:
        """Add received messages, in their order, and return whether the buffer took them: a closed one takes none."""
        with self._lock:
            if self._closed:
                return False
            for message in messages:
                self.waiting += 1
                self._put(message)
            if self._idle_slots:
                # one more, to wait until a batch is due
                self._work.notify(len(self._ready) + bool(self._batches))
            return True

    def take(self) -> Unit | None:
        """Wait for what may be handled next, and return it; None if the buffer was closed."""
        with self._lock:
            while not self._closed:
                unit = self._pop()
                if unit is not None:
                    self.waiting -= len(unit.messages)
                    self.running += 1
                    return unit
                self._idle_slots += 1
                self.on_idle()
                self._work.wait(self._seconds_until_due())
                self._idle_slots -= 1
            return None

    def done(self, unit: Unit, seconds: float | None = None, failed_groups: Iterable[str] = ()) -> list[SQSMessage]:
        """
        Note that a unit was handled, and return the messages that must not be handled now.

        :param seconds: how long its slot took; None if it does not tell how long the next will take
        :param failed_groups: FIFO groups one of whose messages stays in the queue, so that later ones must wait
        """
        with self._lock:
            self.running -= 1
            if seconds is not None:
                self._measure(seconds / len(unit.messages))
            refused = [message for group in failed_groups for message in self._empty_lane(group)]
            if self._lanes:
                for message in unit.messages:
                    self._leave_lane(message)
        self.tell_of_room()
        return refused

    def refuse_group(self, group: str) -> list[SQSMessage]:
        """Remove the messages of a FIFO group that wait for others of it, and return them."""
        with self._lock:
            return self._empty_lane(group)

    def close(self) -> list[SQSMessage]:
        """Take and give no more messages, let nobody wait, and return the messages that waited, in their order."""
        with self._lock:
            self._closed = True
            messages = [message for unit in (*self._ready, *self._batches.values()) for message in unit.messages]
            messages += [message for lane in self._lanes.values() for message in lane.waiting]
            self._ready.clear()
            self._batches.clear()
            self._lanes.clear()
            self.waiting = 0
            self._work.notify_all()
            return messages

    def reserve(self, most: int = MAX_RECEIVE_MESSAGES) -> int:
        """
        Reserve the places of messages that it is worth asking for, and return how many.

        :param most: at most so many
        :returns: 1 to `limit`; 0 if it is not worth asking now: then `on_room` is called when it is
        """
        with self._lock:
            room = self._count_room()
            if self._closed or not self._is_worth_asking(room):
                self._is_asked = True
                return 0
            count = min(self.limit, room, most)
            self.reserved += count
            return count

    def unreserve(self, count: int) -> None:
        """Give back places that were reserved."""
        with self._lock:
            self.reserved -= count
        self.tell_of_room()

    def tell_of_room(self) -> None:
        """Have those called that asked for room, if there is some now."""
        if not self._is_asked:
            return
        with self._lock:
            if self._closed or not self._is_worth_asking(self._count_room()):
                return
            self._is_asked = False
        self.on_room()

    @property
    def is_empty(self) -> bool:
        """Return whether nothing waits and nothing runs."""
        with self._lock:
            return self.waiting == 0 and self.running == 0

    @property
    def has_room(self) -> bool:
        """Return whether it is worth asking for more messages."""
        with self._lock:
            return self._is_worth_asking(self._count_room())

    @property
    def lanes(self) -> int:
        """Return how many groups have messages here."""
        return len(self._lanes)

    def note_stuck(self, stuck: int) -> None:
        """Note how many slots are held for longer than the buffer may be deep."""
        with self._lock:
            self.stuck = stuck
            self.capacity = self._find_capacity()
        self.tell_of_room()

    # how many to receive; with the lock held

    def _find_capacity(self) -> int:
        if self._mean_seconds is None:
            return self.concurrency
        free = self.concurrency - self.stuck
        prefetch = int(free * self.max_buffer_seconds / max(self._mean_seconds, 1e-6))
        return self.concurrency + min(self.max_buffer, prefetch)

    def _count_room(self) -> int:
        if self.count_unsettled() >= self.max_unsettled:
            return 0
        room = self.capacity - self.running - len(self._ready)
        if self._batches:
            room = max(room, *(unit.missing for unit in self._batches.values()))
        # messages that wait in lanes take no slot, but a lease each
        return min(room, self.max_buffer + self.concurrency - self.running - self.waiting) - self.reserved

    def _is_worth_asking(self, room: int) -> bool:
        if room <= 0:
            return False
        hungry = self.concurrency - self.running > len(self._ready) + self.reserved
        return hungry or room >= min(self.limit, max(1, self.capacity // 2))

    def _measure(self, seconds: float) -> None:
        if self._mean_seconds is None:
            self._mean_seconds = seconds
        else:
            self._mean_seconds += MEAN_WEIGHT * (seconds - self._mean_seconds)
        self.capacity = self._find_capacity()

    # lanes and batches; with the lock held

    def _put(self, message: SQSMessage) -> None:
        group = message.group_id
        if group is None or (self.max_per_group is None and message.fifo_group is None):
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
        elif self._idle_slots:
            self._work.notify()

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
        route = get_route(message)
        if route.options.batch_size is None:
            self._ready.append(Unit([message], route))
            return None
        unit = self._batches.get(route)
        if unit is None:
            due = self.clock() + route.options.batch_window_seconds
            unit = self._batches[route] = Unit([], route, due)
        unit.messages.append(message)
        if unit.missing > 0:
            return unit
        self._ready.append(self._batches.pop(route))
        return None

    def _pop(self) -> Unit | None:
        if self._batches:
            now = self.clock()
            for key, unit in self._batches.items():
                if unit.due <= now:
                    return self._batches.pop(key)
        return self._ready.popleft() if self._ready else None

    def _seconds_until_due(self) -> float | None:
        if not self._batches:
            return None
        return max(0.0, min(unit.due for unit in self._batches.values()) - self.clock())
