"""
The one place that decides how many messages to ask for.

It is worth asking for as many as free slots can take, and for as many more as all slots together do in a moment; for
none while deletes are slower than receives, while the circuit breaker is open, or when as many have been received as
there may be. The parts of a worker report what they do; the receiver asks.
"""

from __future__ import annotations

from collections.abc import Callable

from microcosm_pubsub.constants import MAX_BATCH_ENTRIES, MAX_RECEIVE_MESSAGES
from microcosm_pubsub.worker.breaker import Breaker, State
from microcosm_pubsub.worker.entries import Entries
from microcosm_pubsub.worker.lanes import Lanes
from microcosm_pubsub.worker.settings import WorkerSettings


#: The newest handling time counts for this share of the mean.
MEAN_WEIGHT = 0.1

MIN_MEAN_SECONDS = 1e-6


class Admission:
    """
    Decide how many messages to ask for.

    It needs no lock. Only the receiver reserves and answers, with its own lock held; others change one number each, and
    then look whether a receive asked in vain, which notes that before the numbers are read.

    :param lanes: hold the messages that wait
    :param entries: hold those that wait to be settled
    :param breaker: says whether any may be received
    :param settings: the operator's settings
    :param limit: how many messages one receive gives at most
    """

    def __init__(
        self,
        lanes: Lanes,
        entries: Entries,
        breaker: Breaker,
        settings: WorkerSettings,
        limit: int = MAX_RECEIVE_MESSAGES,
    ) -> None:
        self.lanes = lanes
        self.entries = entries
        self.breaker = breaker
        self.concurrency = settings.concurrency
        self.max_buffer = settings.max_buffer
        self.max_buffer_seconds = settings.max_buffer_seconds
        # The limit is at least twice the messages that the calls under way can hold.
        self.max_unsettled = max(settings.max_buffer, 2 * MAX_BATCH_ENTRIES * settings.max_settlers)
        self.limit = limit
        #: The number of messages that may still be received; None for any number.
        self.budget = settings.max_messages
        #: The number of messages that receives under way ask for.
        self.reserved = 0
        #: The number of slots that have been busy with one unit for longer than messages should wait.
        self.stuck = 0
        self._mean_seconds: float | None = None
        self._is_asked = False
        self._on_room: Callable[[], object] = lambda: None

    def subscribe(self, on_room: Callable[[], object]) -> None:
        """Have a function called when it is worth asking for messages, after it was not."""
        self._on_room = on_room

    # The receiver asks these.

    def reserve(self) -> int:
        """Return how many messages to ask for, 1 to `limit`; 0 for none: then subscribers are told when it is more."""
        allowed = self.limit if self.budget is None else min(self.limit, self.budget)
        # The breaker is nearly always closed, so that all may be received.
        if self.breaker.state is not State.CLOSED:
            allowed = min(allowed, self.breaker.limit() or 0)
        if allowed <= 0 or self.lanes.is_closed:
            return 0
        # Note the wish before reading the numbers: whatever changes them from now on looks here.
        self._is_asked = True
        room = self._count_room()
        if not self._is_worth_asking(room):
            return 0
        self._is_asked = False
        count = min(room, allowed)
        self.reserved += count
        if self.budget is not None:
            self.budget -= count
        if self.breaker.state is not State.CLOSED:
            self.breaker.probe(began=True)
        return count

    def answered(self, asked: int, received: int) -> None:
        """Note the end of a receive, after its messages were accepted."""
        self.reserved -= asked
        if received == asked:
            return
        if self.budget is not None:
            self.budget += asked - received
        if self.breaker.limit() == 0:
            self.breaker.probe(began=False)

    @property
    def has_room(self) -> bool:
        """Return whether it is worth asking for more messages."""
        return self._is_worth_asking(self._count_room())

    # The other parts report by these.

    def done(self, seconds: float | None, messages: int) -> None:
        """
        Note that a unit was handled.

        :param seconds: how long its slot took; None if that does not tell how long the next will take
        :param messages: how many messages it held
        """
        if seconds is not None:
            mean, newest = self._mean_seconds, seconds / messages
            # Two slots at once may lose one of two times, which does the mean no harm.
            self._mean_seconds = newest if mean is None else mean + MEAN_WEIGHT * (newest - mean)
        if self._is_asked:
            self.tell_of_room()

    def note_stuck(self, stuck: int) -> None:
        """Note how many slots have been busy with one unit for longer than messages should wait."""
        self.stuck = stuck
        self.tell_of_room()

    def tell_of_room(self) -> None:
        """Tell the receiver that asked in vain, if it is worth asking now."""
        if self._is_asked and not self.lanes.is_closed and self._is_worth_asking(self._count_room()):
            self._is_asked = False
            self._on_room()

    # Internals.

    def _count_room(self) -> int:
        if self.entries.count >= self.max_unsettled:
            return 0
        lanes = self.lanes
        # A batch that waits for messages gets them, whatever the slots do.
        room = max(self.capacity - lanes.running - len(lanes.ready), lanes.missing)
        # Messages that wait in lanes take no slot, but a lease each.
        leases = self.max_buffer + self.concurrency - lanes.running - lanes.waiting
        return min(room, leases) - self.reserved

    def _is_worth_asking(self, room: int) -> bool:
        if room <= 0:
            return False
        # Ask if a slot has nothing to do, or if a call will bring enough to be worth its price.
        is_hungry = self.concurrency - self.lanes.running > len(self.lanes.ready) + self.reserved
        return is_hungry or room >= min(self.limit, max(1, self.capacity // 2))

    @property
    def capacity(self) -> int:
        """Return how many messages may be here: one for each slot, and those that are handled in a moment."""
        if self._mean_seconds is None:
            return self.concurrency
        free = self.concurrency - self.stuck
        prefetch = int(free * self.max_buffer_seconds / max(self._mean_seconds, MIN_MEAN_SECONDS))
        return self.concurrency + min(self.max_buffer, prefetch)
