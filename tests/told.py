"""
What came of a call whose end nobody waits for, but a test.
"""

from collections.abc import Callable
from threading import Event, current_thread
from typing import Any


SECONDS = 30


class Told:
    """What came of a call, and in which thread that was told."""

    def __init__(self) -> None:
        self.event = Event()
        self.value: Any = None
        self.thread = ""

    def __call__(self, get: Callable[[], Any]) -> None:
        self.thread = current_thread().name
        try:
            self.value = get()
        except Exception as error:
            self.value = error
        self.event.set()

    def wait(self) -> Any:
        """Return the answer, or the error."""
        assert self.event.wait(SECONDS)
        return self.value
