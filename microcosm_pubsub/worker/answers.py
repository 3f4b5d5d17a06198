"""
The answers that a reactor waits for, and a way to wake it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from selectors import EVENT_READ, DefaultSelector
from socket import socketpair
from typing import Any

from microcosm_pubsub.fast.transport.calls import Flight


MIN_SLEEP_SECONDS = 0.0005

#: At most this many wake-ups are taken at once.
MAX_WAKES = 256

#: Called when a call ends, with a function that returns its answer or raises its error.
Done = Callable[[Callable[[], Any]], None]


@dataclass(slots=True, eq=False)
class OpenCall:
    """A call whose answer is waited for, until when, and who is told of it."""

    flight: Flight
    done: Done
    overdue_at: float


class Answers:
    """The answers that are waited for, and a way to wake who waits for them."""

    def __init__(self) -> None:
        self.waiting: set[OpenCall] = set()
        self.overdue_at = 0.0
        # on Linux and the BSDs one that waits already waits for what is registered meanwhile, too
        # https://man7.org/linux/man-pages/man2/epoll_wait.2.html
        self._selector = DefaultSelector()
        self._waker, self._woken = socketpair()
        self._waker.setblocking(False)
        self._selector.register(self._woken, EVENT_READ)

    def add(self, waiting: OpenCall) -> None:
        """Wait for an answer."""
        waiting.flight.sock.settimeout(0)
        self.waiting.add(waiting)
        self._selector.register(waiting.flight.sock, EVENT_READ, waiting)

    def remove(self, waiting: OpenCall) -> None:
        """Wait for an answer no longer."""
        self._selector.unregister(waiting.flight.sock)
        self.waiting.discard(waiting)

    def wait(self, seconds: float) -> list[OpenCall]:
        """Wait for answers, for this long at most, and return what some of has arrived."""
        return [key.data for key, _ in self._selector.select(seconds) if key.data is not None]

    def sleep(self, seconds: float) -> None:
        """Wait to be woken, for this long at most."""
        self._woken.settimeout(max(seconds, MIN_SLEEP_SECONDS))
        self._take_wakes()

    def wake(self) -> None:
        """Wake who waits or sleeps, now or when it does so next."""
        try:
            self._waker.send(b"w")
        except OSError:
            # The pipe is full of wake-ups already, or the reactor is closed: either way there is nothing to do.
            return

    def stop_waking(self) -> None:
        """Forget that somebody was to be woken."""
        self._woken.settimeout(0)
        self._take_wakes()

    def _take_wakes(self) -> None:
        try:
            self._woken.recv(MAX_WAKES)
        except (TimeoutError, BlockingIOError):
            return

    def close(self) -> None:
        """Give up what is waited for."""
        for call in list(self.waiting):
            self.remove(call)
            call.flight.give_up()
        self._selector.close()
        self._waker.close()
        self._woken.close()
