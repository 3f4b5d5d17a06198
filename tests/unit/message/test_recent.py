"""
The last messages of which something is remembered.
"""

from microcosm_pubsub.message import RecentCounts
from microcosm_pubsub.message.recent import MAX_REMEMBERED


def test_numbers_are_counted_up():
    recent = RecentCounts()
    assert recent.count("a") == 0
    recent.add("a")
    recent.add("a")
    recent.add(None)

    assert [recent.count(name) for name in ("a", "b", None)] == [2, 0, 0]


def test_only_the_last_are_remembered():
    recent = RecentCounts(limit=3)
    for name in ("a", "b", "c", "a", "d"):
        recent.add(name)

    assert [recent.count(name) for name in ("a", "b", "c", "d")] == [2, 0, 1, 1]
    assert len(recent) == 3
    assert RecentCounts().limit == MAX_REMEMBERED


def test_one_can_be_forgotten():
    recent = RecentCounts()
    recent.forget("a")
    recent.add("a")
    recent.forget("a")
    recent.forget(None)

    assert (recent.count("a"), len(recent)) == (0, 0)
