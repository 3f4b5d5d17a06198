"""
How many messages to ask for.
"""

import pytest

from microcosm_pubsub.message import Groups
from microcosm_pubsub.registry import HandlerOptions
from microcosm_pubsub.worker.admission import Admission
from microcosm_pubsub.worker.breaker import Breaker
from microcosm_pubsub.worker.entries import Entries
from microcosm_pubsub.worker.lanes import Lanes
from microcosm_pubsub.worker.settings import WorkerSettings


class Store:
    """The lanes of a worker and its admission, with as many slots as are asked for."""

    def __init__(self, clock, told, concurrency=1, limit=10, **options):
        settings = WorkerSettings(concurrency=concurrency, **options)
        self.lanes = Lanes(clock=clock)
        self.entries = Entries(settings.max_settlers)
        self.breaker = Breaker(
            settings.breaker_failure_share,
            settings.breaker_window_seconds,
            settings.breaker_min_results,
            settings.breaker_open_seconds,
            clock,
        )
        self.admission = Admission(self.lanes, self.entries, self.breaker, settings, limit)
        self.admission.subscribe(lambda: told.append(self.admission.reserve()))
        self.put, self.take, self.close = self.lanes.put, self.lanes.take, self.lanes.close
        self.reserve, self.answered = self.admission.reserve, self.admission.answered

    def done(self, unit, seconds, *failed_groups):
        """Note that a unit was handled, which took so long."""
        groups = Groups()
        for group in failed_groups:
            groups.block(group)
        refused = self.lanes.done(unit, groups)
        self.admission.done(seconds, len(unit.messages))
        return refused


@pytest.fixture
def told():
    """What was reserved by who was told of room."""
    return []


@pytest.fixture
def make_store(clock, told, find_route):
    find_route("a/batch", HandlerOptions(batch_size=3, batch_window_seconds=2))
    return lambda *args, **options: Store(clock, told, *args, **options)


def run(store, seconds):
    """Handle one unit, which takes so long."""
    store.done(store.take(), seconds)


def test_before_anything_is_known_of_handlers_as_many_as_there_are_slots(make_store):
    assert make_store(1).reserve() == 1
    assert make_store(7).reserve() == 7
    assert make_store(30).reserve() == 10


@pytest.mark.parametrize(
    ("seconds", "room"),
    [(0.0, 201), (0.001, 201), (0.01, 101), (0.1, 11), (0.4, 3), (1.0, 2), (1.1, 1), (30.0, 1)],
)
def test_as_much_as_is_done_in_a_moment(make_store, make_message, seconds, room):
    store = make_store()
    store.put([make_message()])
    run(store, seconds)

    assert store.admission.capacity == room
    asked = []
    while store.admission.has_room:
        asked.append(store.reserve())
    assert room / 2 < sum(asked) <= room
    assert max(asked) <= 10


def test_prefetch_adapts(make_store, make_message):
    store = make_store(10)
    for seconds, least, most in [(0.001, 200, 200), (30.0, 0, 0), (0.01, 200, 200)]:
        for _ in range(120):
            store.put([make_message()])
            run(store, seconds)
        assert least <= store.admission.capacity - 10 <= most


def test_a_batch_counts_for_each_of_its_messages(make_store, make_message):
    store = make_store()
    store.put([make_message(number, media_type="a/batch") for number in range(3)])
    run(store, 0.3)

    assert store.admission.capacity == 1 + 10


def test_what_was_not_handled_tells_nothing(make_store, make_message):
    store = make_store()
    store.put([make_message()])
    run(store, None)

    assert store.admission.capacity == 1


def test_a_free_slot_is_worth_asking_for_one(make_store, make_message):
    store = make_store(10)
    store.put([make_message(number) for number in range(10)])
    units = [store.take() for _ in range(10)]
    assert not store.admission.has_room

    store.done(units[0], 30.0)

    assert store.reserve() == 1
    assert not store.admission.has_room


def test_receives_are_worth_their_call_while_no_slot_is_free(make_store, make_message):
    store = make_store()
    store.put([make_message()])
    run(store, 0.01)
    store.put([make_message(number) for number in range(95)])
    busy = store.take()

    # 94 wait, 1 runs: 6 places of 101 are not worth a call that could bring ten
    assert not store.admission.has_room
    store.done(busy, 0.01)
    for _ in range(3):
        run(store, 0.01)
    busy = store.take()
    assert store.reserve() == 10


def test_slots_that_are_held_do_not_fetch(make_store, make_message):
    store = make_store(10)
    store.put([make_message()])
    run(store, 0.1)
    assert store.admission.capacity == 10 + 100
    store.admission.note_stuck(9)
    assert store.admission.capacity == 10 + 10
    store.admission.note_stuck(10)
    assert store.admission.capacity == 10


def test_no_buffer_at_all_still_feeds_the_slots(make_store, make_message):
    store = make_store(2, max_buffer=0)
    store.put([make_message()])
    run(store, 0.001)

    assert store.reserve() == 2
    assert not store.admission.has_room


def test_lanes_take_leases_but_no_slots(make_store, make_message):
    store = make_store(4, max_buffer=20)
    store.put([make_message(number, "g", fifo=True) for number in range(15)])
    unit = store.take()
    # one runs, fourteen wait behind it: three slots are free
    assert store.reserve() == 3
    store.answered(3, 3)

    store.put([make_message(number, "g", fifo=True) for number in range(15, 24)])

    assert not store.admission.has_room
    assert len(store.done(unit, 1.0, "g")) == 23
    assert store.admission.has_room


def test_what_is_not_settled_holds_back_what_is_received(make_store, make_message, told):
    """Otherwise a queue whose deletes are slower than its receives fills the memory, and leases are lost."""
    store = make_store(5, max_buffer=20, max_settlers=1)
    for number in range(20):
        store.entries.add(make_message(number), None, 0.0)
    assert not store.admission.has_room
    assert store.reserve() == 0
    store.admission.tell_of_room()
    assert told == []
    store.entries.end(store.entries.pop_batch(0.0))
    store.admission.tell_of_room()

    assert told == [5]


@pytest.mark.parametrize("event", ["done", "stuck"])
def test_who_asked_in_vain_is_told_of_room(make_store, make_message, told, event):
    store = make_store()
    store.put([make_message()])
    unit = store.take()
    assert store.reserve() == 0
    if event == "done":
        store.done(unit, 5.0)
    else:
        store.lanes.done(unit)
        store.admission.note_stuck(0)

    assert told == [1]


def test_who_did_not_ask_is_not_told(make_store, told):
    store = make_store()
    store.reserve()
    store.answered(1, 0)

    assert told == []


def test_nor_is_anybody_when_it_was_closed(make_store, told):
    store = make_store()
    store.reserve()
    assert store.reserve() == 0
    store.close()
    store.answered(1, 0)

    assert told == []


def test_no_more_are_reserved_than_a_receive_gives(make_store):
    assert make_store(30, limit=3).reserve() == 3


def test_a_budget_is_used_up_by_what_comes(make_store):
    store = make_store(30, max_messages=12)
    assert (store.reserve(), store.reserve(), store.reserve()) == (10, 2, 0)
    store.answered(10, 4)
    assert store.reserve() == 6
    store.answered(2, 2)
    store.answered(6, 6)

    assert (store.reserve(), store.admission.budget) == (0, 0)


@pytest.mark.parametrize(("came", "more"), [(0, 1), (1, 0)])
def test_a_half_open_breaker_admits_one_message(make_store, clock, came, more):
    store = make_store(30, breaker_failure_share=0.5, breaker_min_results=1, breaker_open_seconds=10)
    store.breaker.record(failed=True)
    assert store.reserve() == 0
    clock.advance(10)
    assert (store.reserve(), store.reserve()) == (1, 0)
    store.answered(1, came)

    assert store.reserve() == more


def test_messages_are_asked_for_while_a_batch_waits(make_store, make_message):
    store = make_store()
    store.put([make_message(0, media_type="a/batch")])

    assert store.reserve() == 2
