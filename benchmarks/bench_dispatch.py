"""
Where the time of one message goes, besides the calls to the queue.

    python -m benchmarks.bench_dispatch [--rounds N] [--json]

Each part is called alone, on a message with a schema of five fields, with log lines made and written to nowhere; the
best of several rounds counts. Between other parts each costs more than alone, so `all of it` is more than the sum.
"""

from __future__ import annotations

import platform
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from functools import partial
from json import dumps, loads
from logging import getLogger
from math import inf
from os import cpu_count
from time import monotonic, process_time
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.consumers import BenchDaemon
from benchmarks.endpoint import make_message
from microcosm_pubsub.worker.settings import WorkerSettings
from microcosm_pubsub.worker.worker import Worker


CALLS = 2000


def iter_parts() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Iterate over the parts, and what calls each once."""
    sys.argv = ["bench"]
    daemon = BenchDaemon.create_for_testing()
    for handler in getLogger().handlers:
        handler.setStream(open("/dev/null", "w"))  # type: ignore[attr-defined]  # noqa: SIM115
    graph = daemon.graph
    consumer, dispatcher = graph.sqs_consumer, graph.sqs_message_dispatcher
    worker = Worker(consumer, dispatcher, WorkerSettings())
    worker.handling.routes = dispatcher.find_routes(daemon.bound_handlers)
    raw = make_message(1)
    message = consumer.read(raw)
    codec = graph.pubsub_message_schema_registry.find(message.media_type)
    body = loads(raw["Body"])
    result = dispatcher.run(message, daemon.bound_handlers)

    def lanes() -> None:
        worker.lanes.put([message])
        worker.lanes.done(worker.lanes.take())  # type: ignore[arg-type]
        worker.parts.admission.done(0.001, 1)

    def settle() -> None:
        dispatcher.settle([(message, result)], worker.settler)
        forget_entries(worker)

    yield "body: JSON", lambda: loads(raw["Body"])
    yield "schema", lambda: codec.schema.load(body, unknown="exclude")
    yield "envelope, with JSON and schema", lambda: consumer.read(raw)
    yield "lease", lambda: worker.parts.keeper.hold([message], 0.0)
    yield "lanes and admission", lanes
    yield "context", lambda: graph.sqs_message_context(message)
    yield "dispatch, with context and middleware", lambda: dispatcher.run(message, daemon.bound_handlers)
    yield "settling", settle
    yield "log line", lambda: result.log(dispatcher.logger, message.context)
    yield "observers, with the log line", lambda: dispatcher.notify(message, result)
    yield "all of it", partial(handle_one, worker, raw)


def handle_one(worker: Worker, raw: dict[str, Any]) -> None:
    """Do all that a worker does for one message."""
    worker.handling.accept([worker.consumer.read(raw)], monotonic())
    taken = worker.lanes.take()
    assert taken is not None
    worker.handling.finish(taken, worker.handling.handle(taken), 0.001)
    forget_entries(worker)


def forget_entries(worker: Worker) -> None:
    """Forget what waits to be settled, and what is held until then."""
    entries = worker.parts.entries
    for settlement in entries.pop_batch(inf):
        worker.parts.keeper.forget(settlement.message)
    entries.end(entries.sending[0])


def measure(call: Callable[[], Any], rounds: int) -> float:
    """Return the processor time of one call, in microseconds."""
    times = []
    for _ in range(rounds):
        start = process_time()
        for _ in range(CALLS):
            call()
        times.append(process_time() - start)
    return min(times) / CALLS * 1e6


def main() -> None:
    """Measure, and print a table."""
    parser = ArgumentParser(description="Measure the parts of handling one message")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    machine = {"python": platform.python_version(), "machine": platform.platform(), "cores": cpu_count()}
    figures = {name: measure(call, args.rounds) for name, call in iter_parts()}
    if args.json:
        print(dumps({"machine": machine, "cpu_us_per_message": figures}))
        return
    table = Table(title=", ".join(f"{key} {value}" for key, value in machine.items()))
    table.add_column("part")
    table.add_column("CPU us per message", justify="right")
    for name, value in figures.items():
        table.add_row(name, f"{value:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
