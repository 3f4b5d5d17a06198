"""
Calls of the broker, from an event loop.

A call that has its turn at SQLite at once is done at once: that takes less time than to hand it to a thread. One that
would have to wait, or may take long, or goes to PostgreSQL, is done by a thread. A receive that finds nothing waits
without one; see `receive_lines`.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.names import name_of
from microcosm_pubsub.broker.sqs.receiving import Received, receive_now
from microcosm_pubsub.broker.store import Busy, hasty
from microcosm_pubsub.server.operations import QUICK, Function
from microcosm_pubsub.server.receive_lines import ReceiveLines


T = TypeVar("T")


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
        if quick and self.broker.store.is_sqlite:
            try:
                with hasty():
                    return function()
            except Busy:
                pass
        return await self.loop.run_in_executor(self.pool, copy_context().run, function)

    def close(self) -> None:
        """Let the threads end."""
        self.pool.shutdown(wait=True, cancel_futures=True)
