"""
Calls of the broker, from an event loop.

A call that has its turn at SQLite at once is done at once: that takes less time than to hand it to a thread. Those that
came at the same time are one transaction, which costs little more than that of one call. While another process has the
database, one thread waits for it, and calls gather. One that may take long, or goes to PostgreSQL, has a thread of its
own. A receive that finds nothing waits without one; see `receive_lines`.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from functools import partial
from typing import Any, TypeVar

from microcosm_pubsub.broker.broker import Broker, refuse_for
from microcosm_pubsub.broker.names import name_of
from microcosm_pubsub.broker.sqlite import Busy, hasty
from microcosm_pubsub.broker.sqs.receiving import Received, receive_now
from microcosm_pubsub.broker.store import RolledBack, StoreError
from microcosm_pubsub.server.operations import QUICK, Function
from microcosm_pubsub.server.receive_lines import ReceiveLines


T = TypeVar("T")

#: The most calls in one transaction: it keeps other processes from the database, and this one from reading requests.
MAX_TOGETHER = 16


class _Call:
    """A call that waits for its turn."""

    def __init__(self, function: Callable[[], Any], future: Future[Any]) -> None:
        self.function = function
        self.future = future
        self.context: Context = copy_context()
        self.is_done = False
        self._value: Any = None
        self._error: Exception | None = None

    def fail(self, error: Exception) -> None:
        """Keep why the function is not called."""
        self._error, self.is_done = error, True

    def run(self) -> None:
        """
        Call the function, and keep what comes of it.

        :raises Busy: if it would have to wait for the database, in a block of `hasty`
        """
        try:
            self._value, self._error = self.context.run(self.function), None
        except Busy:
            raise
        except Exception as error:
            self._value, self._error = None, error

    def settle(self) -> None:
        """Give the caller what came of it, if there still is one."""
        if self.future.done():
            return
        if not self.is_done:
            # The server ends, and no thread called.
            self.future.cancel()
        elif self._error is None:
            self.future.set_result(self._value)
        else:
            self.future.set_exception(self._error)


class Calls:
    """
    Call the broker.

    :param broker: the broker
    :param loop: that calls
    :param threads: the most calls that wait for the database at a time
    """

    def __init__(self, broker: Broker, loop: AbstractEventLoop, threads: int) -> None:
        self.broker = broker
        self.loop = loop
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="pubsub-server")
        self.lines = ReceiveLines(broker, loop, self.do)
        self._waiting: deque[_Call] = deque()
        #: Whether calls are being done, or will be in the next turn of the loop.
        self._is_called = False

    async def call(
        self,
        service: str,
        operation: str,
        function: Function,
        parameters: dict[str, Any],
        gone: Callable[[], Awaitable[Any]],
    ) -> dict[str, Any] | None:
        """
        Do an operation, and return its answer.

        :param parameters: checked
        :param gone: ends when the caller has gone
        :raises botocore.exceptions.ClientError: as the broker's clients do
        """
        try:
            if operation != "ReceiveMessage":
                run = partial(self.broker.run, service, operation, function, parameters)
                return await self.do(run, quick=operation in QUICK)
            await self.lines.advance()
            receive = partial(self.broker.run, service, operation, receive_now, parameters)
            generation = self.broker.notifier.generation
            received: Received = await self.do(receive)
            if not received.messages and received.wait_seconds and not self.lines.ended:
                deadline = self.loop.time() + received.wait_seconds
                received = await self.lines.receive(
                    name_of(parameters["QueueUrl"]), receive, received, generation, deadline, gone
                )
            return received.to_answer()
        except StoreError as error:
            raise refuse_for(error, service, operation) from error

    async def do(self, function: Callable[[], T], quick: bool = True) -> T:
        """Call a function that uses the database, here if it is quick and has its turn at once."""
        if not quick or not self.broker.store.is_sqlite:
            return await self.loop.run_in_executor(self.pool, copy_context().run, function)
        call = _Call(function, self.loop.create_future())
        self._waiting.append(call)
        if not self._is_called:
            self._is_called = True
            self.loop.call_soon(self._run_waiting)
        value: T = await call.future
        return value

    def _run_waiting(self) -> None:
        """Do the calls that came in the last turn of the loop, or while a thread did the calls before them."""
        calls = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_TOGETHER))]
        try:
            with hasty():
                self._run(calls)
        except Busy:
            # One thread waits for the database, and then does what would have been done here.
            done = self.loop.run_in_executor(self.pool, self._run, calls)
            done.add_done_callback(lambda _: self._settle(calls))
        else:
            self._settle(calls)

    def _run(self, calls: list[_Call]) -> None:
        if len(calls) == 1 or not self._run_together(calls):
            for call in calls:
                if not call.is_done:
                    call.run()
                    call.is_done = True

    def _run_together(self, calls: list[_Call]) -> bool:
        """Do calls with one transaction, and return whether that was possible, or none of them is."""
        if any(call.is_done for call in calls):
            return False
        has_begun = False
        try:
            with self.broker.together():
                has_begun = True
                for call in calls:
                    call.run()
        except RolledBack:
            return False
        except StoreError as error:
            if has_begun:
                # One of them may be too much for a full disk, and the others not.
                return False
            # The database was waited for long enough, for all of them.
            for call in calls:
                call.fail(error)
        for call in calls:
            call.is_done = True
        return True

    def _settle(self, calls: list[_Call]) -> None:
        for call in calls:
            call.settle()
        self._is_called = bool(self._waiting)
        if self._is_called:
            self.loop.call_soon(self._run_waiting)
        else:
            self.loop.call_soon(self._tidy)

    def _tidy(self) -> None:
        """Do what has to be done now and then, after the answers have been sent."""
        with hasty():
            self.broker.store.tidy()

    def close(self) -> None:
        """Let the threads end."""
        self.pool.shutdown(wait=True, cancel_futures=True)
