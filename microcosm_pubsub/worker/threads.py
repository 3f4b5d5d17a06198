"""
Threads for what has to wait: as many as there is to do, up to a number, and kept for more.

They do not keep a process from ending, which those of `concurrent.futures` do.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread


class Threads:
    """
    Do jobs, each in a thread.

    :param name: of the threads, before their number
    :param most: the most jobs that are done at a time
    """

    def __init__(self, name: str, most: int) -> None:
        self.name = name
        self.most = most
        #: The number of jobs that are being done, or wait for a thread.
        self.busy = 0
        self._started = 0
        self._lock = Lock()
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def run(self, job: Callable[[], None]) -> None:
        """Do a job soon; it must not raise."""
        with self._lock:
            self.busy += 1
            more = self._started < min(self.busy, self.most)
            number = self._started
            self._started += more
        self._jobs.put(job)
        if more:
            Thread(target=self._work, name=f"{self.name}-{number}", daemon=True).start()

    def close(self) -> None:
        """Let the threads end, after the jobs that there are."""
        for _ in range(self._started):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            finally:
                with self._lock:
                    self.busy -= 1
