"""
Where a thread is.
"""

import asyncio
from re import fullmatch
from threading import Event, Thread

from microcosm_pubsub.middleware.event_loop import EventLoop
from microcosm_pubsub.worker.lanes import Lanes
from microcosm_pubsub.worker.place import find_place
from tests.waiting import SECONDS, wait_until


def test_it_is_told_by_the_innermost_line_of_the_users_code():
    began, go_on = Event(), Event()

    def wait():
        began.set()
        go_on.wait(SECONDS)

    thread = Thread(target=wait, daemon=True)
    thread.start()
    assert began.wait(SECONDS)
    line = wait.__code__.co_firstlineno + 2
    wait_until(lambda: find_place(thread, EventLoop()) == f"{__file__}:{line} in wait")
    go_on.set()
    thread.join(SECONDS)
    assert find_place(thread, EventLoop()) is None


def test_where_nothing_is_the_users_it_is_told_by_ours():
    lanes = Lanes()
    thread = Thread(target=lanes.take, daemon=True)
    thread.start()
    ours = r".*/microcosm_pubsub/worker/lanes\.py:\d+ in take"
    wait_until(lambda: fullmatch(ours, find_place(thread, EventLoop()) or ""))
    lanes.close()
    thread.join(SECONDS)


def test_a_thread_that_waits_for_a_coroutine_is_where_that_awaits():
    loop = EventLoop()
    ended = asyncio.Event()

    async def ask():
        await ended.wait()

    async def handle():
        await ask()

    thread = Thread(target=lambda: loop.run(handle()), daemon=True)
    thread.start()
    line = ask.__code__.co_firstlineno + 1
    wait_until(lambda: find_place(thread, loop) == f"{__file__}:{line} in ask")
    loop.run(_set(ended))
    thread.join(SECONDS)
    assert find_place(thread, loop) is None


def test_a_coroutine_that_keeps_the_loop_is_where_it_does_so():
    loop, go_on = EventLoop(), Event()

    def ask():
        go_on.wait(SECONDS)

    async def handle():
        ask()

    thread = Thread(target=lambda: loop.run(handle()), daemon=True)
    thread.start()
    line = ask.__code__.co_firstlineno + 1
    wait_until(lambda: find_place(thread, loop) == f"{__file__}:{line} in ask")
    go_on.set()
    thread.join(SECONDS)


async def _set(event):
    event.set()


def test_what_is_awaited_need_not_be_a_coroutine():
    loop = EventLoop()
    ended = asyncio.Event()

    class Awaitable:
        def __await__(self):
            return ended.wait().__await__()

    thread = Thread(target=lambda: loop.run(Awaitable()), daemon=True)
    thread.start()
    wait_until(lambda: loop.find_coroutine(thread) is not None)
    assert find_place(thread, loop) is not None
    loop.run(_set(ended))
    thread.join(SECONDS)
