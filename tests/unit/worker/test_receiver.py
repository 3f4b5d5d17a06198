"""
The receives of a worker.
"""

from random import Random
from types import SimpleNamespace

import pytest

from microcosm_pubsub.errors import EndOfInput, QueueAccessError, ReceiveError
from microcosm_pubsub.worker.admission import Admission
from microcosm_pubsub.worker.breaker import Breaker
from microcosm_pubsub.worker.entries import Entries
from microcosm_pubsub.worker.lanes import Lanes
from microcosm_pubsub.worker.load import Load
from microcosm_pubsub.worker.receiver import Receiver
from microcosm_pubsub.worker.settings import WorkerSettings


def raising(error):
    def call(*args):
        raise error

    return call


class Consumer:
    """Ask as a consumer does, and read answers that are numbers of messages."""

    def __init__(self, make_message, url="queue"):
        self.sqs_queue_url = url
        self.calls = self
        self.make_message = make_message

    def receive(self, count, visibility_timeout_seconds, attempt_id):
        return {"count": count, "visibility": visibility_timeout_seconds, "attempt_id": attempt_id}

    def read_messages(self, get):
        return [self.make_message(number) for number in range(get())]


@pytest.fixture
def consumer(make_message):
    return Consumer(make_message)


@pytest.fixture
def breaker(clock):
    return Breaker(0.5, 30, 2, 10, clock)


@pytest.fixture
def make_receiver(consumer, stopped_reactor, breaker, clock):
    def make(concurrency=200, max_calls=4, max_messages=None):
        accepted = []
        settings = WorkerSettings(concurrency=concurrency, max_buffer=10_000, max_messages=max_messages)
        admission = Admission(Lanes(), Entries(8), breaker, settings)
        receiver = Receiver(
            consumer,
            stopped_reactor,
            admission,
            lambda messages, began: accepted.append((len(messages), began)),
            visibility_timeout_seconds=30,
            max_calls=max_calls,
            clock=clock,
            random=Random(1),
        )
        receiver.accepted = accepted
        receiver.load = SimpleNamespace(is_full=lambda: False)
        return receiver

    return make


@pytest.fixture
def answer(stopped_reactor):
    return stopped_reactor.answer


@pytest.fixture
def asked(stopped_reactor):
    """How many messages the receives under way ask for."""
    return lambda: [parameters["count"] for _, parameters, _ in stopped_reactor.calls]


@pytest.fixture
def attempts(stopped_reactor):
    return lambda: [parameters["attempt_id"] for _, parameters, _ in stopped_reactor.calls]


def test_a_receive(make_receiver, stopped_reactor, answer, clock):
    receiver = make_receiver(concurrency=7)
    began = clock()

    assert receiver.run_due() is None
    ((method, parameters, _),) = stopped_reactor.calls
    clock.advance(3)
    assert receiver.oldest_seconds == 3
    answer(4)

    assert (method, parameters) == ("receive_message", {"count": 7, "visibility": 30, "attempt_id": None})
    assert receiver.accepted == [(4, began)]
    assert receiver.oldest_seconds == 0


def test_one_at_a_time_until_they_come_back_full(make_receiver, answer, asked):
    receiver = make_receiver()
    receiver.run_due()
    receiver.run_due()

    assert asked() == [10]


def test_as_many_as_have_something_to_do(make_receiver, answer, asked):
    receiver = make_receiver()
    receiver.run_due()
    under_way = []
    for number in (10, 10, 3, 10, 10, 10):
        answer(number)
        under_way.append(len(asked()))
    assert under_way == [2, 3, 3, 4, 4, 4]

    answer(0)
    assert receiver.active == 1


def test_without_room_no_more_ask(make_receiver, answer, asked):
    receiver = make_receiver(concurrency=10)
    receiver.run_due()
    answer(10)

    assert receiver.active == 1
    assert asked() == [10]


def test_they_ask_when_there_is_room_again(make_receiver, asked):
    receiver = make_receiver(concurrency=10)
    assert receiver.admission.reserve() == 10
    receiver.run_due()
    assert asked() == []

    receiver.admission.answered(4, 0)
    receiver.admission.tell_of_room()

    assert asked() == [4]


@pytest.mark.parametrize(("threads", "actives"), [(1, [2, 1, 1]), (0, [4, 4, 4])])
def test_without_a_processor_fewer_threads_ask(make_receiver, stopped_reactor, answer, threads, actives):
    """Others cost no more for being many."""
    receiver = make_receiver()
    receiver.active = 3
    receiver.run_due()
    stopped_reactor.is_using_threads = bool(threads)
    receiver.load = SimpleNamespace(is_full=lambda: True)
    for active in actives:
        answer(10)
        assert receiver.active == active


def test_the_load_is_that_of_the_last_moment(clock):
    cpu = [0.0]
    load = Load(clock, lambda: cpu[0])
    for busy, full in ((0.0, False), (0.1, True), (0.2, True), (0.09, False), (0.0, False)):
        clock.advance(0.125)
        cpu[0] += busy
        assert load.is_full() is full
    clock.advance(0.05)
    cpu[0] += 10
    assert load.is_full() is False


@pytest.mark.parametrize(("took", "wait"), [(0.0, 0.25), (0.2, 0.05), (5.0, None)])
def test_an_empty_queue_is_not_asked_too_often(make_receiver, stopped_reactor, answer, asked, clock, took, wait):
    receiver = make_receiver()
    receiver.run_due()
    clock.advance(took)
    answer(0)

    assert receiver.empty_receives == 1
    assert receiver.run_due() == (None if wait is None else pytest.approx(wait))
    if wait is not None:
        assert asked() == []
        assert stopped_reactor.woken_by == [pytest.approx(clock() + wait)]
        clock.advance(wait)
        receiver.run_due()
    assert asked() == [10]
    answer(1)
    assert receiver.empty_receives == 0


def test_receives_that_are_under_way_together_are_empty_once(make_receiver, answer, clock):
    """A queue is not drained because four that asked it at the same moment got nothing."""
    receiver = make_receiver()
    receiver.active = 4
    receiver.run_due()
    clock.advance(0.1)
    for _ in range(4):
        answer(0)
    assert receiver.empty_receives == 1

    clock.advance(1)
    receiver.run_due()
    answer(0)

    assert receiver.empty_receives == 2


class TestFailures:
    def test_waits_grow_and_end_with_a_success(self, make_receiver, answer, clock, caplog):
        receiver = make_receiver()
        receiver.run_due()
        waits = []
        for _ in range(12):
            answer(ReceiveError("throttled"))
            waits.append(receiver.run_due())
            clock.advance(waits[-1])
            receiver.run_due()
        bounds = [min(30, 0.5 * 2**attempt) for attempt in range(12)]

        assert all(bound / 2 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))
        assert receiver.failed_receives == 12
        answer(1)
        assert receiver.failed_receives == 0
        receiver.run_due()
        answer(1)
        (told,) = (each.getMessage() for each in caplog.records if "again after" in each.getMessage())
        assert told == f"Receiving from {receiver.consumer.sqs_queue_url} again after 12 failed receives"

    def test_one_alone_goes_on(self, make_receiver, answer, asked, clock):
        receiver = make_receiver()
        receiver.active = 3
        receiver.run_due()
        answer(ReceiveError("throttled"))
        assert asked() == [10, 10]
        answer(1)
        answer(1)
        clock.advance(1)
        receiver.run_due()

        assert asked() == [10]

    def test_a_receive_of_a_fifo_queue_is_tried_once_more(self, make_receiver, consumer, answer, attempts, clock):
        consumer.sqs_queue_url = "queue.fifo"
        receiver = make_receiver()
        asked = []
        for result in (ReceiveError("lost"), ReceiveError("lost"), 3, 2):
            receiver.run_due()
            asked += attempts()
            answer(result)
            clock.advance(60)
        first, second, third, fourth = asked

        assert first == second
        assert len({first, third, fourth}) == 3

    @pytest.mark.parametrize(
        "error", [QueueAccessError("denied"), EndOfInput("read"), ZeroDivisionError(), SystemExit()]
    )
    def test_what_stays_ends_them_all(self, make_receiver, answer, asked, error):
        receiver = make_receiver()
        receiver.active = 2
        receiver.run_due()
        answer(error)
        assert not receiver.has_ended
        answer(10)

        assert receiver.error is error
        assert asked() == []
        assert receiver.has_ended
        assert receiver.admission.reserved == 0
        assert receiver.oldest_seconds == 0

    def test_what_cannot_be_asked_ends_them(self, make_receiver, stopped_reactor):
        error = ZeroDivisionError("a fault")
        receiver = make_receiver()
        stopped_reactor.call = raising(error)
        receiver.run_due()

        assert receiver.error is error
        assert receiver.admission.reserved == 0
        receiver.stop()
        assert receiver.has_ended


class TestHealth:
    def test_a_receive_that_hangs_grows_old(self, make_receiver, answer, clock):
        receiver = make_receiver()
        receiver.run_due()
        clock.advance(70)
        assert receiver.oldest_seconds == 70
        answer(0)

        assert receiver.oldest_seconds == 0

    def test_failures_grow_old_together(self, make_receiver, answer, clock):
        receiver = make_receiver()
        ages = []
        for _ in range(3):
            receiver.run_due()
            ages.append(receiver.oldest_seconds)
            answer(ReceiveError("throttled"))
            clock.advance(10)

        assert ages == [0, 10, 20]

    def test_one_that_need_not_ask_again_does_not_grow_old(self, make_receiver, answer, clock):
        """One failure when nothing more is wanted must not end the process a minute later."""
        receiver = make_receiver()
        receiver.run_due()
        answer(ReceiveError("throttled"))
        clock.advance(1000)

        assert receiver.oldest_seconds == 0

    def test_neither_does_one_that_was_paused(self, make_receiver, answer, clock):
        receiver = make_receiver()
        receiver.run_due()
        answer(ReceiveError("throttled"))
        receiver.pause(True)
        clock.advance(1000)
        receiver.pause(False)

        assert receiver.oldest_seconds == 0


class TestLimits:
    def test_no_more_than_there_may_be(self, make_receiver, answer, asked):
        receiver = make_receiver(max_messages=15)
        receiver.run_due()
        seen = []
        for number in (10, 3, 2):
            seen += asked()
            answer(number)

        assert seen == [10, 5, 2]
        assert asked() == []
        assert sum(count for count, _ in receiver.accepted) == 15
        assert receiver.has_received_all

    def test_all_are_received_only_when_they_were_accepted(self, make_receiver, answer):
        """Until then the buffer may be empty, and the worker must not end."""
        receiver = make_receiver(max_messages=5)
        seen = []
        receiver.accept = lambda messages, began: seen.append(receiver.has_received_all)
        receiver.run_due()
        answer(5)

        assert seen == [False]
        assert receiver.has_received_all

    def test_what_did_not_come_is_asked_for_again(self, make_receiver, answer, asked, clock):
        receiver = make_receiver(max_messages=10)
        receiver.run_due()
        answer(0)
        clock.advance(1)
        receiver.run_due()
        assert asked() == [10]

        answer(ReceiveError("throttled"))
        clock.advance(1)
        receiver.run_due()

        assert asked() == [10]

    def test_paused_or_stopped_none(self, make_receiver, answer, asked):
        receiver = make_receiver()
        receiver.pause(True)
        assert asked() == []
        receiver.pause(False)
        assert asked() == [10]
        receiver.stop()
        assert not receiver.has_ended
        answer(10)

        assert asked() == []
        assert [count for count, _ in receiver.accepted] == [10]
        assert receiver.has_ended


class TestBreaker:
    @pytest.fixture
    def open_breaker(self, breaker):
        for _ in range(2):
            breaker.record(True)
        return breaker

    def test_open_none_half_open_one(self, make_receiver, answer, asked, open_breaker, clock):
        receiver = make_receiver()
        receiver.run_due()
        assert asked() == []
        clock.advance(10)
        receiver.run_due()
        assert asked() == [1]
        answer(1)
        assert asked() == []

        open_breaker.record(False)
        receiver.run_due()

        assert asked() == [10, 10]

    @pytest.mark.parametrize("result", [0, ReceiveError("throttled")])
    def test_if_none_came_another_one_is_asked_for(self, make_receiver, answer, asked, open_breaker, clock, result):
        receiver = make_receiver()
        clock.advance(10)
        receiver.run_due()
        answer(result)
        clock.advance(1)
        receiver.run_due()
        assert asked() == [1]
        answer(1)
        receiver.run_due()

        assert asked() == []

    def test_nothing_left_is_no_probe(self, make_receiver, asked, open_breaker, clock):
        receiver = make_receiver(max_messages=1)
        receiver.admission.budget = 0
        clock.advance(10)
        receiver.run_due()

        assert asked() == []
        assert open_breaker.limit() == 1
