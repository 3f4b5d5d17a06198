"""
Signals that ask a command to stop, noticed between two calls.

The first one lets the command end what it does and release what it holds; the second one ends it at once. Messages that
are hidden then become visible again by themselves.
"""

from __future__ import annotations

from signal import SIG_DFL, SIGHUP, SIGINT, SIGTERM, Signals, default_int_handler, getsignal, signal
from threading import Event
from types import FrameType, TracebackType
from typing import Any


class Interrupts:
    """
    Notice signals, as a context manager.

    :param deferred: whether to go on until somebody asks; otherwise the first one raises `KeyboardInterrupt`
    """

    NUMBERS = (SIGHUP, SIGINT, SIGTERM)

    def __init__(self, deferred: bool = True) -> None:
        self.deferred = deferred
        self.number: int | None = None
        self._event = Event()
        self._earlier: dict[Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        for number in self.NUMBERS:
            # A signal that is ignored, as by nohup, stays ignored.
            if getsignal(number) in (SIG_DFL, default_int_handler):
                self._earlier[number] = signal(number, self._notice)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, earlier in self._earlier.items():
            signal(number, earlier)

    @property
    def is_set(self) -> bool:
        """Return whether there was one."""
        return self.number is not None

    @property
    def exit_code(self) -> int:
        """Return the exit code that tells which one it was."""
        return 128 + (self.number or 0)

    def pause(self, seconds: float) -> bool:
        """Wait, but not past a signal, and tell whether there was one."""
        self._event.wait(seconds)
        return self.is_set

    def _notice(self, number: int, frame: FrameType | None) -> None:
        again, self.number = self.is_set, number
        self._event.set()
        if again or not self.deferred:
            raise KeyboardInterrupt
