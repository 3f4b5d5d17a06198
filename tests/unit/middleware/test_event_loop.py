"""
One event loop for handlers that are coroutines.
"""

import asyncio
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextvars import ContextVar
from threading import Event, Thread, current_thread

import pytest

from microcosm_pubsub.errors import HandlerError
from microcosm_pubsub.middleware.event_loop import EventLoop


SECONDS = 30

number = ContextVar("number", default=0)


@pytest.fixture
def loop():
    return EventLoop()


@pytest.fixture
def in_threads():
    with ThreadPoolExecutor(8) as pool:
        yield pool


async def give(value):
    return value


def test_a_coroutine_gives_its_result(loop):
    assert loop.run(give(3)) == 3
    assert loop.run(give(4)) == 4


def test_a_coroutine_raises(loop):
    async def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        loop.run(fail())


def test_coroutines_run_together(loop, in_threads):
    arrived = []

    async def meet(event):
        arrived.append(current_thread())
        if len(arrived) == 5:
            event.set()
        await event.wait()
        return True

    async def make_event():
        return asyncio.Event()

    event = loop.run(make_event())
    futures = [in_threads.submit(loop.run, meet(event)) for _ in range(5)]

    assert [future.result(SECONDS) for future in futures] == [True] * 5
    assert len(set(arrived)) == 1


def test_the_context_is_that_of_the_calling_thread(loop):
    async def read():
        await asyncio.sleep(0)
        return number.get()

    number.set(7)

    assert loop.run(read()) == 7
    assert loop.run(asyncio.wait_for(read(), SECONDS)) == 7


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_a_coroutine_that_wants_the_process_to_end_has_failed(loop, error):
    async def leave():
        raise error

    with pytest.raises(HandlerError, match=f"The handler raised {type(error).__name__}"):
        loop.run(leave())
    assert loop.run(give(1)) == 1


def test_the_loop_goes_on_when_a_coroutine_stops_it(loop, caplog):
    async def stop():
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        return 2

    assert loop.run(stop()) == 2
    assert loop.run(give(3)) == 3
    assert "A handler stopped the event loop, which goes on" in caplog.text


def test_the_loop_goes_on_when_a_callback_interrupts_it(loop, caplog):
    def interrupt():
        raise KeyboardInterrupt

    async def call_later():
        asyncio.get_running_loop().call_soon(interrupt)

    loop.run(call_later())

    assert loop.run(give(3)) == 3
    assert "A handler interrupted the event loop, which goes on" in caplog.text


def start(loop, coroutine, outcomes):
    def wait():
        try:
            outcomes.append(loop.run(coroutine))
        except BaseException as error:
            outcomes.append(error)

    thread = Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_what_a_thread_waits_for_can_be_cancelled(loop):
    began, outcomes, ended = Event(), [], Event()

    async def wait():
        began.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    thread = start(loop, wait(), outcomes)
    assert began.wait(SECONDS)
    assert loop.cancel(thread)
    thread.join(SECONDS)

    assert [type(outcome) for outcome in outcomes] == [CancelledError]
    assert ended.wait(SECONDS)
    assert loop.run(give(1)) == 1


def test_cancelling_a_thread_that_waits_for_nothing_does_nothing(loop):
    assert not loop.cancel(current_thread())
    assert loop.run(give(1)) == 1
    assert not loop.cancel(current_thread())
    assert loop.run(give(2)) == 2


def test_a_thread_is_not_free_before_the_loop_is(loop):
    """It would count as ended, while the loop that all handlers need is blocked."""
    began, go_on, outcomes = Event(), Event(), []

    async def block():
        began.set()
        go_on.wait(SECONDS)
        await asyncio.sleep(3600)

    blocking = start(loop, block(), outcomes)
    assert began.wait(SECONDS)
    loop.cancel(blocking)
    try:
        assert not outcomes
        assert blocking.is_alive()
    finally:
        go_on.set()
    blocking.join(SECONDS)

    assert [type(outcome) for outcome in outcomes] == [CancelledError]
