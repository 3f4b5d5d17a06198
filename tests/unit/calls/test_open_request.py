"""
Calls that wait for their answers.
"""

from concurrent.futures import Future
from threading import Event, Thread

import pytest

from microcosm_pubsub.calls.errors import RpcTimeout
from microcosm_pubsub.calls.open_request import OpenRequest, wake_in_turn
from tests.waiting import SECONDS


@pytest.fixture
def make_request():
    return lambda future=None: OpenRequest("echo.words", 5.0, 5.0, future)


def test_an_answer_is_there_before_who_waits_for_it_wakes(make_request):
    request = make_request()
    assert request.resolve(7)
    assert not request.wait(0)

    request.wake()
    assert request.wait(0)
    assert request.get() == 7


def test_an_error_is_raised(make_request):
    request = make_request()
    request.fail(ValueError("no"))

    assert request.wait(0)
    with pytest.raises(ValueError, match="no"):
        request.get()


def test_no_answer(make_request):
    request = make_request()
    request.expire(taken=False)

    with pytest.raises(RpcTimeout, match="5 s"):
        request.get()


def test_threads_wake_each_other_in_turn(make_request):
    requests = [make_request() for _ in range(3)]
    wake_in_turn(requests)
    assert not requests[2].wait(0)

    seen, done = [], Event()

    def wait(number):
        assert requests[number].wait(SECONDS)
        seen.append(number)
        if len(seen) == 3:
            done.set()

    threads = [Thread(target=wait, args=(number,)) for number in (2, 1, 0)]
    for thread in threads:
        thread.start()
    assert done.wait(SECONDS)
    for thread in threads:
        thread.join(SECONDS)


def test_one_that_waited_for_too_long_passes_it_on(make_request):
    requests = [make_request() for _ in range(3)]
    wake_in_turn(requests)

    assert not requests[1].wait(0)
    assert requests[2].wait(0)


def test_one_that_is_interrupted_passes_it_on(make_request):
    requests = [make_request() for _ in range(2)]
    wake_in_turn(requests)
    requests[0].pass_on()

    assert requests[1].wait(0)
    # To wake somebody who has been woken does no harm.
    requests[1].wake()
    requests[1].wake()


def test_futures_have_no_thread_to_wake(make_request):
    first, future, last = make_request(), make_request(Future()), make_request()
    for request in (first, future, last):
        assert request.resolve(1)
    wake_in_turn([first, future, last])

    assert future.future.result(0) == 1
    assert first.wait(0)
    assert last.wait(0)
    wake_in_turn([future])


def test_a_future_that_was_cancelled_wants_no_answer(make_request):
    future = Future()
    future.cancel()

    assert not make_request(future).resolve(1)


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3)])
def test_what_a_future_calls_may_raise_anything(make_request, error, caplog):
    def fail(_):
        raise error

    future = Future()
    future.add_done_callback(fail)
    assert make_request(future).resolve(7)
    assert future.result() == 7
    assert type(error).__name__ in caplog.text


def test_a_future_that_somebody_else_has_ended(make_request, caplog):
    future = Future()
    future.set_result(1)

    make_request(future).resolve(7)
    assert future.result() == 1
    assert "the answer to echo.words" in caplog.text
