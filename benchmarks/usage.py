"""
What this process has used, and whether a worker ended as it should.
"""

from resource import RUSAGE_SELF, getrusage
from typing import Any


def cpu_seconds() -> float:
    usage = getrusage(RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def check(ending: Any) -> None:
    assert ending.recycled, ending
