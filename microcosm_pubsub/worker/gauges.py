"""
The gauges of a worker, told to metrics about once a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from logging import getLogger
from time import monotonic


logger = getLogger(__name__)

#: Gauges are told at most once in this many seconds.
GAUGE_SECONDS = 1.0

Values = Mapping[str, float]


def tell_all(tellers: Iterable[Callable[[Values], None]]) -> Callable[[Values], None] | None:
    """Return a function that tells several; None if there are none."""
    every = tuple(tellers)
    if not every:
        return None

    def tell(values: Values) -> None:
        for each in every:
            each(values)

    return tell


class Gauges:
    """
    Tell values now and then.

    :param tell: gets them, by name; None wants none
    :param read: gives them
    :param clock: a monotonic clock, in seconds
    """

    def __init__(
        self, tell: Callable[[Values], None] | None, read: Callable[[], Values], clock: Callable[[], float] = monotonic
    ) -> None:
        self.tell = tell
        self.read = read
        self.clock = clock
        self._next_at = clock()

    def __call__(self) -> None:
        """Tell the values, if it is time to."""
        if self.tell is None or self.clock() < self._next_at:
            return
        self._next_at = self.clock() + GAUGE_SECONDS
        try:
            self.tell(self.read())
        except Exception:
            # Metrics are user code, and can change nothing.
            logger.warning("Cannot send metrics of the worker", exc_info=True)
