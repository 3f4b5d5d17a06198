"""
The entries that wait to be settled, and the choice of those that go into the next call.

Deletes, visibility changes and dead letters have queues of their own, since a call is of one kind. An entry waits a
moment for others of its kind, at most ten to a call. Nothing here locks, waits or calls; the caller holds a lock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import inf

from microcosm_pubsub.constants import MAX_BATCH_ENTRIES
from microcosm_pubsub.consumer import GivenUp
from microcosm_pubsub.message import SQSMessage


#: An entry waits this long for others, in seconds.
#: https://docs.awspring.io/spring-cloud-aws/docs/current/reference/html/index.html#acknowledging-messages
MAX_DELAY_SECONDS = 0.05


@dataclass(slots=True, eq=False)
class Settlement:
    """
    The fate of a message at its queue.

    :param timeout: after how many seconds it becomes visible; None deletes it
    :param due: when it must be settled at the latest
    :param since: when it was added
    :param queue: the queue of its kind
    :param given_up: why it goes to the dead-letter queue before it is deleted, if it does
    :param attempts: how often the queue refused it
    """

    message: SQSMessage
    timeout: int | None
    due: float
    since: float
    queue: deque[Settlement] = field(repr=False)
    given_up: GivenUp | None = None
    attempts: int = 0


Batch = list[Settlement]


class Entries:
    """
    Hold entries until they are settled.

    :param max_calls: at most this many calls at a time
    """

    def __init__(self, max_calls: int) -> None:
        self.max_calls = max_calls
        self.is_flushing = False
        #: The number of entries that are not settled yet, and of those that are not being sent; others read it without
        #: a lock.
        self.count = 0
        self.waiting = 0
        #: The batches that are being sent.
        self.sending: list[Batch] = []
        self._deletes = deque[Settlement]()
        self._changes = deque[Settlement]()
        self._dead_letters = deque[Settlement]()
        self._queues = (self._deletes, self._changes, self._dead_letters)
        self._refused: list[Settlement] = []

    def add(self, message: SQSMessage, timeout: int | None, now: float, given_up: GivenUp | None = None) -> int:
        """Add an entry, and return how many of its kind wait."""
        queue = self._deletes if timeout is None else self._changes
        if given_up is not None:
            queue = self._dead_letters
        queue.append(Settlement(message, timeout, now + MAX_DELAY_SECONDS, now, queue, given_up))
        self.count += 1
        self.waiting += 1
        return len(queue)

    def pop_batch(self, now: float) -> Batch:
        """Return the entries to send in one call now, and note that they are being sent; none if none must be."""
        if not self.waiting or len(self.sending) >= self.max_calls:
            return []
        if self._refused:
            self._requeue(now)
        chosen: deque[Settlement] | None = None
        for queue in self._queues:
            is_due = queue and (len(queue) >= MAX_BATCH_ENTRIES or queue[0].due <= now or self.is_flushing)
            # The queue that has waited longest comes first, so that none waits for another's end.
            if is_due and (chosen is None or queue[0].due < chosen[0].due):
                chosen = queue
        if chosen is None:
            return []
        batch = [chosen.popleft() for _ in range(min(len(chosen), MAX_BATCH_ENTRIES))]
        self.waiting -= len(batch)
        self.sending.append(batch)
        return batch

    def end(self, batch: Batch) -> None:
        """Note that a batch was sent, with whatever result."""
        self.sending.remove(batch)
        self.count -= len(batch)

    def refuse(self, settlement: Settlement, due: float) -> None:
        """Have an entry that was refused tried again at some time."""
        settlement.attempts += 1
        settlement.due = due
        self._refused.append(settlement)
        self.count += 1
        self.waiting += 1

    def flush(self, now: float) -> None:
        """Let nothing wait any more, neither for others nor to be tried again."""
        self.is_flushing = True
        for settlement in self._refused:
            settlement.due = now

    def find_due(self) -> float:
        """Return when something must be sent, if nothing else happens before; infinity if nothing must."""
        due = inf
        # All calls are in use: the end of one makes room.
        if self.waiting and len(self.sending) < self.max_calls:
            for queue in self._queues:
                if queue and queue[0].due < due:
                    due = queue[0].due
            for settlement in self._refused:
                due = min(due, settlement.due)
        return due

    def find_oldest(self) -> float:
        """Return when the oldest entry was added; infinity if there is none."""
        firsts = [queue[0].since for queue in self._queues if queue]
        others = [*self._refused, *(settlement for batch in self.sending for settlement in batch)]
        return min([*firsts, *(settlement.since for settlement in others)], default=inf)

    def _requeue(self, now: float) -> None:
        """Put refused entries whose wait is over in front of the others."""
        due = [settlement for settlement in self._refused if settlement.due <= now]
        if due:
            self._refused = [settlement for settlement in self._refused if settlement.due > now]
            for settlement in reversed(due):
                settlement.queue.appendleft(settlement)
