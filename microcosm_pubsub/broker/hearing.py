"""
What a process has heard of a queue: who waits for its messages, and whether there may be any.

A receive that got less than it asked for has left nothing. Until there is news of the queue, or a message becomes due,
another look would find nothing, and is not taken, but for the net below: as often as receives look that wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock
from time import monotonic


class Hearing:
    """What a process has heard of one queue."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: list[Event] = []
        #: How often there was news; read it before a look.
        self.count = 0
        # when to look again in any case, by `monotonic`, and when the next message is due, in ms since the epoch
        self._quiet: tuple[float, int | None] | None = None

    @contextmanager
    def listening(self) -> Iterator[Event]:
        """
        Give an event that news sets, for the length of a block.

        Of those who wait the first is told. One that leaves with news at which it did not look, or that sets the event
        since it left something, has the next one told.
        """
        news = Event()
        with self._lock:
            self._waiting.append(news)
        try:
            yield news
        finally:
            with self._lock:
                self._waiting.remove(news)
                if news.is_set() and self._waiting:
                    self._waiting[0].set()

    @property
    def is_used(self) -> bool:
        """Return whether somebody waits."""
        return bool(self._waiting)

    def tell(self) -> None:
        """Tell who waits that there may be messages."""
        with self._lock:
            self.count += 1
            self._quiet = None
            if self._waiting:
                self._waiting[0].set()

    def interrupt(self) -> None:
        """Wake all who wait."""
        with self._lock:
            for news in self._waiting:
                news.set()

    def note_quiet(self, count: int, net_seconds: float, next_at: int | None) -> None:
        """
        Note that a look has left nothing.

        :param count: of news, before the look
        :param net_seconds: when to look again in any case
        :param next_at: when the next message is due, in milliseconds since the epoch
        """
        with self._lock:
            if count == self.count:
                self._quiet = monotonic() + net_seconds, next_at

    def find_quiet_seconds(self, now: int) -> float:
        """
        Return for how long a look would find nothing, as far as is known; 0 if it may find something.

        :param now: in milliseconds since the epoch
        """
        quiet = self._quiet
        if quiet is None:
            return 0.0
        look_at, next_at = quiet
        left = look_at - monotonic()
        return max(0.0, left if next_at is None else min(left, (next_at - now) / 1000))
