"""
Something that is done again and again, in a thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from logging import getLogger
from threading import Event, Thread

from microcosm_pubsub.result import describe


logger = getLogger(__name__)

#: The first and the longest wait after an error, in seconds; each is twice the one before.
MIN_ERROR_SECONDS = 1.0
MAX_ERROR_SECONDS = 60.0

#: A stop waits at most this many seconds for a step under way.
STOP_SECONDS = 10.0


class RepeatingThread:
    """
    Do a step again and again.

    :param name: of the thread, and of the work, for the log
    :param step: does some of it, and returns after how many seconds to call it again
    """

    def __init__(self, name: str, step: Callable[[], float]) -> None:
        self.name = name
        self.step = step
        #: What went wrong in the last step; None if nothing did.
        self.problem: str | None = None
        self._woken = Event()
        self._stopping = False
        self._thread: Thread | None = None

    @property
    def is_running(self) -> bool:
        """Return whether it is being done."""
        return self._thread is not None and self._thread.is_alive() and not self._stopping

    def start(self) -> None:
        """Begin."""
        self._stopping = False
        self._thread = Thread(target=self.run, name=self.name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Let the next step begin now."""
        self._woken.set()

    def end(self) -> None:
        """Let it end, after the step that is under way."""
        self._stopping = True
        self._woken.set()

    def stop(self) -> None:
        """End, after the step that is under way."""
        self.end()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
            self._thread = None

    def run(self) -> None:
        """Do it here, until it is to end."""
        failures = 0
        while not self._stopping:
            # A step is not worth a process: after an error it is tried again, and health checks tell of it.
            try:
                wait = self.step()
                if failures:
                    logger.warning("%s goes on again after %d failed attempts", self.name, failures)
                self.problem, failures = None, 0
            except Exception as error:
                failures += 1
                wait = min(MAX_ERROR_SECONDS, MIN_ERROR_SECONDS * 2 ** (failures - 1))
                self.problem = f"{self.name} cannot go on: {describe(error)}"
                logger.warning("%s; trying again in %g s", self.problem, wait)
            self._woken.wait(wait)
            self._woken.clear()
