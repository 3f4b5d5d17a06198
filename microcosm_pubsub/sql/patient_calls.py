"""
Waiting for a database that starts, or cannot be reached for a moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from microcosm_pubsub.sql.passing import describe, is_lasting


T = TypeVar("T")

#: The first and the longest wait before another try, in seconds; each is twice the one before.
MIN_WAIT_SECONDS = 0.05
MAX_WAIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class PatientCalls:
    """
    Make calls of a database, and make them again while it cannot be reached.

    :param name: of the database, for errors
    :param seconds: the longest time to wait
    :param clock: a monotonic clock, in seconds
    :param pause: waits for some seconds
    """

    name: str
    seconds: float
    clock: Callable[[], float]
    pause: Callable[[float], None]

    def call(self, call: Callable[[], T]) -> T:
        """
        Make a call, and return its value.

        :raises TransactionError: if the database cannot be used
        """
        deadline = self.clock() + self.seconds
        wait = MIN_WAIT_SECONDS
        while True:
            try:
                return call()
            except (OperationalError, OSError) as error:
                if is_lasting(error) or self.clock() >= deadline:
                    raise describe(self.name, error) from error
            except (DBAPIError, PoolTimeoutError) as error:
                raise describe(self.name, error) from error
            self.pause(wait)
            wait = min(2 * wait, MAX_WAIT_SECONDS)
