"""
The work of a daemon for the ledger beside its worker: the service `pubsub_ledger_keeping`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from microcosm_pubsub.ledger.firing import Schedules
from microcosm_pubsub.ledger.ledger import Ledger
from microcosm_pubsub.sql.background import RepeatingThread


#: Tasks are counted for metrics at this interval, in seconds.
COUNT_SECONDS = 10.0


class LedgerService:
    """
    Look after the ledger while a daemon runs: a service.

    :param ledger: the ledger
    :param schedules: the tasks that are sent again and again
    :param poll_seconds: how often to look
    """

    name = "ledger"

    def __init__(self, ledger: Ledger, schedules: Schedules, poll_seconds: float = 1.0) -> None:
        self.ledger = ledger
        self.schedules = schedules
        self.poll_seconds = poll_seconds
        self.works = [
            RepeatingThread("ledger-beats", ledger.runs.beat),
            RepeatingThread("ledger", self.step),
        ]
        self._gauges: dict[str, float] = {}
        self._count_at = ledger.clock()

    def start(self) -> None:
        """
        Begin.

        :raises PubSubError: if the database cannot be used, or our tables have another version
        """
        self.ledger.database.check()
        self.schedules.register()
        for work in self.works:
            work.start()

    def stop(self) -> None:
        """End, after the steps that are under way."""
        for work in self.works:
            work.stop()

    def step(self) -> float:
        """Treat the rows that are due, and return after how many seconds to do so again."""
        found, wait = self.see_to_due()
        if self.ledger.clock() >= self._count_at:
            self._count_at = self.ledger.clock() + COUNT_SECONDS
            self._gauges = self.ledger.sweeper.count()
        return 0.0 if found else wait

    def see_to_due(self) -> tuple[int, float]:
        """Treat the rows that are due, and return their number, and in how many seconds there are more."""
        fired, wait = self.schedules.fire_due(self.poll_seconds)
        wait = self.ledger.sweeper.find_wait(wait)
        return (fired, wait) if wait > 0 else (fired + self.ledger.sweeper.sweep(), 0.0)

    def set_clock(self, now: Callable[[], float]) -> None:
        """
        Go by another clock.

        :param now: tells the time of day, in seconds since the epoch
        """
        self.ledger.terms.now = now

    def problems(self) -> Iterable[str]:
        """Return the errors of the last steps."""
        return [work.problem for work in self.works if work.problem is not None]

    def gauges(self) -> Mapping[str, float]:
        """Return how many tasks there are of each state that is not final."""
        return self._gauges
