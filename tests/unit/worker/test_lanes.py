"""
Received messages on their way to a slot.
"""

from dataclasses import replace
from threading import Event, Semaphore

import pytest

from microcosm_pubsub.message import Groups
from microcosm_pubsub.registry.options import HandlerOptions
from microcosm_pubsub.worker.lanes import MAX_NAMED, Lanes, name_messages
from tests.waiting import SECONDS, wait_until


BATCH = HandlerOptions(batch_size=3, batch_window_seconds=2)
OPTIONS = {"a/batch": BATCH, "a/other": HandlerOptions(batch_size=3, batch_window_seconds=2)}


@pytest.fixture(autouse=True)
def make_routes(find_route):
    for media_type, options in OPTIONS.items():
        find_route(media_type, options)


@pytest.fixture
def make_lanes(clock):
    return lambda **options: Lanes(**{"clock": clock, **options})


def numbers(unit_or_messages):
    messages = getattr(unit_or_messages, "messages", unit_or_messages)
    return [message.content["number"] for message in messages]


def take_all(lanes):
    """Take what may be handled now."""
    units = []
    while lanes.has_work:
        units.append(lanes.take())
    return units


def block(*groups):
    blocked = Groups()
    for group in groups:
        blocked.block(group)
    return blocked


def test_messages_are_named_with_what_they_call(make_message):
    route = replace(make_message().route, name="images.resize")

    assert name_messages([make_message(1), make_message(2, route=route)]) == "m1 (a/b), m2 (a/b images.resize)"
    assert name_messages([make_message(1)] * (MAX_NAMED + 2)).endswith("m1 (a/b) and 2 more")


class TestOrder:
    def test_first_come_first_served(self, make_lanes, make_message):
        lanes = make_lanes()
        lanes.put([make_message(1), make_message(2)])
        lanes.put([make_message(3)])

        assert [numbers(unit) for unit in take_all(lanes)] == [[1], [2], [3]]
        assert (lanes.waiting, lanes.running) == (0, 3)

    def test_a_slot_waits_for_a_message(self, make_lanes, make_message, in_thread):
        lanes, taken = make_lanes(), []
        threads = [in_thread(lambda: taken.append(lanes.take())) for _ in range(3)]

        lanes.put([make_message(number) for number in range(3)])
        for thread in threads:
            thread.join(SECONDS)

        assert sorted(numbers(unit) for unit in taken) == [[0], [1], [2]]

    def test_a_slow_message_delays_nobody_while_a_slot_is_free(self, make_lanes, make_message):
        lanes = make_lanes()
        lanes.put([make_message(number) for number in range(5)])
        slow = lanes.take()

        for number in range(1, 5):
            unit = lanes.take()
            assert numbers(unit) == [number]
            lanes.done(unit)

        assert numbers(slow) == [0]
        assert lanes.running == 1

    def test_closing(self, make_lanes, make_message):
        lanes = make_lanes(max_per_group=1)
        lanes.put([make_message(1), make_message(2, "g"), make_message(3, "g"), make_message(4, media_type="a/batch")])
        unit = lanes.take()

        rest = lanes.close()

        assert numbers(rest) == [2, 4, 3]
        assert lanes.put([make_message(9)]) is False
        assert (lanes.take(), lanes.waiting) == (None, 0)
        assert lanes.done(unit) == []
        assert lanes.is_empty

    def test_closing_lets_nobody_wait(self, make_lanes, in_thread):
        lanes = make_lanes()
        taken = []
        in_thread(lambda: taken.append(lanes.take()))

        lanes.close()

    def test_it_is_empty_when_nothing_waits_or_runs(self, make_lanes, make_message):
        lanes = make_lanes()
        assert lanes.is_empty
        lanes.put([make_message()])
        assert not lanes.is_empty
        unit = lanes.take()
        assert not lanes.is_empty
        lanes.done(unit)
        assert lanes.is_empty


class TestWaking:
    """Idle slots wake each other, as long as there is something to take."""

    def test_all_that_is_ready_is_taken_though_each_slot_is_busy_with_its_own(
        self, make_lanes, make_message, in_thread
    ):
        lanes, taken, go_on = make_lanes(), Semaphore(0), Event()

        def work():
            lanes.take()
            taken.release()
            assert go_on.wait(SECONDS)

        for _ in range(3):
            in_thread(work)
        wait_until(lambda: lanes._idle_slots == 3)

        lanes.put([make_message(number) for number in range(3)])
        for _ in range(3):
            assert taken.acquire(timeout=SECONDS)
        go_on.set()

    def test_one_is_woken_at_a_time(self, make_lanes, make_message, in_thread):
        lanes = make_lanes()
        woken = []
        notify = lanes._work.notify
        lanes._work.notify = lambda: woken.append(lanes._idle_slots) or notify()
        for _ in range(2):
            in_thread(lanes.take)
        wait_until(lambda: lanes._idle_slots == 2)
        with lanes._lock:
            # Nobody that is woken looks before this block ends.
            lanes._is_waking, was_waking = True, lanes._is_waking
            lanes._wake_next()
            assert (woken, was_waking) == ([], False)
            lanes._is_waking = False

        lanes.put([make_message(number) for number in range(2)])

        wait_until(lambda: lanes.running == 2)
        assert woken == [2, 1]


class TestLanes:
    def test_messages_of_a_fifo_group_follow_each_other(self, make_lanes, make_message):
        lanes = make_lanes()
        lanes.put([make_message(number, f"g{number % 2}", fifo=True) for number in range(6)])

        first, second = take_all(lanes)
        assert (numbers(first), numbers(second), lanes.groups) == ([0], [1], 2)
        lanes.done(first)
        assert [numbers(unit) for unit in take_all(lanes)] == [[2]]
        lanes.done(second)
        assert [numbers(unit) for unit in take_all(lanes)] == [[3]]

    def test_a_lane_ends_with_its_messages(self, make_lanes, make_message):
        lanes = make_lanes()
        for number in range(100):
            lanes.put([make_message(number, f"g{number}", fifo=True)])
            lanes.done(lanes.take())

        assert lanes.groups == 0

    def test_a_free_slot_takes_what_a_lane_lets_go(self, make_lanes, make_message, in_thread):
        lanes, taken = make_lanes(), []
        lanes.put([make_message(0, "g", fifo=True), make_message(1, "g", fifo=True)])
        first = lanes.take()
        thread = in_thread(lambda: taken.append(lanes.take()))

        lanes.done(first)
        thread.join(SECONDS)

        assert numbers(taken[0]) == [1]

    def test_after_a_failure_the_rest_of_the_group_is_given_back_in_order(self, make_lanes, make_message):
        lanes = make_lanes()
        lanes.put([make_message(number, "bad", fifo=True) for number in range(4)])
        lanes.put([make_message(number, "good", fifo=True) for number in range(4, 6)])
        bad, good = take_all(lanes)

        assert numbers(lanes.done(bad, block("bad"))) == [1, 2, 3]
        assert lanes.done(good) == []
        assert [numbers(unit) for unit in take_all(lanes)] == [[5]]
        assert lanes.waiting == 0
        # what comes of the group later is handled again
        lanes.put([make_message(0, "bad", fifo=True)])
        assert [numbers(unit) for unit in take_all(lanes)] == [[0]]

    def test_the_rest_of_a_group_can_be_given_back_at_any_time(self, make_lanes, make_message):
        lanes = make_lanes()
        lanes.put([make_message(number, "g", fifo=True) for number in range(3)])
        lanes.take()

        assert numbers(lanes.refuse_group("g")) == [1, 2]
        assert lanes.refuse_group("unknown") == []
        assert lanes.waiting == 0

    def test_groups_of_standard_queues_have_no_lanes_by_default(self, make_lanes, make_message):
        lanes = make_lanes()
        lanes.put([make_message(number, "g") for number in range(4)])

        assert len(take_all(lanes)) == 4
        assert lanes.groups == 0

    def test_a_few_of_a_group_of_a_standard_queue_at_a_time(self, make_lanes, make_message):
        lanes = make_lanes(max_per_group=2)
        lanes.put([make_message(number, "noisy") for number in range(5)])
        lanes.put([make_message(9, "quiet"), make_message(10)])

        first, second, *others = take_all(lanes)
        assert [numbers(unit) for unit in (first, second, *others)] == [[0], [1], [9], [10]]
        lanes.done(second)
        assert [numbers(unit) for unit in take_all(lanes)] == [[2]]
        lanes.done(first)
        assert [numbers(unit) for unit in take_all(lanes)] == [[3]]

    def test_order_matters_on_fifo_queues_whatever_the_cap(self, make_lanes, make_message):
        lanes = make_lanes(max_per_group=3)
        lanes.put([make_message(number, "g", fifo=True) for number in range(3)])

        assert len(take_all(lanes)) == 1


class TestBatches:
    def test_a_full_batch_goes_at_once(self, make_lanes, make_message):
        lanes = make_lanes()
        lanes.put([make_message(number, media_type="a/batch") for number in range(7)])

        assert [numbers(unit) for unit in take_all(lanes)] == [[0, 1, 2], [3, 4, 5]]
        assert (lanes.waiting, lanes.running) == (1, 2)

    def test_the_rest_goes_when_its_first_message_has_waited(self, make_lanes, make_message, clock):
        lanes = make_lanes()
        lanes.put([make_message(1, media_type="a/batch")])
        clock.advance(1.9)
        lanes.put([make_message(2, media_type="a/batch")])
        assert take_all(lanes) == []
        clock.advance(0.1)

        assert [numbers(unit) for unit in take_all(lanes)] == [[1, 2]]
        lanes.put([make_message(3, media_type="a/batch")])
        assert take_all(lanes) == []

    def test_a_batch_is_for_one_handler(self, make_lanes, make_message, clock):
        lanes = make_lanes()
        kinds = ["a/batch", "a/other", "a/batch", "a/plain", "a/other"]
        lanes.put([make_message(number, media_type=kind) for number, kind in enumerate(kinds)])

        assert [numbers(unit) for unit in take_all(lanes)] == [[3]]
        clock.advance(2)
        assert [numbers(unit) for unit in take_all(lanes)] == [[0, 2], [1, 4]]

    def test_it_is_known_for_how_many_messages_a_batch_waits(self, make_lanes, make_message, clock):
        lanes = make_lanes()
        assert lanes.missing == 0
        lanes.put([make_message(0, media_type="a/batch")])
        assert lanes.missing == 2
        lanes.put([make_message(1, media_type="a/batch"), make_message(2, media_type="a/other")])
        assert lanes.missing == 2
        clock.advance(2)
        take_all(lanes)

        assert lanes.missing == 0

    @pytest.mark.parametrize("others", [0, 1])
    def test_a_free_slot_waits_for_a_batch_to_be_due(self, make_message, find_route, in_thread, others):
        """And not until the handler of a message that came with it is done."""
        find_route("a/soon", HandlerOptions(batch_size=3, batch_window_seconds=0.02))
        idle, taken = Semaphore(0), []
        lanes = Lanes(on_idle=idle.release)
        threads = [in_thread(lambda: taken.append(lanes.take())) for _ in range(1 + others)]
        for _ in threads:
            assert idle.acquire(timeout=SECONDS)
        lanes.put([*(make_message(9) for _ in range(others)), make_message(0, media_type="a/soon")])
        for thread in threads:
            thread.join(SECONDS)

        assert sorted(map(numbers, taken)) == ([[0], [9]] if others else [[0]])

    def test_of_a_fifo_group_neighbours_go_together(self, make_lanes, make_message, clock):
        lanes = make_lanes()
        lanes.put([make_message(number, "g", fifo=True, media_type="a/batch") for number in range(5)])
        lanes.put([make_message(9, "h", fifo=True, media_type="a/batch")])

        (unit,) = take_all(lanes)
        assert numbers(unit) == [0, 1, 2]
        clock.advance(2)
        # another group's batch does not wait, but the rest of the first one does
        (other,) = take_all(lanes)
        assert numbers(other) == [9]
        lanes.done(unit)
        clock.advance(2)
        assert [numbers(rest) for rest in take_all(lanes)] == [[3, 4]]

    def test_of_a_fifo_group_nothing_overtakes(self, make_lanes, make_message, clock):
        lanes = make_lanes()
        kinds = ["a/batch", "a/batch", "a/plain", "a/batch"]
        lanes.put([make_message(number, "g", fifo=True, media_type=kind) for number, kind in enumerate(kinds)])
        order = []
        for _ in range(3):
            clock.advance(2)
            (unit,) = take_all(lanes)
            order.append(numbers(unit))
            lanes.done(unit)

        assert order == [[0, 1], [2], [3]]
        assert lanes.groups == 0

    def test_one_failure_in_a_batch_gives_its_group_back(self, make_lanes, make_message):
        lanes = make_lanes()
        lanes.put([make_message(number, "g", fifo=True, media_type="a/batch") for number in range(5)])
        unit = lanes.take()

        assert numbers(lanes.done(unit, block("g"))) == [3, 4]
        assert lanes.groups == 0
