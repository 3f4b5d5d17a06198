"""
Threads for what has to wait: as many as there is to do, up to a number, and kept for more.

They do not keep a process from ending, which those of `concurrent.futures` do.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread, local


class _Kept(local):
    """The job that a thread does next, without asking for one; it is no thread of ours if it cannot keep any."""

    can_keep = False
    job: Callable[[], None] | None = None


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
        self._kept = _Kept()

    def run(self, job: Callable[[], None]) -> None:
        """
        Do a job soon; it must not raise.

        One that is asked for at the end of another is done by the same thread, so that none has to be woken.
        """
        kept = self._kept
        if kept.can_keep:
            kept.can_keep, kept.job = False, job
            with self._lock:
                self.busy += 1
            return
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
        kept = self._kept
        while (job := kept.job or self._jobs.get()) is not None:
            kept.can_keep, kept.job = True, None
            try:
                job()
            finally:
                kept.can_keep = False
                with self._lock:
                    self.busy -= 1
