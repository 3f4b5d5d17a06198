"""
Programs that consume a queue to its end, each measured in a process of its own.

    python -m benchmarks.consumers NAME QUEUE_URL MESSAGES [--wait-seconds S] [--without-extras] [--looks-on WHO]

`daemon` is a daemon of ours as it comes: a schema of five fields, a log line for every message. The others are what
one writes by hand with boto3, as cheap as it gets: they parse the JSON, and check and log nothing. Who looks on is
nobody, or OpenTelemetry (`traces`, every message with a span, or `sampled-out`, none with any), or Sentry (`sentry`).
"""

from __future__ import annotations

import sys


if "--without-extras" in sys.argv:
    # before they are looked for
    sys.modules["awscrt"] = sys.modules["orjson"] = None  # type: ignore[assignment]

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from json import dumps, loads
from logging import getLogger
from os import environ
from resource import RUSAGE_SELF, getrusage
from threading import Lock, Thread
from time import perf_counter, sleep
from typing import Any

import boto3
from botocore.config import Config
from marshmallow import fields

from benchmarks.endpoint import MEDIA_TYPE
from benchmarks.usage import check, cpu_seconds
from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.context import current_message
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.decorators import handles, schema
from microcosm_pubsub.worker.settings import WorkerSettings


#: For how long a message is ours at most.
MAX_LEASE_SECONDS = WorkerSettings().max_lease_seconds

#: What a handler does besides; set before the start.
WAIT_SECONDS = 0.0
SLOW_SECONDS = 0.0

#: How old each message was when its handler ended, in seconds from the beginning of its receive.
AGES: list[float] = []


@schema
class OrderSchema(PubSubMessageSchema):
    """What the endpoint sends."""

    MEDIA_TYPE = MEDIA_TYPE

    orderId = fields.String(required=True)  # noqa: N815
    customer = fields.String(required=True)
    amount = fields.Integer(required=True)
    currency = fields.String(required=True)
    note = fields.String()


@handles(OrderSchema)
def handle_order(content: dict[str, Any]) -> bool:
    """Do nothing, for as long as was asked."""
    if WAIT_SECONDS:
        sleep(WAIT_SECONDS)
        AGES.append(perf_counter() - current_message().lease.limit + MAX_LEASE_SECONDS)
        if SLOW_SECONDS and len(AGES) == 1:
            sleep(SLOW_SECONDS)
    return True


class BenchDaemon(ConsumerDaemon):
    """A daemon as it comes."""

    name = "bench"


def trace(looks_on: str) -> None:
    """Have spans made, and exported to memory: of every message, or of none."""
    from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
    from opentelemetry.trace import set_tracer_provider

    provider = TracerProvider(sampler=ALWAYS_ON if looks_on == "traces" else ParentBased(ALWAYS_OFF))
    provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    set_tracer_provider(provider)
    # as in a service that traces everything
    BotocoreInstrumentor().instrument()
    environ["BENCH__PUBSUB_TRACES__ENABLED"] = "true"


def report_to_sentry() -> None:
    """Have Sentry's SDK look on as it comes, and send what it has to nobody."""
    import sentry_sdk

    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", traces_sample_rate=1.0)


def run_daemon(args: Namespace) -> Callable[[], None]:
    """Prepare a daemon, and return what runs it to its end."""
    if args.looks_on == "sentry":
        report_to_sentry()
    elif args.looks_on:
        trace(args.looks_on)
    environ["BENCH__PUBSUB_WORKER__MAX_MESSAGES"] = str(args.messages)
    sys.argv = ["bench", "--sqs-queue-url", args.queue_url, "--workers", str(args.workers)]
    daemon = BenchDaemon()
    daemon.initialize()
    for handler in getLogger().handlers:
        # the lines are made and written, where they disturb nobody
        handler.setStream(open("/dev/null", "w"))  # type: ignore[attr-defined]  # noqa: SIM115
    return lambda: check(daemon.graph.pubsub_worker.run(daemon.bound_handlers))


def run_loop(args: Namespace, threads: int, batched: bool) -> Callable[[], None]:
    """Prepare hand-written loops, and return what runs them to the end of the queue."""
    client = boto3.client(
        "sqs",
        region_name="us-east-1",
        endpoint_url=args.queue_url.rsplit("/", 2)[0],
        config=Config(max_pool_connections=threads + 1),
    )
    lock = Lock()
    left = args.messages

    def loop() -> None:
        nonlocal left
        while True:
            with lock:
                if left <= 0:
                    return
                left -= 10
            messages = client.receive_message(QueueUrl=args.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=5)
            entries = []
            for index, message in enumerate(messages.get("Messages", ())):
                loads(message["Body"])
                if WAIT_SECONDS:
                    sleep(WAIT_SECONDS)
                entries.append({"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]})
            if batched:
                client.delete_message_batch(QueueUrl=args.queue_url, Entries=entries)
                continue
            for entry in entries:
                client.delete_message(QueueUrl=args.queue_url, ReceiptHandle=entry["ReceiptHandle"])

    def run() -> None:
        workers = [Thread(target=loop) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    return run


CONSUMERS: dict[str, Callable[[Namespace], Callable[[], None]]] = {
    "daemon": run_daemon,
    "batch-1": lambda args: run_loop(args, threads=1, batched=True),
    "batch-8": lambda args: run_loop(args, threads=8, batched=True),
    "single-1": lambda args: run_loop(args, threads=1, batched=False),
}


def main() -> None:
    """Run one consumer, and print what it took as JSON."""
    global WAIT_SECONDS, SLOW_SECONDS
    parser = ArgumentParser()
    parser.add_argument("name", choices=CONSUMERS)
    parser.add_argument("queue_url")
    parser.add_argument("messages", type=int)
    parser.add_argument("--wait-seconds", type=float, default=0.0)
    parser.add_argument("--slow-seconds", type=float, default=0.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--without-extras", action="store_true", help="as if the extra fast were not installed")
    parser.add_argument("--looks-on", choices=("traces", "sampled-out", "sentry"))
    args = parser.parse_args()
    WAIT_SECONDS, SLOW_SECONDS = args.wait_seconds, args.slow_seconds
    run = CONSUMERS[args.name](args)
    cpu, start = cpu_seconds(), perf_counter()
    run()
    figures = {
        "seconds": perf_counter() - start,
        "cpu_seconds": cpu_seconds() - cpu,
        "max_rss_kib": getrusage(RUSAGE_SELF).ru_maxrss,
        # the slow one is not counted
        "p99_seconds": sorted(AGES[1:])[len(AGES[1:]) * 99 // 100] if len(AGES) > 1 else None,
    }
    print(dumps(figures))


if __name__ == "__main__":
    main()
