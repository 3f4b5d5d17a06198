"""
The values of a task's row after each event, and when a sweeper must look at it again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import time
from typing import Any

from microcosm_pubsub.ledger.rows import Millis
from microcosm_pubsub.ledger.states import State


#: The time after which a message that does not come is published again doubles at most this many times.
MAX_DOUBLINGS = 10


@dataclass(slots=True)
class Terms:
    """
    Know how long things take.

    :param lease_seconds: how long after it was last heard of a task is lost
    :param republish_seconds: how long after it was published a task that nobody has begun is published again; twice as
        long each time
    :param retention_seconds: how long a task is kept after its end
    :param max_attempts: how often a task is begun whose retry policy does not say
    :param now: tells the time of day, in seconds since the epoch
    """

    lease_seconds: float = 30.0
    republish_seconds: float = 3600.0
    retention_seconds: float = 30 * 24 * 3600.0
    max_attempts: int = 5
    now: Callable[[], float] = time

    def now_ms(self) -> Millis:
        """Return the time of day, in milliseconds since the epoch."""
        return int(self.now() * 1000)

    def compute_lease_end(self) -> Millis:
        """Return when a task that was heard of now is lost, if it is not heard of again."""
        return self.now_ms() + int(self.lease_seconds * 1000)

    def compute_patience(self, publishes: int) -> Millis:
        """Return how long to wait for a task to be begun that was published before, in milliseconds."""
        return int(self.republish_seconds * 1000) << min(publishes, MAX_DOUBLINGS)

    def say_scheduled(self, due_at: Millis) -> dict[str, Any]:
        """Return the values of a task's row whose time has not come."""
        return {"state": State.SCHEDULED, "look_at": due_at}

    def say_published(self, publishes: int = 0, state: State = State.PENDING) -> dict[str, Any]:
        """
        Return the values of a task's row that is published now.

        :param publishes: how often it was before
        """
        now = self.now_ms()
        return {
            "state": state,
            "published_at": now,
            "publishes": publishes + 1,
            "look_at": now + self.compute_patience(publishes),
        }

    def say_ended(self, state: State, error: str | None = None) -> dict[str, Any]:
        """Return the values of a task's row that has ended now."""
        now = self.now_ms()
        look_at = now + int(self.retention_seconds * 1000)
        return {"state": state, "finished_at": now, "look_at": look_at, "error": error}
