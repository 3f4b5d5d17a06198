"""
The threads that handle messages.
"""

from threading import Event, current_thread

import pytest

from microcosm_pubsub.worker.lanes import Lanes
from microcosm_pubsub.worker.slots import Slots
from tests.waiting import SECONDS


class Work:
    """Handle units when told to, and note what happens."""

    def __init__(self):
        self.began = {}
        self.go_on = {}
        self.settled = {}
        self.dropped = []
        self.error = None

    def watch(self, number):
        self.began[number], self.go_on[number], self.settled[number] = Event(), Event(), Event()

    def handle(self, unit):
        number = unit.messages[0].content["number"]
        self.began[number].set()
        assert self.go_on[number].wait(SECONDS)
        if self.error:
            raise self.error
        return [number]

    def finish(self, unit, handled, seconds):
        self.settled[handled[0]].set()

    def drop(self, handled):
        self.dropped += handled


@pytest.fixture
def work():
    return Work()


@pytest.fixture
def make_slots(work, clock):
    made = []

    def make(concurrency):
        slots = Slots(Lanes(), work, concurrency, clock)
        made.append(slots)
        slots.start()
        return slots

    yield make
    for event in work.go_on.values():
        event.set()
    for slots in made:
        threads = [slot.thread for slot in list(slots.slots)]
        slots.lanes.close()
        for thread in threads:
            thread.join(SECONDS)
            assert not thread.is_alive()


@pytest.fixture
def put(work, make_message):
    def put_some(slots, *numbers):
        for number in numbers:
            work.watch(number)
        slots.lanes.put([make_message(number) for number in numbers])

    return put_some


def test_so_many_at_a_time(make_slots, put, work):
    slots = make_slots(3)
    put(slots, *range(4))

    for number in range(3):
        assert work.began[number].wait(SECONDS)
    assert len(slots.busy) == 3
    assert slots.lanes.waiting == 1
    work.go_on[1].set()

    assert work.began[3].wait(SECONDS)
    assert work.settled[1].is_set()


def test_closing_the_buffer_ends_them(make_slots, put, work):
    slots = make_slots(2)
    put(slots, 0)
    assert work.began[0].wait(SECONDS)
    threads = [slot.thread for slot in slots.slots]
    slots.lanes.close()
    assert not slots.have_ended
    work.go_on[0].set()
    for thread in threads:
        thread.join(SECONDS)

    assert slots.have_ended
    assert work.settled[0].is_set()


def test_a_handler_that_is_given_up_is_replaced_and_its_outcome_dropped(make_slots, put, work, clock, caplog):
    slots = make_slots(1)
    put(slots, 0)
    assert work.began[0].wait(SECONDS)
    (slot,) = slots.busy
    unit = slot.unit
    clock.advance(7)
    assert slot.seconds(clock()) == 7

    assert slots.abandon(slot, unit)

    assert (slots.abandoned, slots.busy, slot.seconds(clock())) == (1, [], 0)
    put(slots, 1)
    work.go_on[1].set()
    assert work.settled[1].wait(SECONDS)
    work.go_on[0].set()
    slot.thread.join(SECONDS)
    assert not work.settled[0].is_set()
    assert work.dropped == [0]
    assert (slots.abandoned, slots.error) == (0, None)
    told = f"The handler of {unit} ended 7.0 s after it began, when it had been abandoned; its outcome is dropped"
    assert told in caplog.text
    assert str(unit) == f"{unit.messages[0].message_id} ({unit.messages[0].media_type})"


def test_without_another_thread_in_its_place(make_slots, put, work):
    slots = make_slots(1)
    put(slots, 0)
    assert work.began[0].wait(SECONDS)
    (slot,) = slots.busy

    assert slots.abandon(slot, slot.unit, replace=False)

    assert slots.have_ended


def test_only_what_took_too_long_is_given_up(make_slots, put, work):
    """Its handler may end, and that of another message begin, before the slot is abandoned."""
    slots = make_slots(1)
    put(slots, 0, 1)
    assert work.began[0].wait(SECONDS)
    (slot,) = slots.busy
    late = slot.unit
    work.go_on[0].set()
    assert work.began[1].wait(SECONDS)

    assert not slots.abandon(slot, late)

    assert slots.abandoned == 0
    work.go_on[1].set()
    assert work.settled[1].wait(SECONDS)


def test_a_fault_of_ours_is_told_with_what_it_left(make_slots, put, work, caplog):
    slots = make_slots(1)
    work.error = ZeroDivisionError()
    put(slots, 0)
    (slot,) = slots.slots
    work.go_on[0].set()
    slot.thread.join(SECONDS)

    assert slots.error is work.error
    assert slots.have_ended
    assert [unit.messages[0].message_id for unit in slots.dropped] == ["m0"]
    assert not slots.abandon(slot, slots.dropped[0])
    assert "Thread slot-0 ends" in caplog.text


def test_each_slot_has_a_thread_of_its_own(make_slots, put, work):
    slots = make_slots(4)

    assert len({slot.thread for slot in slots.slots}) == 4
    assert current_thread() not in {slot.thread for slot in slots.slots}
    assert all(slot.thread.daemon for slot in slots.slots)
