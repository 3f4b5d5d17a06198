"""
Received messages on their way to a slot.
"""

from threading import Event

import pytest

from microcosm_pubsub.registry.options import HandlerOptions
from microcosm_pubsub.worker.buffer import Buffer


SECONDS = 30
BATCH = HandlerOptions(batch_size=3, batch_window_seconds=2)
OPTIONS = {"a/batch": BATCH, "a/other": HandlerOptions(batch_size=3, batch_window_seconds=2)}


@pytest.fixture(autouse=True)
def make_routes(find_route):
    for media_type, options in OPTIONS.items():
        find_route(media_type, options)


@pytest.fixture
def make_buffer(clock):
    def make(concurrency=1, **options):
        return Buffer(concurrency, **{"clock": clock, **options})

    return make


def numbers(unit_or_messages):
    messages = getattr(unit_or_messages, "messages", unit_or_messages)
    return [message.content["number"] for message in messages]


def take_all(buffer):
    """Take what may be handled now."""
    units = []
    while unit := try_take(buffer):
        units.append(unit)
    return units


def try_take(buffer):
    with buffer._lock:
        ready = buffer._ready or any(unit.due <= buffer.clock() for unit in buffer._batches.values())
    return buffer.take() if ready else None


def run(buffer, seconds):
    """Handle one unit, which takes so long."""
    unit = buffer.take()
    buffer.done(unit, seconds)


class TestOrder:
    def test_first_come_first_served(self, make_buffer, make_message):
        buffer = make_buffer()
        buffer.put([make_message(1), make_message(2)])
        buffer.put([make_message(3)])

        assert [numbers(unit) for unit in take_all(buffer)] == [[1], [2], [3]]
        assert (buffer.waiting, buffer.running) == (0, 3)

    def test_a_slot_waits_for_a_message(self, make_buffer, make_message, in_thread):
        buffer, taken = make_buffer(), []
        threads = [in_thread(lambda: taken.append(buffer.take())) for _ in range(3)]

        buffer.put([make_message(number) for number in range(3)])
        for thread in threads:
            thread.join(SECONDS)

        assert sorted(numbers(unit) for unit in taken) == [[0], [1], [2]]

    def test_a_slow_message_delays_nobody_while_a_slot_is_free(self, make_buffer, make_message):
        buffer = make_buffer(2)
        buffer.put([make_message(number) for number in range(5)])
        slow = buffer.take()

        for number in range(1, 5):
            unit = buffer.take()
            assert numbers(unit) == [number]
            buffer.done(unit, 0.01)

        assert numbers(slow) == [0]
        assert buffer.running == 1

    def test_closing(self, make_buffer, make_message):
        buffer = make_buffer(max_per_group=1)
        buffer.put([make_message(1), make_message(2, "g"), make_message(3, "g"), make_message(4, media_type="a/batch")])
        unit = buffer.take()

        rest = buffer.close()

        assert numbers(rest) == [2, 4, 3]
        assert buffer.put([make_message(9)]) is False
        assert (buffer.take(), buffer.reserve(), buffer.waiting) == (None, 0, 0)
        assert buffer.done(unit, 1.0) == []
        assert buffer.is_empty

    def test_closing_lets_nobody_wait(self, make_buffer, in_thread):
        buffer = make_buffer()
        taken = []
        in_thread(lambda: taken.append(buffer.take()))

        buffer.close()

    def test_it_is_empty_when_nothing_waits_or_runs(self, make_buffer, make_message):
        buffer = make_buffer()
        assert buffer.is_empty
        buffer.put([make_message()])
        assert not buffer.is_empty
        unit = buffer.take()
        assert not buffer.is_empty
        buffer.done(unit)
        assert buffer.is_empty


class TestRoom:
    def test_before_anything_is_known_of_handlers_as_many_as_there_are_slots(self, make_buffer):
        assert make_buffer(1).reserve() == 1
        assert make_buffer(7).reserve() == 7
        assert make_buffer(30).reserve() == 10

    @pytest.mark.parametrize(
        ("seconds", "room"),
        [(0.0, 201), (0.001, 201), (0.01, 101), (0.1, 11), (0.4, 3), (1.0, 2), (1.1, 1), (30.0, 1)],
    )
    def test_as_much_as_is_done_in_a_moment(self, make_buffer, make_message, seconds, room):
        buffer = make_buffer()
        buffer.put([make_message()])
        run(buffer, seconds)

        assert buffer.capacity == room
        asked = []
        while buffer.has_room:
            asked.append(buffer.reserve())
        assert room / 2 < sum(asked) <= room
        assert max(asked) <= 10

    def test_prefetch_adapts(self, make_buffer, make_message):
        buffer = make_buffer(10)
        for seconds, least, most in [(0.001, 200, 200), (30.0, 0, 0), (0.01, 200, 200)]:
            for _ in range(120):
                buffer.put([make_message()])
                run(buffer, seconds)
            assert least <= buffer.capacity - 10 <= most

    def test_a_batch_counts_for_each_of_its_messages(self, make_buffer, make_message):
        buffer = make_buffer()
        buffer.put([make_message(number, media_type="a/batch") for number in range(3)])
        run(buffer, 0.3)

        assert buffer.capacity == 1 + 10

    def test_what_was_not_handled_tells_nothing(self, make_buffer, make_message):
        buffer = make_buffer()
        buffer.put([make_message()])
        run(buffer, None)

        assert buffer.capacity == 1

    def test_a_free_slot_is_worth_asking_for_one(self, make_buffer, make_message):
        buffer = make_buffer(10)
        buffer.put([make_message(number) for number in range(10)])
        units = take_all(buffer)
        assert not buffer.has_room

        buffer.done(units[0], 30.0)

        assert buffer.reserve() == 1
        assert not buffer.has_room

    def test_receives_are_worth_their_call_while_no_slot_is_free(self, make_buffer, make_message):
        buffer = make_buffer()
        buffer.put([make_message()])
        run(buffer, 0.01)
        buffer.put([make_message(number) for number in range(95)])
        busy = buffer.take()

        # 94 wait, 1 runs: 6 places of 101 are not worth a call that could bring ten
        assert not buffer.has_room
        buffer.done(busy, 0.01)
        for _ in range(3):
            run(buffer, 0.01)
        busy = buffer.take()
        assert buffer.reserve() == 10

    def test_slots_that_are_held_do_not_fetch(self, make_buffer, make_message):
        buffer = make_buffer(10)
        buffer.put([make_message()])
        run(buffer, 0.1)
        assert buffer.capacity == 10 + 100
        buffer.note_stuck(9)
        assert buffer.capacity == 10 + 10
        buffer.note_stuck(10)
        assert buffer.capacity == 10

    def test_no_buffer_at_all_still_feeds_the_slots(self, make_buffer, make_message):
        buffer = make_buffer(2, max_buffer=0)
        buffer.put([make_message()])
        run(buffer, 0.001)

        assert buffer.reserve() == 2
        assert not buffer.has_room

    def test_lanes_take_leases_but_no_slots(self, make_buffer, make_message):
        buffer = make_buffer(4, max_buffer=20)
        buffer.put([make_message(number, "g", fifo=True) for number in range(15)])
        unit = buffer.take()
        # one runs, fourteen wait behind it: three slots are free
        assert buffer.reserve() == 3
        buffer.unreserve(3)

        buffer.put([make_message(number, "g", fifo=True) for number in range(15, 24)])

        assert not buffer.has_room
        assert len(buffer.done(unit, 1.0, ["g"])) == 23
        assert buffer.has_room

    def test_what_is_not_settled_holds_back_what_is_received(self, make_buffer, make_message):
        """Otherwise a queue whose deletes are slower than its receives fills the memory, and leases are lost."""
        unsettled, told = [10], []
        buffer = make_buffer(
            5,
            count_unsettled=lambda: unsettled[0],
            max_unsettled=10,
            on_room=lambda: told.append(buffer.reserve()),
        )
        assert not buffer.has_room
        assert buffer.reserve() == 0
        buffer.tell_of_room()
        assert told == []
        unsettled[0] = 9
        buffer.tell_of_room()

        assert told == [5]

    @pytest.mark.parametrize("event", ["done", "release", "stuck"])
    def test_who_asked_in_vain_is_told_of_room(self, make_buffer, make_message, event):
        told = []
        buffer = make_buffer(on_room=lambda: told.append(buffer.reserve()))
        if event == "done":
            buffer.put([make_message()])
            unit = buffer.take()
        else:
            buffer.reserve()
        assert buffer.reserve() == 0
        if event == "done":
            buffer.done(unit, 5.0)
        elif event == "release":
            # by who received nothing, and will not ask again at once
            buffer.unreserve(1)
        else:
            buffer.reserved = 0
            buffer.note_stuck(0)

        assert told == [1]

    def test_who_did_not_ask_is_not_told(self, make_buffer):
        told = []
        buffer = make_buffer(on_room=lambda: told.append(buffer.reserve()))
        buffer.reserve()
        buffer.unreserve(1)

        assert told == []

    def test_nor_is_anybody_when_it_was_closed(self, make_buffer):
        told = []
        buffer = make_buffer(on_room=lambda: told.append(buffer.reserve()))
        buffer.reserve()
        assert buffer.reserve() == 0
        buffer.close()
        buffer.unreserve(1)

        assert told == []

    def test_no_more_are_reserved_than_are_wanted(self, make_buffer):
        buffer = make_buffer(30)

        assert buffer.reserve(3) == 3


class TestLanes:
    def test_messages_of_a_fifo_group_follow_each_other(self, make_buffer, make_message):
        buffer = make_buffer(4)
        buffer.put([make_message(number, f"g{number % 2}", fifo=True) for number in range(6)])

        first, second = take_all(buffer)
        assert (numbers(first), numbers(second), buffer.lanes) == ([0], [1], 2)
        buffer.done(first, 1.0)
        assert [numbers(unit) for unit in take_all(buffer)] == [[2]]
        buffer.done(second, 1.0)
        assert [numbers(unit) for unit in take_all(buffer)] == [[3]]

    def test_a_lane_ends_with_its_messages(self, make_buffer, make_message):
        buffer = make_buffer()
        for number in range(100):
            buffer.put([make_message(number, f"g{number}", fifo=True)])
            run(buffer, 0.1)

        assert buffer.lanes == 0

    def test_a_free_slot_takes_what_a_lane_lets_go(self, make_buffer, make_message, in_thread):
        buffer, taken = make_buffer(2), []
        buffer.put([make_message(0, "g", fifo=True), make_message(1, "g", fifo=True)])
        first = buffer.take()
        thread = in_thread(lambda: taken.append(buffer.take()))

        buffer.done(first, 1.0)
        thread.join(SECONDS)

        assert numbers(taken[0]) == [1]

    def test_after_a_failure_the_rest_of_the_group_is_given_back_in_order(self, make_buffer, make_message):
        buffer = make_buffer(4)
        buffer.put([make_message(number, "bad", fifo=True) for number in range(4)])
        buffer.put([make_message(number, "good", fifo=True) for number in range(4, 6)])
        bad, good = take_all(buffer)

        assert numbers(buffer.done(bad, 1.0, ["bad"])) == [1, 2, 3]
        assert buffer.done(good, 1.0) == []
        assert [numbers(unit) for unit in take_all(buffer)] == [[5]]
        assert buffer.waiting == 0
        # what comes of the group later is handled again
        buffer.put([make_message(0, "bad", fifo=True)])
        assert [numbers(unit) for unit in take_all(buffer)] == [[0]]

    def test_the_rest_of_a_group_can_be_given_back_at_any_time(self, make_buffer, make_message):
        buffer = make_buffer()
        buffer.put([make_message(number, "g", fifo=True) for number in range(3)])
        buffer.take()

        assert numbers(buffer.refuse_group("g")) == [1, 2]
        assert buffer.refuse_group("unknown") == []
        assert buffer.waiting == 0

    def test_groups_of_standard_queues_have_no_lanes_by_default(self, make_buffer, make_message):
        buffer = make_buffer(8)
        buffer.put([make_message(number, "g") for number in range(4)])

        assert len(take_all(buffer)) == 4
        assert buffer.lanes == 0

    def test_a_few_of_a_group_of_a_standard_queue_at_a_time(self, make_buffer, make_message):
        buffer = make_buffer(8, max_per_group=2)
        buffer.put([make_message(number, "noisy") for number in range(5)])
        buffer.put([make_message(9, "quiet"), make_message(10)])

        first, second, *others = take_all(buffer)
        assert [numbers(unit) for unit in (first, second, *others)] == [[0], [1], [9], [10]]
        buffer.done(second, 1.0)
        assert [numbers(unit) for unit in take_all(buffer)] == [[2]]
        buffer.done(first, 1.0)
        assert [numbers(unit) for unit in take_all(buffer)] == [[3]]

    def test_order_matters_on_fifo_queues_whatever_the_cap(self, make_buffer, make_message):
        buffer = make_buffer(8, max_per_group=3)
        buffer.put([make_message(number, "g", fifo=True) for number in range(3)])

        assert len(take_all(buffer)) == 1


class TestBatches:
    def test_a_full_batch_goes_at_once(self, make_buffer, make_message):
        buffer = make_buffer()
        buffer.put([make_message(number, media_type="a/batch") for number in range(7)])

        assert [numbers(unit) for unit in take_all(buffer)] == [[0, 1, 2], [3, 4, 5]]
        assert (buffer.waiting, buffer.running) == (1, 2)

    def test_the_rest_goes_when_its_first_message_has_waited(self, make_buffer, make_message, clock):
        buffer = make_buffer()
        buffer.put([make_message(1, media_type="a/batch")])
        clock.advance(1.9)
        buffer.put([make_message(2, media_type="a/batch")])
        assert take_all(buffer) == []
        clock.advance(0.1)

        assert [numbers(unit) for unit in take_all(buffer)] == [[1, 2]]
        buffer.put([make_message(3, media_type="a/batch")])
        assert take_all(buffer) == []

    def test_a_batch_is_for_one_handler(self, make_buffer, make_message, clock):
        buffer = make_buffer()
        kinds = ["a/batch", "a/other", "a/batch", "a/plain", "a/other"]
        buffer.put([make_message(number, media_type=kind) for number, kind in enumerate(kinds)])

        assert [numbers(unit) for unit in take_all(buffer)] == [[3]]
        clock.advance(2)
        assert [numbers(unit) for unit in take_all(buffer)] == [[0, 2], [1, 4]]

    def test_messages_are_asked_for_while_a_batch_waits(self, make_buffer, make_message):
        buffer = make_buffer()
        buffer.put([make_message(0, media_type="a/batch")])

        assert buffer.reserve() == 2

    @pytest.mark.parametrize("others", [0, 1])
    def test_a_free_slot_waits_for_a_batch_to_be_due(self, make_message, in_thread, others):
        """And not until the handler of a message that came with it is done."""
        times, waited, taken = [0.0], Event(), []
        buffer = Buffer(2)
        buffer.clock = lambda: times[0]
        wait = buffer._work.wait

        def observe(timeout):
            if timeout is not None:
                # what waits knows for how long, which is over at once here
                times[0] += timeout
                timeout = 0
                waited.set()
            return wait(timeout)

        buffer._work.wait = observe
        threads = [in_thread(lambda: taken.append(buffer.take())) for _ in range(1 + others)]
        while buffer._idle_slots < 1 + others:
            pass
        buffer.put([*(make_message(9) for _ in range(others)), make_message(0, media_type="a/batch")])
        for thread in threads:
            thread.join(SECONDS)

        assert waited.is_set()
        assert sorted(map(numbers, taken)) == ([[0], [9]] if others else [[0]])

    def test_of_a_fifo_group_neighbours_go_together(self, make_buffer, make_message, clock):
        buffer = make_buffer(4)
        buffer.put([make_message(number, "g", fifo=True, media_type="a/batch") for number in range(5)])
        buffer.put([make_message(9, "h", fifo=True, media_type="a/batch")])

        (unit,) = take_all(buffer)
        assert numbers(unit) == [0, 1, 2]
        clock.advance(2)
        # another group's batch does not wait, but the rest of the first one does
        (other,) = take_all(buffer)
        assert numbers(other) == [9]
        buffer.done(unit, 1.0)
        clock.advance(2)
        assert [numbers(rest) for rest in take_all(buffer)] == [[3, 4]]

    def test_of_a_fifo_group_nothing_overtakes(self, make_buffer, make_message, clock):
        buffer = make_buffer(4)
        kinds = ["a/batch", "a/batch", "a/plain", "a/batch"]
        buffer.put([make_message(number, "g", fifo=True, media_type=kind) for number, kind in enumerate(kinds)])
        order = []
        for _ in range(3):
            clock.advance(2)
            (unit,) = take_all(buffer)
            order.append(numbers(unit))
            buffer.done(unit, 1.0)

        assert order == [[0, 1], [2], [3]]
        assert buffer.lanes == 0

    def test_one_failure_in_a_batch_gives_its_group_back(self, make_buffer, make_message):
        buffer = make_buffer(4)
        buffer.put([make_message(number, "g", fifo=True, media_type="a/batch") for number in range(5)])
        unit = buffer.take()

        assert numbers(buffer.done(unit, 1.0, ["g"])) == [3, 4]
        assert buffer.lanes == 0
