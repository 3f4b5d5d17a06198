"""
The wait before something is tried again.
"""

from __future__ import annotations

from random import Random


#: A wait is doubled at most this often, whatever its bound is.
MAX_DOUBLINGS = 16


def growing_delay(tries: int, minimum: float, maximum: float, random: Random) -> float:
    """
    Return how many seconds to wait: twice as long with each try, and half of it random.

    https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/

    :param tries: how many tries have failed before
    :param minimum: the bound of the first wait, in seconds
    :param maximum: the bound of any wait, in seconds
    """
    bound: float = min(maximum, minimum * 2 ** min(tries, MAX_DOUBLINGS))
    return bound / 2 + random.uniform(0, bound / 2)
