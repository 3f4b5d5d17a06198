"""
The answers that a reactor waits for, and a way to wake it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from selectors import EVENT_READ, DefaultSelector
from socket import socketpair
from typing import Any

from microcosm_pubsub.fast.transport.hot_calls import Flight


#: Calls whose answer is overdue are looked for at this interval, in seconds.
OVERDUE_SECONDS = 1.0

MIN_SLEEP_SECONDS = 0.0005

#: At most this many wake-ups are taken at once.
MAX_WAKES = 256

#: Called when a call ends, with a function that returns its answer or raises its error.
Done = Callable[[Callable[[], Any]], None]


@dataclass(slots=True, eq=False)
class OpenCall:
    """A call whose answer is waited for, its deadline, and the function that is told of it."""

    flight: Flight
    done: Done
    overdue_at: float


class Answers:
    """
    The answers that are waited for, and a way to wake the thread that waits for them.

    :param clock: a monotonic clock, in seconds
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.waiting: set[OpenCall] = set()
        #: When to look for calls whose answer is overdue.
        self.overdue_at = 0.0
        # On Linux and the BSDs a selector that waits also waits for sockets that are registered meanwhile:
        # https://man7.org/linux/man-pages/man2/epoll_wait.2.html
        self._selector = DefaultSelector()
        self._waker, self._woken = socketpair()
        self._waker.setblocking(False)
        self._selector.register(self._woken, EVENT_READ)

    def add(self, flight: Flight, done: Done) -> None:
        """Wait for an answer."""
        call = OpenCall(flight, done, self._overdue_at(flight))
        flight.sock.settimeout(0)
        self.waiting.add(call)
        self._selector.register(flight.sock, EVENT_READ, call)

    def remove(self, call: OpenCall) -> None:
        """Wait for an answer no longer."""
        self._selector.unregister(call.flight.sock)
        self.waiting.discard(call)

    def take(self, seconds: float) -> list[OpenCall]:
        """Wait for answers, for this long at most, and return the calls whose whole answers have come."""
        ended = []
        for key, _ in self._selector.select(seconds):
            call: OpenCall | None = key.data
            if call is None:
                # This socket only wakes the thread that waits here.
                continue
            if call.flight.exchange.read():
                self.remove(call)
                ended.append(call)
            else:
                # Part of the answer arrived. The read timeout bounds each silence, not the whole answer, so restart it.
                call.overdue_at = self._overdue_at(call.flight)
        return ended

    def take_overdue(self) -> list[OpenCall]:
        """Give up the calls whose answers are overdue, and return them; now and then."""
        now = self.clock()
        self.overdue_at = now + OVERDUE_SECONDS
        overdue = [call for call in list(self.waiting) if call.overdue_at <= now]
        for call in overdue:
            call.flight.exchange.fail(TimeoutError("timed out"))
            self.remove(call)
        return overdue

    def _overdue_at(self, flight: Flight) -> float:
        return self.clock() + (flight.read_timeout or inf)

    def sleep(self, seconds: float) -> None:
        """Wait to be woken, for this long at most."""
        self._woken.settimeout(max(seconds, MIN_SLEEP_SECONDS))
        try:
            self._woken.recv(MAX_WAKES)
        except TimeoutError:
            return

    def wake(self) -> None:
        """Wake the thread that waits or sleeps, now or when it does so next."""
        try:
            self._waker.send(b"w")
        except OSError:
            # The pipe is full of wake-ups already, or the reactor is closed: either way there is nothing to do.
            return

    def stop_waking(self) -> None:
        """Forget that somebody was to be woken."""
        self._woken.settimeout(0)
        try:
            self._woken.recv(MAX_WAKES)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Give up the calls that are open."""
        for call in list(self.waiting):
            self.remove(call)
            call.flight.give_up()
        self._selector.close()
        self._waker.close()
        self._woken.close()
