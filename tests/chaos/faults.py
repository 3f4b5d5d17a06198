"""
Which fault befalls which call, by seed, and how often each did.

The n-th call of an operation has the same fault in every run of a seed, though not with the same messages.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from threading import Lock


RECEIVE, DELETE, CHANGE, SEND = (
    "ReceiveMessage",
    "DeleteMessageBatch",
    "ChangeMessageVisibilityBatch",
    "SendMessageBatch",
)
BATCHES = (DELETE, CHANGE, SEND)
ANY = (RECEIVE, *BATCHES, "GetQueueAttributes", "GetQueueUrl")

#: The operations that each kind of fault befalls, and how much of all faults it is.
KINDS: dict[str, tuple[tuple[str, ...], float]] = {
    "connection reset before the engine acted": (ANY, 12),
    "connection reset after the engine acted": (ANY, 12),
    "reply late": (ANY, 8),
    "reply later than the visibility timeout": ((RECEIVE, *BATCHES), 3),
    "request later than the visibility timeout": (BATCHES, 3),
    "throttled": (ANY, 10),
    "error 500 before the engine acted": (ANY, 10),
    "error 503 after the engine acted": (ANY, 8),
    "reply cut short": (ANY, 8),
    "reply that makes no sense": (ANY, 8),
    "entries refused": (BATCHES, 30),
    "entries reported as refused": (BATCHES, 10),
    "delivered twice in one answer": ((RECEIVE,), 12),
    "clock jumps": ((RECEIVE,), 2),
}

#: The moment of a message's life, the calls at which it is, and whether the engine has acted by then.
MOMENTS: dict[str, tuple[tuple[str, ...], bool]] = {
    "received, unanswered": ((RECEIVE,), True),
    "received": ((RECEIVE,), True),
    "running": ((RECEIVE,), True),
    "handled, not deleted": ((DELETE,), False),
    "deleted": ((DELETE,), True),
    "lease at stake": ((CHANGE,), False),
    "lease changed": ((CHANGE,), True),
    "given up, not sent": ((SEND,), False),
    "sent, not deleted": ((SEND,), True),
}

SIGNALS = ("SIGKILL", "SIGTERM")


@dataclass(frozen=True, slots=True)
class Fault:
    """
    A fault that befalls a call.

    :param random: decides what else there is to decide about it
    """

    kind: str
    random: Random


class Faults:
    """
    Choose faults.

    :param seed: chooses them
    :param rate: the share of calls that have one
    :param signal_rate: the share of calls at which a daemon gets a signal
    """

    def __init__(self, seed: int, rate: float, signal_rate: float) -> None:
        self.seed = seed
        self.rate = rate
        self.signal_rate = signal_rate
        self.counts: Counter[str] = Counter()
        self.enabled = rate > 0 or signal_rate > 0
        self._calls: Counter[str] = Counter()
        self._lock = Lock()

    def choose(self, operation: str) -> Fault | None:
        """Return the fault of the next call of an operation, if it has one."""
        if not self.enabled:
            return None
        with self._lock:
            self._calls[operation] += 1
            random = Random(f"{self.seed}/{operation}/{self._calls[operation]}")
        draw = random.random()
        if draw < self.signal_rate:
            return self._pick(random, operation, {moment: (calls, 1.0) for moment, (calls, _) in MOMENTS.items()}, True)
        if draw < self.signal_rate + self.rate:
            return self._pick(random, operation, KINDS, False)
        return None

    def _pick(
        self, random: Random, operation: str, kinds: dict[str, tuple[tuple[str, ...], float]], signal: bool
    ) -> Fault | None:
        possible = {kind: weight for kind, (operations, weight) in kinds.items() if operation in operations}
        if not possible:
            return None
        (kind,) = random.choices(list(possible), weights=list(possible.values()))
        return Fault(f"{random.choice(SIGNALS)}: {kind}" if signal else kind, random)

    def count(self, kind: str) -> None:
        """Count a fault that was injected."""
        with self._lock:
            self.counts[kind] += 1

    @property
    def total(self) -> int:
        """Return how many faults were injected."""
        with self._lock:
            return sum(self.counts.values())

    def stop(self) -> None:
        """Inject no more."""
        self.enabled = False
