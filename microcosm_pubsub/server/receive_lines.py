"""
Receives that wait for messages, without a thread each.

A receive that waits stands in a line at its queue. When something may have come, one look at the database finds the
queues that have messages, for all lines together; there the first in line receives, and if it got something, the next
one too. Looks are caused by sends in this process, by news from other processes, and ten times a second in any case.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future, TimerHandle, create_task
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from logging import getLogger
from threading import get_ident
from typing import Any, Protocol

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.notify import POLL_SECONDS
from microcosm_pubsub.broker.sqs.moving import advance_if_due, is_advance_due
from microcosm_pubsub.broker.sqs.readiness import find_ready
from microcosm_pubsub.broker.sqs.receiving import Received


logger = getLogger(__name__)


class Do(Protocol):
    """Call a function that uses the database; see `Calls.do`."""

    def __call__(self, function: Callable[[], Any], quick: bool = ...) -> Awaitable[Any]:
        """Call it."""


Waiter = Future[bool]


class ReceiveLines:
    """
    Hold the lines of receives that wait.

    :param broker: the broker
    :param loop: in which they wait
    :param do: calls a function that uses the database
    """

    def __init__(self, broker: Broker, loop: AbstractEventLoop, do: Do) -> None:
        self.broker = broker
        self.loop = loop
        self.do = do
        #: Whether receives have stopped waiting for good.
        self.ended = False
        self._lines: dict[str, deque[Waiter]] = {}
        self._thread = get_ident()
        self._is_due = False
        self._is_checking = False
        self._timer: TimerHandle | None = None
        broker.notifier.on_wake = self._wake

    @property
    def count(self) -> int:
        """Return how many wait."""
        return sum(map(len, self._lines.values()))

    async def receive(
        self,
        queue: str,
        receive: Callable[[], Received],
        received: Received,
        generation: int,
        deadline: float,
        gone: Callable[[], Awaitable[Any]],
    ) -> Received:
        """
        Wait until a receive finds something, the time is over, or the caller has gone.

        :param queue: the queue's name
        :param receive: receives once
        :param received: the result before it, which is empty
        :param generation: the notifier's, before that
        :param deadline: when to give up, by the loop's time
        :param gone: ends when the caller has gone
        """
        watch = create_task(_until(gone))
        first = False
        try:
            while not received.messages and not self.ended and not watch.done():
                waiter: Waiter = self.loop.create_future()
                forget = partial(_resolve, waiter)
                watch.add_done_callback(forget)
                timer = self.loop.call_at(deadline, _resolve, waiter)
                line = self._enter(queue, waiter, first)
                if self.broker.notifier.generation != generation:
                    self._wake()
                try:
                    is_ready = await waiter
                finally:
                    timer.cancel()
                    watch.remove_done_callback(forget)
                    self._leave(queue, line, waiter)
                if not is_ready:
                    break
                generation = self.broker.notifier.generation
                received = await self.do(receive)
                # A receive that was called and found nothing keeps its place.
                first = True
            if received.messages:
                self._call_next(queue)
            return received
        finally:
            watch.cancel()

    def end(self) -> None:
        """Let nobody wait any more."""
        self.ended = True
        for line in self._lines.values():
            for waiter in line:
                _resolve(waiter)
        if self._timer is not None:
            self._timer.cancel()

    def _enter(self, queue: str, waiter: Waiter, first: bool) -> deque[Waiter]:
        line = self._lines.setdefault(queue, deque())
        if first:
            line.appendleft(waiter)
        else:
            line.append(waiter)
        if self._timer is None:
            self.broker.notifier.listen()
            self._timer = self.loop.call_later(POLL_SECONDS, self._tick)
        return line

    def _leave(self, queue: str, line: deque[Waiter], waiter: Waiter) -> None:
        if waiter in line:
            line.remove(waiter)
        if not line and self._lines.get(queue) is line:
            del self._lines[queue]

    def _wake(self) -> None:
        """Look soon; may be called by any thread."""
        if not self._lines or self._is_due:
            return
        self._is_due = True
        if get_ident() == self._thread:
            self.loop.call_soon(self._check)
        elif not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._check)

    def _tick(self) -> None:
        self._timer = None
        if self._lines and not self.ended:
            self._timer = self.loop.call_later(POLL_SECONDS, self._tick)
            self._check()

    def _check(self) -> None:
        if self._is_checking or not self._lines:
            self._is_due = self._is_checking and self._is_due
            return
        self._is_due = False
        self._is_checking = True
        create_task(self._find_ready()).add_done_callback(self._checked)

    async def advance(self) -> None:
        """Let running move tasks go on, if it is time; that may take long, and nobody else waits for it."""
        if is_advance_due(self.broker):
            await self.do(partial(advance_if_due, self.broker), quick=False)

    async def _find_ready(self) -> None:
        await self.advance()
        for queue in await self.do(partial(find_ready, self.broker, list(self._lines))):
            self._call_next(queue)

    def _checked(self, task: Any) -> None:
        self._is_checking = False
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("Cannot look for messages, and will look again: %s", error)
        if self._is_due:
            self._check()

    def _call_next(self, queue: str) -> None:
        for waiter in self._lines.get(queue, ()):
            if not waiter.done():
                waiter.set_result(True)
                return


async def _until(gone: Callable[[], Awaitable[Any]]) -> None:
    await gone()


def _resolve(waiter: Waiter, *_: Any) -> None:
    if not waiter.done():
        waiter.set_result(False)
