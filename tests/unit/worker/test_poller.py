"""
The threads that receive messages.
"""

from random import Random
from threading import Event
from types import SimpleNamespace

import pytest

from microcosm_pubsub.errors import EndOfInput, QueueAccessError, ReceiveError
from microcosm_pubsub.worker.breaker import Breaker, State
from microcosm_pubsub.worker.buffer import Buffer
from microcosm_pubsub.worker.poller import Load, Pollers


SECONDS = 30


class Consumer:
    """Answer receives as a test says: with so many messages, or with an error."""

    def __init__(self, make_message, url="queue"):
        self.sqs_queue_url = url
        self.make_message = make_message
        self.answers = []
        self.asked = []
        self.on_receive = lambda: None

    def receive(self, count, visibility_timeout_seconds, attempt_id):
        self.asked.append((count, visibility_timeout_seconds, attempt_id))
        answer = self.answers.pop(0) if self.answers else 0
        self.on_receive()
        if isinstance(answer, BaseException):
            raise answer
        return [self.make_message(number) for number in range(min(count, answer))]


class PassingClock:
    """A clock that goes on by itself, so that nobody waits."""

    def __init__(self, clock):
        self.clock = clock

    def __call__(self):
        self.clock.advance(0.01)
        return self.clock()


@pytest.fixture
def consumer(make_message):
    return Consumer(make_message)


@pytest.fixture
def breaker(clock):
    return Breaker(0.5, 30, 2, 10, clock)


@pytest.fixture
def make_pollers(consumer, breaker, clock):
    def make(concurrency=10, max_pollers=4, **options):
        accepted = []
        pollers = Pollers(
            consumer,
            Buffer(concurrency, max_buffer=10_000),
            breaker,
            lambda messages, began: accepted.append((len(messages), began)),
            visibility_timeout_seconds=30,
            max_pollers=max_pollers,
            clock=clock,
            random=Random(1),
            **options,
        )
        pollers.accepted = accepted
        pollers.load = SimpleNamespace(is_full=lambda: False)
        # no thread starts unless a test wants it
        pollers._start_thread = lambda: pollers.threads.append(None)
        pollers._wait = lambda seconds: pollers.waits.append(seconds)
        pollers.waits = []
        pollers.threads.append(None)
        return pollers

    return make


def test_a_receive(make_pollers, consumer, clock):
    pollers = make_pollers()
    began = clock()
    consumer.on_receive = lambda: clock.advance(3)
    consumer.answers = [4]

    assert pollers._poll(0, 7, None) is None

    assert consumer.asked == [(7, 30, None)]
    assert pollers.accepted == [(4, began)]
    assert pollers.oldest_seconds == 0


def test_as_many_as_have_something_to_do(make_pollers, consumer):
    pollers = make_pollers()
    actives = []
    for answer in (10, 10, 3, 10, 10, 10, 10, 0, 10):
        consumer.answers = [answer]
        pollers._poll(0, 10, None)
        actives.append(pollers.active)

    assert actives == [2, 3, 3, 4, 4, 4, 4, 1, 2]
    assert len(pollers.threads) == 4


def test_without_room_no_more_ask(make_pollers, consumer):
    pollers = make_pollers()
    pollers.buffer.reserved = 10
    consumer.answers = [10]
    pollers._poll(0, 10, None)

    assert pollers.active == 1


def test_without_a_processor_fewer_ask(make_pollers, consumer):
    pollers = make_pollers()
    pollers.active = 3
    pollers.load = SimpleNamespace(is_full=lambda: True)
    for active in (2, 1, 1):
        consumer.answers = [10]
        pollers._poll(0, 10, None)
        assert pollers.active == active


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


@pytest.mark.parametrize(("took", "wait"), [(0.0, 0.25), (0.2, 0.05), (5.0, -4.75)])
def test_an_empty_queue_is_not_asked_too_often(make_pollers, consumer, clock, took, wait):
    pollers = make_pollers()
    consumer.on_receive = lambda: clock.advance(took)

    pollers._poll(0, 10, None)

    assert pollers.waits == [pytest.approx(wait)]
    assert pollers.empty_receives == 1
    consumer.answers = [1]
    pollers._poll(0, 10, None)
    assert pollers.empty_receives == 0


def test_receives_that_are_under_way_together_are_empty_once(make_pollers, consumer, clock):
    """A queue is not drained because four that asked it at the same moment got nothing."""
    pollers = make_pollers()
    clock.advance(1)

    def together():
        clock.advance(0.1)
        consumer.on_receive = lambda: None
        # another one began meanwhile, and ends first
        pollers._empty_at = clock()
        pollers.empty_receives += 1

    consumer.on_receive = together
    pollers._poll(0, 10, None)
    assert pollers.empty_receives == 1
    pollers._poll(0, 10, None)

    assert pollers.empty_receives == 2


class TestFailures:
    def test_waits_grow_and_end_with_a_success(self, make_pollers, consumer):
        pollers = make_pollers()
        for _ in range(12):
            consumer.answers = [ReceiveError("throttled")]
            pollers._poll(0, 10, None)
        bounds = [min(30, 0.5 * 2**attempt) for attempt in range(12)]

        assert all(bound / 2 <= wait <= bound for wait, bound in zip(pollers.waits, bounds, strict=True))
        assert pollers.failed_receives == 12
        pollers._poll(0, 10, None)
        assert pollers.failed_receives == 0

    def test_one_alone_goes_on(self, make_pollers, consumer):
        pollers = make_pollers()
        pollers.active = 4
        consumer.answers = [ReceiveError("throttled")]
        pollers._poll(2, 10, None)

        assert pollers.active == 1

    def test_of_a_fifo_queue_the_same_receive_is_tried_once_more(self, make_pollers, consumer):
        consumer.sqs_queue_url = "queue.fifo"
        pollers = make_pollers()
        consumer.answers = [ReceiveError("lost"), ReceiveError("lost"), 3, 2]
        attempt_id = None
        for _ in range(4):
            attempt_id = pollers._poll(0, 10, attempt_id)
        first, second, third, fourth = (attempt for _, _, attempt in consumer.asked)

        assert first == second
        assert len({first, third, fourth}) == 3
        assert attempt_id is None

    @pytest.mark.parametrize(
        "error", [QueueAccessError("denied"), EndOfInput("read"), ZeroDivisionError(), SystemExit()]
    )
    def test_what_stays_ends_them_all(self, make_pollers, consumer, error):
        pollers = make_pollers()
        consumer.answers = [error]

        pollers.run(0)

        assert pollers.error is error
        assert not pollers._wait_for_turn(0)
        assert pollers.buffer.reserved == 0
        assert pollers.oldest_seconds == 0


class TestHealth:
    def test_a_receive_that_hangs_grows_old(self, make_pollers, consumer, clock):
        pollers = make_pollers()
        ages = []

        def hang():
            clock.advance(70)
            ages.append(pollers.oldest_seconds)

        consumer.on_receive = hang
        pollers._poll(0, 10, None)

        assert (ages, pollers.oldest_seconds) == ([70], 0)

    def test_failures_grow_old_together(self, make_pollers, consumer, clock):
        pollers = make_pollers()
        ages = []
        pollers._wait = lambda seconds: (ages.append(pollers.oldest_seconds), clock.advance(10))
        for _ in range(3):
            consumer.answers = [ReceiveError("throttled")]
            pollers._poll(0, 10, None)

        assert ages == [0, 10, 20]

    def test_one_that_need_not_ask_again_does_not_grow_old(self, make_pollers, consumer, clock):
        """One failure of a poller that is not needed any more must not end the process a minute later."""
        pollers = make_pollers()
        consumer.answers = [ReceiveError("throttled")]
        pollers._poll(3, 10, None)
        clock.advance(1000)

        assert pollers.oldest_seconds == 0

    def test_neither_does_one_that_was_paused(self, make_pollers, consumer, clock):
        pollers = make_pollers()
        consumer.answers = [ReceiveError("throttled")]
        pollers._poll(0, 10, None)
        pollers.pause(True)
        clock.advance(1000)
        pollers.pause(False)
        ages = []
        consumer.on_receive = lambda: ages.append(pollers.oldest_seconds)
        pollers._poll(0, 10, None)

        assert ages == [0]


class TestLimits:
    def test_no_more_than_there_may_be(self, make_pollers, consumer):
        pollers = make_pollers(max_messages=15)
        consumer.answers = [10, 3, 10, 10]
        for _ in range(4):
            pollers._poll(0, 10, None)

        assert [count for count, _, _ in consumer.asked] == [10, 5, 2]
        assert sum(count for count, _ in pollers.accepted) == 15
        assert pollers.has_received_all

    def test_all_are_received_only_when_they_were_accepted(self, make_pollers, consumer):
        """Until then the buffer may be empty, and the worker must not end."""
        pollers = make_pollers(max_messages=5)
        seen = []
        pollers.accept = lambda messages, began: seen.append(pollers.has_received_all)
        consumer.answers = [5]
        pollers._poll(0, 10, None)

        assert seen == [False]
        assert pollers.has_received_all

    def test_what_did_not_come_may_be_received_by_others(self, make_pollers, consumer, in_thread):
        pollers = make_pollers(max_messages=10)
        turns, taken = [], pollers._permit(10)
        assert (taken, pollers.has_received_all) == (10, True)
        waiting, wait = Event(), pollers._changed.wait

        def observe(timeout=None):
            waiting.set()
            return wait(timeout)

        pollers._changed.wait = observe
        thread = in_thread(lambda: turns.append(pollers._wait_for_turn(0)))
        assert waiting.wait(SECONDS)
        pollers._give_back(10)
        thread.join(SECONDS)

        assert turns == [True]

    def test_paused_or_stopped_none(self, make_pollers, consumer):
        pollers = make_pollers()
        pollers.pause(True)
        assert pollers._poll(0, 10, "attempt") == "attempt"
        pollers.pause(False)
        pollers._poll(0, 10, None)
        pollers.stop()
        pollers._poll(0, 10, None)

        assert len(consumer.asked) == 1


class TestBreaker:
    @pytest.fixture
    def open_breaker(self, breaker):
        for _ in range(2):
            breaker.record(True)
        return breaker

    def test_open_none_half_open_one(self, make_pollers, consumer, open_breaker, clock):
        pollers = make_pollers()
        pollers._poll(0, 10, None)
        assert consumer.asked == []
        clock.advance(10)
        consumer.answers = [10]
        pollers._poll(0, 10, None)
        pollers._poll(0, 10, None)

        assert consumer.asked == [(1, 30, None)]
        open_breaker.record(False)
        pollers._poll(0, 10, None)
        assert consumer.asked[1:] == [(10, 30, None)]

    @pytest.mark.parametrize("answer", [0, ReceiveError("throttled")])
    def test_if_none_came_another_one_is_asked_for(self, make_pollers, consumer, open_breaker, clock, answer):
        pollers = make_pollers()
        clock.advance(10)
        consumer.answers = [answer, 1]
        pollers._poll(0, 10, None)
        pollers._poll(0, 10, None)

        assert len(consumer.asked) == 2
        assert pollers._permit(10) == 0

    def test_nothing_left_is_no_probe(self, make_pollers, open_breaker, clock):
        pollers = make_pollers(max_messages=1)
        pollers._left = 0
        clock.advance(10)
        assert pollers._permit(10) == 0

        assert open_breaker.limit() == 1

    def test_what_waited_goes_on_when_it_closes(self, make_pollers, open_breaker, clock, in_thread):
        pollers = make_pollers()
        clock.advance(10)
        assert pollers._permit(10) == 1
        turns, waiting, wait = [], Event(), pollers._changed.wait

        def observe(timeout=None):
            waiting.set()
            return wait(timeout)

        pollers._changed.wait = observe
        thread = in_thread(lambda: turns.append(pollers._wait_for_turn(0)))
        assert waiting.wait(SECONDS)
        open_breaker.record(False)
        assert open_breaker.state is State.CLOSED
        pollers.wake()
        thread.join(SECONDS)

        assert turns == [True]


class TestThreads:
    @pytest.fixture
    def pollers(self, consumer, breaker, clock):
        pollers = Pollers(
            consumer, Buffer(50), breaker, lambda *_: None, None, max_pollers=3, clock=PassingClock(clock)
        )
        pollers.load = SimpleNamespace(is_full=lambda: False)
        yield pollers
        pollers.stop()
        pollers.buffer.close()
        for thread in pollers.threads:
            thread.join(SECONDS)
        assert pollers.has_ended

    def test_they_start_and_end(self, pollers, consumer):
        received = Event()
        consumer.answers = [10] * 20
        consumer.on_receive = lambda: len(consumer.asked) > 20 and received.set()

        pollers.start()

        assert received.wait(SECONDS)
        assert len(pollers.threads) == 3

    def test_stopping_ends_a_wait(self, pollers, consumer, clock):
        failing = Event()
        pollers.clock = clock
        pollers.random = SimpleNamespace(uniform=lambda low, high: failing.set() or 1000)
        consumer.answers = [ReceiveError("throttled")]

        pollers.start()
        assert failing.wait(SECONDS)
        pollers.stop()

    def test_a_fault_ends_them(self, pollers, consumer):
        consumer.answers = [10, 10, ZeroDivisionError("a fault")]
        pollers.start()
        pollers.threads[0].join(SECONDS)

        assert isinstance(pollers.error, ZeroDivisionError)
