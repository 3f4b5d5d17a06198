"""
How fast the embedded broker is, beside independent engines, in one run on one machine.

    python -m benchmarks.bench_broker [--quick] [--json] [--http] [--subjects NAME ...]

Each figure is messages per second through `send`, `receive` and `delete` (a cycle), or `publish`. An engine over
HTTP is called with boto3, the broker directly, as a daemon calls either. Every process is warmed up before it counts.
With `--http`, servers are measured with a client that costs next to nothing; see `http_load`.
"""

from __future__ import annotations

import platform
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from json import dumps
from logging import ERROR, getLogger
from multiprocessing import get_context
from os import environ
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory
from threading import Thread
from time import perf_counter
from typing import Any

import sqlalchemy
from rich.console import Console
from rich.table import Table

from benchmarks.http_load import measure_server
from benchmarks.http_servers import SERVERS
from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.queue_client import BrokerQueueClient
from microcosm_pubsub.broker.topic_client import BrokerTopicClient
from tests.engines import ENVIRONMENT, make_local_client, run_ministack, start_postgres


BODY = "x" * 300

SUBJECTS = ["sqlite-memory", "sqlite-file", "postgresql", "ministack", "moto"]

Clients = tuple[Any, Any]


def make_clients(url: str) -> Clients:
    """Make an SQS and an SNS client, of the broker or of an engine over HTTP."""
    if url.startswith("http"):
        return make_local_client("sqs", url), make_local_client("sns", url)
    broker = Broker(url)
    return BrokerQueueClient(broker), BrokerTopicClient(broker)


@contextmanager
def run_subject(name: str, directory: Path) -> Iterator[str]:
    """Run what is measured, and give its URL."""
    with ExitStack() as stack:
        if name == "sqlite-memory":
            yield "sqlite://"
        elif name == "sqlite-file":
            yield f"sqlite:///{directory / 'broker.db'}"
        elif name == "postgresql":
            yield start_postgres(stack)
        elif name == "ministack":
            yield stack.enter_context(run_ministack(directory / "ministack.log"))
        else:
            from moto.server import ThreadedMotoServer

            getLogger("werkzeug").setLevel(ERROR)
            server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
            server.start()
            stack.callback(server.stop)
            host, port = server.get_host_and_port()
            yield f"http://{host}:{port}"


def cycle_batches(clients: Clients, queue_url: str) -> int:
    """Send, receive and delete ten messages."""
    sqs, _ = clients
    sqs.send_message_batch(QueueUrl=queue_url, Entries=[{"Id": str(index), "MessageBody": BODY} for index in range(10)])
    received = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages", [])
    if received:
        entries = [{"Id": str(index), "ReceiptHandle": item["ReceiptHandle"]} for index, item in enumerate(received)]
        sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)
    return len(received)


def cycle_fifo(clients: Clients, queue_url: str, numbers: Iterator[int]) -> int:
    """Send, receive and delete ten messages of ten groups."""
    sqs, _ = clients
    entries = [
        {"Id": str(index), "MessageBody": BODY, "MessageGroupId": str(index), "MessageDeduplicationId": str(number)}
        for index, number in zip(range(10), numbers, strict=False)
    ]
    sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)
    received = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages", [])
    if received:
        entries = [{"Id": str(index), "ReceiptHandle": item["ReceiptHandle"]} for index, item in enumerate(received)]
        sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)
    return len(received)


def cycle_single(clients: Clients, queue_url: str) -> int:
    """Send, receive and delete one message."""
    sqs, _ = clients
    sqs.send_message(QueueUrl=queue_url, MessageBody=BODY)
    received = sqs.receive_message(QueueUrl=queue_url, WaitTimeSeconds=0).get("Messages", [])
    for item in received:
        sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=item["ReceiptHandle"])
    return len(received)


def publish_batches(clients: Clients, topic_arn: str) -> int:
    """Publish ten messages to a topic with one subscription."""
    clients[1].publish_batch(
        TopicArn=topic_arn,
        PublishBatchRequestEntries=[{"Id": str(index), "Message": BODY} for index in range(10)],
    )
    return 10


def publish_single(clients: Clients, topic_arn: str) -> int:
    """Publish one message to a topic with one subscription."""
    clients[1].publish(TopicArn=topic_arn, Message=BODY)
    return 1


def run_for(seconds: float, call: Callable[[], int]) -> float:
    """Call again and again for a while, and return how many messages a second went through."""
    call()
    done, start = 0, perf_counter()
    while (elapsed := perf_counter() - start) < seconds:
        done += call()
    return done / elapsed


def run_threads(threads: int, seconds: float, call: Callable[[], int]) -> float:
    """Do the same in several threads, and return their sum."""
    rates: list[float] = []
    workers = [Thread(target=lambda: rates.append(run_for(seconds, call))) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(rates)


def run_process(url: str, queue_url: str, seconds: float, barrier: Any, rates: Any) -> None:
    """Cycle in a process of its own, beginning together with the others."""
    clients = make_clients(url)
    cycle_batches(clients, queue_url)
    barrier.wait()
    rates.put(run_for(seconds, lambda: cycle_batches(clients, queue_url)))


def run_processes(url: str, queue_url: str, processes: int, seconds: float) -> float:
    """Cycle in several processes, and return the sum of their rates."""
    context = get_context("spawn")
    barrier, rates = context.Barrier(processes), context.Queue()
    arguments = (url, queue_url, seconds, barrier, rates)
    workers = [context.Process(target=run_process, args=arguments) for _ in range(processes)]
    for worker in workers:
        worker.start()
    total = sum(rates.get() for _ in workers)
    for worker in workers:
        worker.join()
    return total


def fill(clients: Clients, queue_url: str, wanted: int, seconds: float) -> int:
    """Put messages into a queue, but for no longer than a while, and return how many."""
    deadline = perf_counter() + seconds
    entries = [{"Id": str(index), "MessageBody": BODY} for index in range(10)]
    for sent in range(0, wanted, 10):
        if perf_counter() > deadline:
            return sent
        clients[0].send_message_batch(QueueUrl=queue_url, Entries=entries)
    return wanted


def create_topic(clients: Clients) -> str:
    """Create a topic with one subscribed queue, and return its ARN."""
    sqs, sns = clients
    queue_url = sqs.create_queue(QueueName="bench-topic")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]
    topic_arn: str = sns.create_topic(Name="bench")["TopicArn"]
    sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=attributes["QueueArn"])
    return topic_arn


def measure(name: str, args: Namespace, console: Console) -> dict[str, float]:
    """Measure one subject."""
    seconds = args.seconds
    figures: dict[str, float] = {}
    with TemporaryDirectory() as directory, run_subject(name, Path(directory)) as url:
        clients = make_clients(url)
        queue_url = clients[0].create_queue(QueueName="bench")["QueueUrl"]
        console.print(f"{name}: cycles", style="dim")
        figures["cycle, batches of 10"] = run_for(seconds, lambda: cycle_batches(clients, queue_url))
        figures["cycle, single"] = run_for(seconds, lambda: cycle_single(clients, queue_url))
        fifo_url = clients[0].create_queue(QueueName="bench.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        numbers = count()
        figures["cycle, FIFO, batches of 10"] = run_for(seconds, lambda: cycle_fifo(clients, fifo_url, numbers))
        figures["cycle, batches, 8 threads"] = run_threads(8, seconds, lambda: cycle_batches(clients, queue_url))
        if name != "sqlite-memory":
            console.print(f"{name}: processes", style="dim")
            figures["cycle, batches, 1 process"] = run_processes(url, queue_url, 1, seconds)
            figures["cycle, batches, 2 processes"] = run_processes(url, queue_url, 2, seconds)
        console.print(f"{name}: topics", style="dim")
        topic_arn = create_topic(clients)
        figures["publish, batches of 10"] = run_for(seconds, lambda: publish_batches(clients, topic_arn))
        figures["publish, single"] = run_for(seconds, lambda: publish_single(clients, topic_arn))
        console.print(f"{name}: {args.backlog} waiting", style="dim")
        figures["messages in the deep queue"] = fill(clients, queue_url, args.backlog, args.fill_seconds)
        memory = getrusage(RUSAGE_SELF).ru_maxrss
        figures["cycle, batches, deep queue"] = run_for(seconds, lambda: cycle_batches(clients, queue_url))
        figures["memory growth meanwhile, MiB"] = (getrusage(RUSAGE_SELF).ru_maxrss - memory) / 1024
    return figures


def ratios(figures: dict[str, float]) -> dict[str, float]:
    """Return the ratios that the broker is held to."""
    found = {"deep queue to shallow": figures["cycle, batches, deep queue"] / figures["cycle, batches of 10"]}
    if "cycle, batches, 2 processes" in figures:
        found["2 processes to 1"] = figures["cycle, batches, 2 processes"] / figures["cycle, batches, 1 process"]
    return found


def main() -> None:
    """Measure the subjects, and print a table, or JSON for a machine."""
    parser = ArgumentParser(description="How fast the embedded broker is, beside independent engines.")
    parser.add_argument("--http", action="store_true", help="`pubsub serve` beside other servers, by a raw client")
    parser.add_argument("--subjects", nargs="+", choices=[*SUBJECTS, *SERVERS])
    parser.add_argument("--seconds", type=float, default=3.0, help="for each figure")
    parser.add_argument("--backlog", type=int, default=100_000, help="messages in the deep queue")
    parser.add_argument("--fill-seconds", type=float, default=90.0, help="the longest time to fill that queue")
    parser.add_argument("--depths", nargs="+", type=int, default=[1000, 10_000, 100_000], help="waiting, with --http")
    parser.add_argument("--load-seconds", type=float, default=60.0, help="with 200 connections, with --http")
    parser.add_argument("--quick", action="store_true", help="half a second each, 2,000 messages in the deep queue")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.quick:
        args.seconds, args.backlog = 0.5, 2000
        args.depths, args.load_seconds = [1000], 2.0
    # what engines on this machine take for credentials; processes inherit it
    environ.update(ENVIRONMENT)
    console = Console(stderr=True)
    if args.http:
        results = {name: measure_server(name, args, console) for name in args.subjects or SERVERS}
    else:
        results = {name: measure(name, args, console) for name in args.subjects or SUBJECTS}
        for figures in results.values():
            figures |= ratios(figures)
    machine = (
        f"{platform.platform()}, Python {platform.python_version()}, SQLAlchemy {sqlalchemy.__version__}, "
        f"{args.seconds} s per figure"
    )
    if args.json:
        print(dumps({"machine": machine, "results": results}))
        return
    table = Table(title="Messages per second", caption=machine)
    table.add_column("")
    for name in results:
        table.add_column(name, justify="right")
    for label in dict.fromkeys(label for figures in results.values() for label in figures):
        digits = 2 if " to " in label else 0
        cells = [f"{figures[label]:,.{digits}f}" if label in figures else "" for figures in results.values()]
        table.add_row(label, *cells)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    main()
