"""
What goes into the next call: a table of what waits.
"""

from math import inf

import pytest

from microcosm_pubsub.consumer import GivenUp
from microcosm_pubsub.worker.entries import Entries


@pytest.fixture
def entries():
    return Entries(max_calls=2)


@pytest.fixture
def add(entries, make_message):
    """Add entries of a kind: deletes, releases, or dead letters."""

    def add_some(kind, numbers, now=0.0):
        for number in numbers:
            message = make_message(number)
            given_up = GivenUp(message, None) if kind == "dead letter" else None
            entries.add(message, 0 if kind == "release" else None, now, given_up)

    return add_some


def numbers(batch):
    return [settlement.message.content["number"] for settlement in batch]


@pytest.mark.parametrize(
    ("waiting", "now", "sent"),
    [
        # (kind, how many, when they were added)
        ([], 1.0, []),
        ([("delete", 9, 0.0)], 0.04, []),
        ([("delete", 9, 0.0)], 0.05, range(9)),
        ([("delete", 10, 0.0)], 0.0, range(10)),
        ([("delete", 13, 0.0)], 0.0, range(10)),
        ([("release", 10, 0.0)], 0.0, range(10)),
        ([("dead letter", 10, 0.0)], 0.0, range(10)),
        # kinds go alone, the one that has waited longest first
        ([("delete", 5, 0.0), ("release", 5, 0.0)], 0.04, []),
        ([("release", 2, 0.0), ("delete", 3, 0.01)], 0.06, range(2)),
        ([("delete", 3, 0.01), ("dead letter", 2, 0.0)], 0.06, range(3, 5)),
        ([("delete", 10, 0.02), ("release", 1, 0.0)], 0.05, range(10, 11)),
        ([("delete", 10, 0.02), ("release", 1, 0.0)], 0.04, range(10)),
    ],
)
def test_what_is_sent_next(entries, add, waiting, now, sent):
    start = 0
    for kind, count, added in waiting:
        add(kind, range(start, start + count), added)
        start += count

    assert numbers(entries.pop_batch(now)) == list(sent)


def test_no_more_calls_than_there_may_be(entries, add):
    add("delete", range(30))
    first, second = entries.pop_batch(0.0), entries.pop_batch(0.0)
    assert entries.pop_batch(0.0) == []
    assert (entries.find_due(), entries.count) == (inf, 30)
    entries.end(first)

    assert (numbers(second), numbers(entries.pop_batch(0.0))) == (list(range(10, 20)), list(range(20, 30)))
    assert entries.count == 20


def test_what_was_refused_goes_first_when_its_time_has_come(entries, add):
    add("delete", range(2))
    batch = entries.pop_batch(1.0)
    for settlement in batch:
        entries.refuse(settlement, 5.0)
    entries.end(batch)
    add("delete", [7], 4.98)

    assert (entries.count, entries.find_due()) == (3, 5.0)
    assert entries.pop_batch(4.9) == []
    assert numbers(entries.pop_batch(5.0)) == [0, 1, 7]
    assert [settlement.attempts for settlement in batch] == [1, 1]


def test_flushing_waits_for_nothing(entries, add):
    add("delete", range(2), 0.0)
    batch = entries.pop_batch(1.0)
    entries.refuse(batch[0], 100.0)
    entries.end(batch)
    add("release", [7], 1.0)

    entries.flush(1.0)

    assert numbers(entries.pop_batch(1.0)) == [0]
    assert numbers(entries.pop_batch(1.0)) == [7]


def test_the_oldest(entries, add):
    assert entries.find_oldest() == inf
    add("delete", range(10), 3.0)
    add("release", [11], 4.0)
    batch = entries.pop_batch(4.0)
    assert entries.find_oldest() == 3.0
    entries.refuse(batch[0], 9.0)
    entries.end(batch)
    assert entries.find_oldest() == 3.0
    released, refused = entries.pop_batch(9.0), entries.pop_batch(9.0)
    assert (numbers(released), numbers(refused)) == ([11], [0])
    entries.end(refused)

    assert entries.find_oldest() == 4.0
