"""
One event loop in a thread of its own, for handlers that are coroutines.

A thread that handles a message waits here for the coroutine of its handler, so that there is one stack of
middleware and not two. The loop outlives what handlers do to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from logging import getLogger
from threading import Lock, Thread, current_thread
from typing import Any, TypeVar

from microcosm_pubsub.config.fork import start_anew_in_child
from microcosm_pubsub.errors import HandlerError
from microcosm_pubsub.graph import PubSubGraph


T = TypeVar("T")

logger = getLogger(__name__)


class EventLoop:
    """Run coroutines for other threads; the loop's thread starts with the first one."""

    def __init__(self) -> None:
        self._start()
        start_anew_in_child(self, EventLoop._start)

    def _start(self) -> None:
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        #: The thread of the loop, if it has begun.
        self.thread: Thread | None = None
        self._waiting: dict[Thread, tuple[Future[Any], Coroutine[Any, Any, Any]]] = {}

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """
        Run a coroutine in the context of the calling thread, and return its result.

        :raises HandlerError: if the coroutine asked the process to exit, or this is the thread of the loop, which would
            wait for itself for ever
        """
        loop = self._ensure_loop()
        if current_thread() is self.thread:
            coroutine.close()
            raise HandlerError(
                "A coroutine waits here, in the thread of its event loop, for another one, which that thread would "
                "have to run: await it, or call this by `await asyncio.to_thread(...)`"
            )
        with self._lock:
            # Both under one lock, for the coroutine may be abandoned as soon as it runs.
            future = asyncio.run_coroutine_threadsafe(_contained(coroutine), loop)
            self._waiting[current_thread()] = future, coroutine
        try:
            return future.result()
        finally:
            del self._waiting[current_thread()]

    def cancel(self, thread: Thread) -> bool:
        """
        Cancel the coroutine that a thread is waiting for, and return whether it is waiting for one.

        The thread waits until the loop does so.
        """
        with self._lock:
            future, _ = self._waiting.get(thread, (None, None))
        if future is not None:
            # The loop cancels it: while the loop is blocked, the thread is not free either.
            self._ensure_loop().call_soon_threadsafe(future.cancel)
        return future is not None

    def find_coroutine(self, thread: Thread) -> Coroutine[Any, Any, Any] | None:
        """Return the coroutine that a thread is waiting for, if it is."""
        with self._lock:
            _, coroutine = self._waiting.get(thread, (None, None))
        return coroutine

    def _ensure_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self.thread = Thread(target=_run_forever, args=(self._loop,), name="event-loop", daemon=True)
                self.thread.start()
            return self._loop


async def _contained(coroutine: Coroutine[Any, Any, T]) -> T:
    # asyncio raises these two out of the loop, which would end it for all handlers:
    # https://docs.python.org/3/library/asyncio-exceptions.html
    try:
        return await coroutine
    except (SystemExit, KeyboardInterrupt) as error:
        raise HandlerError(f"The handler raised {type(error).__name__}") from error


def _run_forever(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    while not loop.is_closed():
        try:
            loop.run_forever()
        except BaseException:
            # A handler's callback raised it; the other handlers on this loop go on.
            logger.exception("A handler interrupted the event loop, which goes on")
        else:
            logger.error("A handler stopped the event loop, which goes on")


def configure_pubsub_event_loop(graph: PubSubGraph) -> EventLoop:
    """Configure the loop that runs the graph's coroutines, bound as `pubsub_event_loop`."""
    return EventLoop()
