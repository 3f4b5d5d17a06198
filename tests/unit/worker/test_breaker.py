"""
The circuit breaker.
"""

import pytest

from microcosm_pubsub.worker.breaker import Breaker, State


@pytest.fixture
def breaker(clock):
    return Breaker(0.5, window_seconds=30, min_results=4, open_seconds=10, clock=clock)


def record(breaker, *results):
    for failed in results:
        breaker.record(failed)


def test_it_does_nothing_unless_asked_for(clock):
    breaker = Breaker(None, window_seconds=30, min_results=1, open_seconds=10, clock=clock)
    record(breaker, *[True] * 100)

    assert (breaker.state, breaker.limit()) == (State.CLOSED, None)


@pytest.mark.parametrize(
    ("results", "state"),
    [
        ([True] * 3, State.CLOSED),
        ([True] * 4, State.OPEN),
        ([True, True, False, False], State.CLOSED),
        ([False, True, True, True], State.OPEN),
        ([False] * 100, State.CLOSED),
    ],
)
def test_it_opens_when_too_many_fail(breaker, results, state):
    record(breaker, *results)

    assert breaker.state is state
    assert breaker.limit() == (None if state is State.CLOSED else 0)


def test_what_is_over_does_not_count(breaker, clock):
    record(breaker, True, True, True)
    clock.advance(30)
    record(breaker, True, False, False)
    assert breaker.state is State.CLOSED

    record(breaker, True, True)

    assert breaker.state is State.OPEN


def test_it_says_why(breaker, caplog):
    record(breaker, False, True, True, True)

    assert "The circuit breaker opens: 3 of 4 messages failed; not receiving for 10 s" in caplog.text


def test_after_a_while_one_message_is_received(breaker, clock):
    record(breaker, *[True] * 4)
    clock.advance(9.9)
    assert breaker.limit() == 0
    clock.advance(0.1)

    assert (breaker.limit(), breaker.state) == (1, State.HALF_OPEN)
    breaker.probe(began=True)

    assert breaker.limit() == 0


@pytest.fixture
def probing(breaker, clock):
    record(breaker, *[True] * 4)
    clock.advance(10)
    breaker.limit()
    breaker.probe(began=True)
    return breaker


def test_its_success_closes_it(probing):
    probing.record(False)

    assert (probing.state, probing.limit()) == (State.CLOSED, None)
    # with nothing held against it
    record(probing, True, True, True)
    assert probing.state is State.CLOSED


def test_its_failure_opens_it_again(probing, clock):
    probing.record(True)

    assert (probing.state, probing.limit()) == (State.OPEN, 0)
    clock.advance(10)
    assert probing.limit() == 1


def test_if_none_comes_another_one_is_asked_for(probing):
    probing.probe(began=False)

    assert (probing.limit(), probing.state) == (1, State.HALF_OPEN)


def test_results_of_what_was_received_before_do_not_count(breaker, clock):
    record(breaker, *[True] * 4, False, False)
    assert breaker.state is State.OPEN
    clock.advance(10)
    assert breaker.limit() == 1

    record(breaker, True, False)

    assert breaker.state is State.HALF_OPEN


def test_one_whose_result_never_comes_does_not_keep_it_for_ever(probing, clock):
    """It may have been handled before, or have waited for longer than its lease."""
    clock.advance(9.9)
    assert probing.limit() == 0
    clock.advance(0.1)

    assert probing.limit() == 1
    # should it come after all, it counts
    probing.record(False)
    assert probing.state is State.CLOSED
