"""
The question whether this process has all the processor time that it can have.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, process_time


#: The load is measured at this interval, in seconds; and Python's lock lets threads have at most this share of one
#: processor.
LOAD_SECONDS = 0.1
FULL_LOAD = 0.75


class Load:
    """
    Know whether Python has a processor's worth of work already, so that more threads would only get in its way.

    :param clock: a monotonic clock, in seconds
    :param cpu_clock: the processor time of this process, in seconds
    """

    def __init__(self, clock: Callable[[], float] = monotonic, cpu_clock: Callable[[], float] = process_time) -> None:
        self.clock = clock
        self.cpu_clock = cpu_clock
        self._since = clock()
        self._cpu_since = cpu_clock()
        self._full = False

    def is_full(self) -> bool:
        """Return whether it had in the last tenth of a second."""
        now = self.clock()
        if now - self._since >= LOAD_SECONDS:
            cpu = self.cpu_clock()
            self._full = cpu - self._cpu_since >= FULL_LOAD * (now - self._since)
            self._since, self._cpu_since = now, cpu
        return self._full
