"""
Waiting in tests: for a condition, with a deadline.
"""

from time import monotonic, sleep


#: Nothing that a test waits for takes nearly so long, unless it fails.
SECONDS = 30


def wait_until(condition, seconds=SECONDS):
    """Return the first true value of a condition, looking at it again and again; fail when the time is over."""
    deadline = monotonic() + seconds
    while not (value := condition()):
        assert monotonic() < deadline, f"this did not become true within {seconds} s"
        sleep(0.001)
    return value
