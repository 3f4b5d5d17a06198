"""
What transactions, inbox and outbox cost, beside what one writes by hand, in one run on one machine.

    python -m benchmarks.bench_sql [--messages N] [--rounds N] [--json]

Consumers run in processes of their own against an endpoint in another, on PostgreSQL (a server that is started for
this, without fsync) and on a SQLite file. Statements are counted, and rows of the outbox written and relayed, in this
process. The median of the rounds counts.
"""

from __future__ import annotations

import platform
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from json import dumps, loads
from os import environ
from pathlib import Path
from statistics import median
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import sqlalchemy
from microcosm.api import create_object_graph, load_from_dict
from rich.console import Console
from rich.table import Table
from sqlalchemy import Column, Engine, Integer, MetaData, Text, event
from sqlalchemy import Table as SQLTable

from benchmarks.endpoint import serve
from microcosm_pubsub.conventions import created
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.registry import HandlerOptions
from microcosm_pubsub.sql import current_session
from tests.engines import ENVIRONMENT, start_postgres


MEDIA_TYPE = created("order")

#: A row that is as big as that of a message of ours.
PLAIN = SQLTable(
    "bench_plain",
    MetaData(),
    Column("id", Integer, primary_key=True),
    *(Column(name, Text) for name in ("identity", "media_type", "topic", "body", "attributes", "opaque_data")),
)


def run_consumer(name: str, database_url: str, messages: int) -> dict[str, float]:
    """Run one consumer, and return its rates."""
    with serve() as endpoint:
        command = [
            sys.executable,
            "-m",
            "benchmarks.sql_consumers",
            name,
            endpoint.queue_url,
            str(messages),
            database_url,
        ]
        with Popen(command, stdout=PIPE, text=True, env={**environ, **ENVIRONMENT}) as process:
            answer = loads(process.communicate()[0].strip().splitlines()[-1])
    return {"per_second": messages / answer["seconds"], "per_cpu_second": messages / answer["cpu_seconds"]}


def make_graph(database_url: str) -> Any:
    """Return a graph that publishes to a broker in memory."""
    config = {
        "logging": {"level": "ERROR"},
        "pubsub_broker": {"url": "sqlite://"},
        "pubsub_database": {"url": database_url, "auto_upgrade": True},
        "sqs_consumer": {"sqs_queue_url": "bench"},
    }
    graph = create_object_graph("bench", loader=load_from_dict(config))
    graph.pubsub_broker.provision_queue("bench")
    graph.use("opaque", "sns_producer", "sqs_message_dispatcher", "pubsub_outbox")
    PLAIN.create(graph.pubsub_database.engine, checkfirst=True)
    return graph


def insert_plain(opaque_data: str) -> None:
    current_session().execute(
        PLAIN.insert(),
        {
            "identity": "0" * 36,
            "media_type": MEDIA_TYPE,
            "topic": "topic",
            "body": dumps({"mediaType": MEDIA_TYPE, "uri": "https://example.com/1", "opaqueData": opaque_data}),
            "attributes": "{}",
            "opaque_data": opaque_data,
        },
    )


def count_statements(database_url: str, once: bool) -> float:
    """Return how many statements a message takes whose handler inserts a row and publishes, with begin and commit."""
    graph = make_graph(database_url)
    counts = {"statements": 0}
    engine: Engine = graph.pubsub_database.engine

    def count(*args: Any) -> None:
        counts["statements"] += 1

    for name in ("before_cursor_execute", "begin", "commit"):
        # on SQLite the beginning is a statement itself
        if not (name == "begin" and graph.pubsub_database.is_sqlite):
            event.listen(engine, name, count)

    def handle(content: Any) -> bool:
        insert_plain("x" * 100)
        graph.sns_producer.produce(MEDIA_TYPE, uri="https://example.com/1")
        return True

    graph.pubsub_outbox.relay.publish_soon = lambda rows: None

    graph.sqs_message_handler_registry.register(MEDIA_TYPE, handle, HandlerOptions(transaction=True, once=once))
    handlers = {MEDIA_TYPE: handle}
    for number in range(11):
        if number == 1:
            # the first one creates our tables
            counts["statements"] = 0
        message = SQSMessage(None, {"opaque_data": {"x-message-id": f"{once} {number}"}}, MEDIA_TYPE, "id", "receipt")
        assert graph.sqs_message_dispatcher.run(message, handlers).result.name == "SUCCEEDED"
    graph.pubsub_database.close()
    return counts["statements"] / 10


def time_outbox(database_url: str, messages: int) -> dict[str, float]:
    """Return what a transaction takes with a plain insert, and with a published message, in microseconds."""
    graph = make_graph(database_url)
    database, producer = graph.pubsub_database, graph.sns_producer
    # what comes after the commit is measured alone
    graph.pubsub_outbox.relay.publish_soon = lambda rows: None
    opaque_data = dumps({"x-message-id": "0" * 36, "x-request-published": "1700000000.0"})

    def time_it(call: Callable[[], Any]) -> float:
        start = perf_counter()
        for _ in range(messages):
            with database.transaction():
                call()
        return (perf_counter() - start) / messages * 1e6

    figures = {
        "plain_us": time_it(lambda: insert_plain(opaque_data)),
        "outbox_us": time_it(lambda: producer.produce(MEDIA_TYPE, uri="https://example.com/1")),
    }
    with database.transaction():
        for number in range(10_000):
            producer.produce(MEDIA_TYPE, uri=f"https://example.com/{number}")
    graph.pubsub_outbox.store.free([str(row["id"]) for row in graph.pubsub_outbox.store.list_rows(1)])
    graph.pubsub_outbox.store.now = lambda: perf_counter() + 10**10
    relay, start = graph.pubsub_outbox.relay, perf_counter()
    while relay.relay_some():
        pass
    figures["relayed_per_second"] = relay.published / (perf_counter() - start)
    database.close()
    return figures


def iter_ratios(figures: dict[str, dict[str, float]]) -> Iterator[tuple[str, float, str]]:
    """Iterate over what the figures say beside each other, and what is asked of that."""
    for kind, found in figures.items():
        yield f"{kind}: messages/s, daemon to by hand", found["daemon per_second"] / found["hand per_second"], ">= 0.9"
        ratio = found["daemon per_cpu_second"] / found["hand per_cpu_second"]
        yield f"{kind}: messages/CPU s, daemon to by hand", ratio, ">= 0.9"
        yield f"{kind}: statements, once to transaction", found["once statements"] / found["statements"], "<= 1.3"
        yield f"{kind}: published message to plain insert", found["outbox_us"] / found["plain_us"], "<= 2.0"
    yield "PostgreSQL: rows relayed per second", figures["PostgreSQL"]["relayed_per_second"], ">= 3000"


def measure(database_url: str, messages: int, rounds: int) -> dict[str, float]:
    """Measure on one database, and return the medians."""
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name in ("hand", "daemon"):
            for key, value in run_consumer(name, database_url, messages).items():
                found.setdefault(f"{name} {key}", []).append(value)
        for key, value in time_outbox(database_url, messages // 4).items():
            found.setdefault(key, []).append(value)
    found["statements"] = [count_statements(database_url, once=False)]
    found["once statements"] = [count_statements(database_url, once=True)]
    return {name: median(values) for name, values in found.items()}


def main() -> None:
    """Measure, and print figures and ratios."""
    parser = ArgumentParser(description="Measure transactions beside hand-written code")
    parser.add_argument("--messages", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="bench-")))
        urls = {"PostgreSQL": start_postgres(stack), "SQLite": f"sqlite:///{directory}/bench.db"}
        figures = {kind: measure(url, args.messages, args.rounds) for kind, url in urls.items()}
    ratios = list(iter_ratios(figures))
    machine = {"python": platform.python_version(), "sqlalchemy": sqlalchemy.__version__, "messages": args.messages}
    if args.json:
        print(dumps({"machine": machine, "figures": figures, "ratios": {name: value for name, value, _ in ratios}}))
        return
    table = Table("figure", *figures, title=", ".join(f"{key} {value}" for key, value in machine.items()))
    for name in figures["SQLite"]:
        table.add_row(name, *(f"{found[name]:,.1f}" for found in figures.values()))
    console = Console()
    console.print(table)
    for name, value, asked in ratios:
        console.print(f"{name}: {value:,.2f} ({asked})")


if __name__ == "__main__":
    main()
