"""
A circuit breaker: no more messages are received while most of them fail.

Closed, it counts results. When the share of failures in its window is too large it opens, and nothing is received
for a while; then, half open, one message is, whose result closes or opens it again.
https://learn.microsoft.com/en-us/azure/architecture/patterns/circuit-breaker
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from logging import getLogger
from threading import Lock
from time import monotonic


logger = getLogger(__name__)


class State(Enum):
    """The state of a circuit breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class Breaker:
    """
    Tell how many messages may be received, by how the last ones fared.

    :param failure_share: with a larger share of failures than this it opens; None never opens
    :param window_seconds: over how long results are counted
    :param min_results: fewer results make no share
    :param open_seconds: how long it stays open
    :param clock: a monotonic clock, in seconds
    """

    def __init__(
        self,
        failure_share: float | None,
        window_seconds: float,
        min_results: int,
        open_seconds: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.failure_share = failure_share
        self.window_seconds = window_seconds
        self.min_results = min_results
        self.open_seconds = open_seconds
        self.clock = clock
        self.state = State.CLOSED
        self._lock = Lock()
        self._results = deque[tuple[float, bool]]()
        self._failures = 0
        self._open_until = 0.0
        #: The deadline for the result of the probing message; None if none was received.
        self._probe_until: float | None = None

    def record(self, failed: bool) -> None:
        """Count one result."""
        if self.failure_share is None:
            return
        with self._lock:
            if self.state is State.CLOSED:
                self._count(failed)
                if self._is_too_much(self.failure_share):
                    self._open(f"{self._failures} of {len(self._results)} messages failed")
            elif self.state is State.HALF_OPEN and self._probe_until is not None:
                if failed:
                    self._open("the message received to see failed too")
                else:
                    self.state = State.CLOSED
                    logger.warning("The circuit breaker closes: receiving again")

    def limit(self) -> int | None:
        """Return how many messages may be received now; None for as many as there is room for."""
        if self.state is State.CLOSED:
            return None
        with self._lock:
            if self.state is State.OPEN and self.clock() >= self._open_until:
                self.state = State.HALF_OPEN
                self._probe_until = None
            if self.state is State.CLOSED:
                return None
            return int(self.state is State.HALF_OPEN and not self._is_probing())

    def probe(self, began: bool) -> None:
        """Note that the one message of a half open breaker is being received, or that none came."""
        with self._lock:
            probing = began and self.state is State.HALF_OPEN
            self._probe_until = self.clock() + self.open_seconds if probing else None

    def _is_probing(self) -> bool:
        # Some messages have no result: one that was handled before, or that waited for longer than its lease.
        return self._probe_until is not None and self.clock() < self._probe_until

    def _count(self, failed: bool) -> None:
        now = self.clock()
        self._results.append((now, failed))
        self._failures += failed
        while self._results[0][0] <= now - self.window_seconds:
            self._failures -= self._results.popleft()[1]

    def _is_too_much(self, failure_share: float) -> bool:
        return len(self._results) >= self.min_results and self._failures > failure_share * len(self._results)

    def _open(self, why: str) -> None:
        self.state = State.OPEN
        self._open_until = self.clock() + self.open_seconds
        self._results.clear()
        self._failures = 0
        logger.error("The circuit breaker opens: %s; not receiving for %g s", why, self.open_seconds)
