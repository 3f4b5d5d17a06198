"""
Keep to a number of messages per second.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from time import monotonic


class TokenBucket:
    """
    Let a number of messages through in a second, on average, and at most those of a second at once.

    https://en.wikipedia.org/wiki/Token_bucket

    :param rate: messages per second; None for as many as come
    :param clock: measures time, in seconds
    """

    def __init__(self, rate: float | None, clock: Callable[[], float] = monotonic) -> None:
        self.rate = inf if rate is None else rate
        self.clock = clock
        self.capacity = max(1.0, self.rate)
        self._tokens = self.capacity
        self._filled_at = clock()

    def take(self, wanted: int) -> int:
        """Return how many messages may go now, at most as many as are wanted."""
        if self.rate == inf:
            return wanted
        now = self.clock()
        self._tokens = min(self.capacity, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        # A share that rounding lost must not keep the last message waiting.
        taken = min(wanted, int(self._tokens + 1e-9))
        self._tokens -= taken
        return taken

    @property
    def wait_seconds(self) -> float:
        """Return after how many seconds the next message may go."""
        return max(0.0, (1 - self._tokens) / self.rate)
