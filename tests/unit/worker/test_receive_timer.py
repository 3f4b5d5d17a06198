"""
How long the messages of each receive took.
"""

import pytest

from microcosm_pubsub.worker.receive_timer import ReceiveTimer


@pytest.fixture
def told():
    return []


@pytest.fixture
def receives(told, clock):
    return ReceiveTimer(lambda milliseconds, size: told.append((milliseconds, size)), clock)


def test_until_the_last_message_was_handled(receives, told, make_message, clock):
    first, second, third = (make_message(number) for number in range(3))
    receives.began([first, second])
    clock.advance(1)
    receives.began([third])
    receives.ended([first])
    clock.advance(1)
    assert told == []

    receives.ended([third, second])

    assert sorted(told) == [(1000.0, 1), (2000.0, 2)]


def test_nobody_is_told_twice_or_of_what_is_not_known(receives, told, make_message):
    message = make_message()
    receives.began([message])
    receives.began([])
    receives.ended([message])
    receives.ended([message, make_message(1)])

    assert told == [(0.0, 1)]


def test_nothing_is_kept_if_nobody_wants_it(make_message, clock):
    receives = ReceiveTimer(None, clock)
    receives.began([make_message()])
    receives.ended([make_message()])

    assert receives._receives == {}


def test_nothing_is_kept_in_the_end(receives, make_message):
    for number in range(100):
        messages = [make_message(number * 10 + index) for index in range(10)]
        receives.began(messages)
        receives.ended(messages[:5])
        receives.ended(messages[5:])

    assert receives._receives == {}


def test_metrics_can_change_nothing(make_message, clock, caplog):
    def fail(milliseconds, size):
        raise OSError("no such host")

    receives = ReceiveTimer(fail, clock)
    message = make_message()
    receives.began([message])
    receives.ended([message])

    assert "Cannot send metrics of a receive" in caplog.text
