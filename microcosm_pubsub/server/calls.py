"""
Calls of the broker, from an event loop.

A call that has its turn at SQLite at once is done at once: that takes less time than to hand it to a thread. Those that
came at the same time are one transaction, which costs little more than that of one call. A call that would have to wait,
or may take long, or goes to PostgreSQL, is done by a thread. A receive that finds nothing waits without one; see
`receive_lines`.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from functools import partial
from typing import Any, TypeVar

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.names import name_of
from microcosm_pubsub.broker.sqs.receiving import Received, receive_now
from microcosm_pubsub.broker.store import Busy, RolledBack, StoreError, hasty
from microcosm_pubsub.server.operations import QUICK, Function
from microcosm_pubsub.server.receive_lines import ReceiveLines


T = TypeVar("T")

#: The most calls in one transaction: it keeps other processes from the database, and this one from reading requests.
MAX_TOGETHER = 16


class _Call:
    """A call that waits for its turn in this turn of the loop."""

    def __init__(self, function: Callable[[], Any], future: Future[Any]) -> None:
        self.function = function
        self.future = future
        self.context: Context = copy_context()
        self._value: Any = None
        self._error: Exception | None = None

    def run(self) -> None:
        """Call the function, and keep what comes of it."""
        try:
            self._value, self._error = self.context.run(self.function), None
        except Busy:
            raise
        except Exception as error:
            self._value, self._error = None, error

    def settle(self, done: Future[None] | None = None) -> None:
        """
        Give the caller what came of it, if there still is one.

        :param done: of the thread that called, if one did
        """
        if self.future.done():
            return
        if done is not None and done.cancelled():
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

        :param gone: ends when the caller has gone
        :raises botocore.exceptions.ParamValidationError: if the parameters are not those of the operation
        :raises botocore.exceptions.ClientError: as the broker's clients do
        """
        if operation != "ReceiveMessage":
            run = partial(self.broker.run, service, operation, function, parameters)
            return await self.do(run, quick=operation in QUICK)
        receive = partial(self.broker.run, service, operation, receive_now, parameters)
        generation = self.broker.notifier.generation
        received: Received = await self.do(receive)
        if not received.messages and received.wait_seconds and not self.lines.ended:
            deadline = self.loop.time() + received.wait_seconds
            received = await self.lines.receive(
                name_of(parameters["QueueUrl"]), receive, received, generation, deadline, gone
            )
        return received.to_answer()

    async def do(self, function: Callable[[], T], quick: bool = True) -> T:
        """Call a function that uses the database, here if it is quick and has its turn at once."""
        if not quick or not self.broker.store.is_sqlite:
            return await self.loop.run_in_executor(self.pool, copy_context().run, function)
        if not self._waiting:
            self.loop.call_soon(self._run_waiting)
        call = _Call(function, self.loop.create_future())
        self._waiting.append(call)
        value: T = await call.future
        return value

    def _run_waiting(self) -> None:
        """Do the calls that came in the last turn of the loop."""
        calls = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_TOGETHER))]
        if self._waiting:
            self.loop.call_soon(self._run_waiting)
        if len(calls) == 1 or not self._run_together(calls):
            for call in calls:
                self._run_alone(call)

    def _run_together(self, calls: list[_Call]) -> bool:
        """Do calls with one transaction, and return whether that was possible."""
        try:
            with hasty(), self.broker.together():
                for call in calls:
                    call.run()
        except (Busy, RolledBack, StoreError):
            return False
        for call in calls:
            call.settle()
        return True

    def _run_alone(self, call: _Call) -> None:
        try:
            with hasty():
                call.run()
        except Busy:
            self.loop.run_in_executor(self.pool, call.run).add_done_callback(call.settle)
        else:
            call.settle()

    def close(self) -> None:
        """Let the threads end."""
        self.pool.shutdown(wait=True, cancel_futures=True)
