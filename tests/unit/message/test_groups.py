"""
The rule of FIFO queues.
"""

import pytest

from microcosm_pubsub.message import Groups


@pytest.mark.parametrize(
    ("ordered", "stays", "group", "blocked"),
    [
        (True, "a", "a", True),
        (True, "a", "b", False),
        (True, "a", None, False),
        (True, None, None, False),
        (True, None, "a", False),
        (False, "a", "a", False),
    ],
)
def test_what_comes_after_one_that_stays_must_wait(ordered, stays, group, blocked):
    groups = Groups(ordered)
    groups.block(stays)

    assert groups.is_blocked(group) is blocked
