"""
How fast servers of SQS are over HTTP: ten messages sent, received and deleted, again and again, by a raw client.
"""

from __future__ import annotations

import os
from argparse import Namespace
from asyncio import IncompleteReadError, gather, wait_for
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from rich.console import Console

from benchmarks.http_servers import Served, run_server
from benchmarks.raw import RawClient


BODY = "x" * 300

#: Of the figures for each depth; a handful keeps a server busy.
CONNECTIONS = 8

MANY_CONNECTIONS = 200

ANSWER_SECONDS = 30.0


class Load:
    """
    Cycle on many connections at once.

    :param url: of the endpoint
    :param queue_url: of the queue
    """

    def __init__(self, url: str, queue_url: str) -> None:
        self.url = url
        self.queue_url = queue_url
        self.messages = 0
        self.errors = 0

    async def run(self, connections: int, seconds: float) -> float:
        """Cycle for a while, and return how many messages a second went through."""
        self.messages = self.errors = 0
        start = perf_counter()
        await gather(*(self._repeat(start + seconds) for _ in range(connections)))
        return self.messages / (perf_counter() - start)

    async def _repeat(self, deadline: float) -> None:
        client = RawClient(self.url)
        while perf_counter() < deadline:
            try:
                # in two steps: what others add meanwhile counts
                received = await self._cycle(client)
                self.messages += received
            except (OSError, IncompleteReadError):
                self.errors += 1
                client.close()
        client.close()

    async def _cycle(self, client: RawClient) -> int:
        await call(client, "SendMessageBatch", QueueUrl=self.queue_url, Entries=ENTRIES)
        received = await call(client, "ReceiveMessage", QueueUrl=self.queue_url, MaxNumberOfMessages=10)
        messages = received.get("Messages") or []
        if messages:
            entries = [{"Id": str(i), "ReceiptHandle": item["ReceiptHandle"]} for i, item in enumerate(messages)]
            await call(client, "DeleteMessageBatch", QueueUrl=self.queue_url, Entries=entries)
        return len(messages)

    async def fill(self, count: int, seconds: float) -> int:
        """Send messages, but for no longer than a while, and return how many."""
        deadline = perf_counter() + seconds

        async def send(batches: int) -> int:
            client = RawClient(self.url)
            sent = 0
            while sent < batches and perf_counter() < deadline:
                await call(client, "SendMessageBatch", QueueUrl=self.queue_url, Entries=ENTRIES)
                sent += 1
            client.close()
            return sent

        return 10 * sum(await gather(*(send(count // 10 // CONNECTIONS) for _ in range(CONNECTIONS))))


ENTRIES = [{"Id": str(index), "MessageBody": BODY} for index in range(10)]


async def call(client: RawClient, operation: str, **parameters: Any) -> dict[str, Any]:
    """Do an operation, within a while."""
    return await wait_for(client.call(operation, **parameters), ANSWER_SECONDS)


def measure_server(name: str, args: Namespace, console: Console) -> dict[str, float]:
    """Measure one server."""
    import uvloop

    cores = sorted(os.sched_getaffinity(0))
    with TemporaryDirectory() as directory, run_server(name, Path(directory)) as served:
        # not on the server's core
        os.sched_setaffinity(0, cores[1:] or cores)
        try:
            return uvloop.run(_measure(name, served, args, console))
        finally:
            os.sched_setaffinity(0, cores)


async def _measure(name: str, served: Served, args: Namespace, console: Console) -> dict[str, float]:
    client = RawClient(served.url)
    queue_url = (await call(client, "CreateQueue", QueueName="bench", Attributes={"VisibilityTimeout": "600"}))[
        "QueueUrl"
    ]
    client.close()
    load = Load(served.url, queue_url)
    await load.run(CONNECTIONS, args.seconds / 3)
    figures: dict[str, float] = {}
    depth = 0
    for wanted in (0, *args.depths):
        console.print(f"{name}: {wanted} waiting", style="dim")
        depth += await load.fill(wanted - depth, args.fill_seconds)
        if depth < wanted * 0.9:
            figures["could be filled with"] = depth
            break
        cpu = served.cpu_seconds()
        figures[f"{wanted:,} waiting"] = await load.run(CONNECTIONS, args.seconds)
        used = max(served.cpu_seconds() - cpu, 0.01)
        figures[f"{wanted:,} waiting, per CPU second"] = load.messages / used
    console.print(f"{name}: {MANY_CONNECTIONS} connections", style="dim")
    await load.run(MANY_CONNECTIONS, args.load_seconds / 4)
    memory = served.memory_mib()
    figures[f"{MANY_CONNECTIONS} connections"] = await load.run(MANY_CONNECTIONS, args.load_seconds)
    figures["errors of these"] = load.errors
    figures["memory, MiB"] = served.memory_mib()
    figures["growth meanwhile, MiB"] = served.memory_mib() - memory
    return figures
