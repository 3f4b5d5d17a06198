"""
Calls: what a task costs beside a message, and how fast a service answers.

    python -m benchmarks.bench_calls [--calls 1500] [--tasks 500] [--no-celery] [--json]

- A task and a message of `@handles`, with five fields each, in turns: processor time of all that a worker does for one,
  and of receiving, handling and deleting it on a SQLite file.
- On a SQLite file, caller and service in two processes: round trips at 50 calls a second, then with 50 in flight, and
  the processor time of both for such a call.
- On an endpoint over HTTP that answers 10 ms later (`pubsub serve` behind a proxy): with 50 in flight, beside a caller
  and a service that are written by hand with boto3; and how many requests a call takes.
- On the same endpoint, tasks beside those of celery with its transport for SQS, in turns: sent one by one, then run.
  Celery has an environment of its own, which is made once; `--no-celery` leaves it out.
"""

from __future__ import annotations

import platform
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from json import dumps, loads
from logging import getLogger
from os import cpu_count, environ, sysconf
from statistics import quantiles
from subprocess import PIPE, STDOUT, Popen
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import monotonic, perf_counter, process_time, sleep
from typing import Any
from uuid import uuid4

from marshmallow import fields
from microcosm.api import create_object_graph, load_from_dict
from rich.console import Console
from rich.table import Table

from benchmarks.bench_dispatch import handle_one, measure
from benchmarks.call_programs import IN_FLIGHT, make_boto_client
from benchmarks.celery_peer import compare_with_celery
from microcosm_pubsub import ConsumerDaemon, PubSubMessageSchema, RpcTimeout, created, handles, schema, task
from microcosm_pubsub.worker.settings import WorkerSettings
from microcosm_pubsub.worker.worker import Worker


WORDS = ["a", "b", "c"]
LATENCY_SECONDS = 0.01

#: Messages and tasks on a file take turns so often: a machine that others use slows each down alike.
TURNS = 6
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}

CONTENT = {"orderId": "o-1", "customer": "c-1", "total": 12, "currency": "EUR", "note": "none"}


@schema
class OrderSchema(PubSubMessageSchema):
    MEDIA_TYPE = created("bench.order")

    orderId = fields.String(required=True)  # noqa: N815
    customer = fields.String(required=True)
    total = fields.Integer(required=True, strict=True)
    currency = fields.String(required=True)
    note = fields.String(required=True)


@handles(OrderSchema)
def take(content: dict[str, Any]) -> bool:
    return True


@task
def take_order(orderId: str, customer: str, total: int, currency: str, note: str) -> None:  # noqa: N803
    pass


class BothDaemon(ConsumerDaemon):
    name = "both"


def compare_cost(rounds: int) -> dict[str, float]:
    """Return the processor time of a message and of a task, in microseconds."""
    sys.argv = ["bench"]
    daemon = BothDaemon.create_for_testing(loader=load_from_dict(sns_producer={"mock_sns": True}))
    for handler in getLogger().handlers:
        handler.setStream(open("/dev/null", "w"))  # type: ignore[attr-defined]  # noqa: SIM115
    graph = daemon.graph
    worker = Worker(graph.sqs_consumer, graph.sqs_message_dispatcher, WorkerSettings())
    worker.handling.routes = graph.sqs_message_dispatcher.find_routes(daemon.bound_handlers)
    producer, queue = graph.sns_producer, graph.sqs_client
    producer.produce(OrderSchema.MEDIA_TYPE, CONTENT)
    take_order.send(**CONTENT)
    received = queue.receive_message(QueueUrl=graph.sqs_consumer.sqs_queue_url, MaxNumberOfMessages=10)["Messages"]
    assert len(received) == 2
    times: dict[str, list[float]] = {"message": [], "task": []}
    for _ in range(rounds):
        for name, raw in zip(times, received, strict=True):
            times[name].append(measure(lambda raw=raw: handle_one(worker, raw), 1))
    return {f"{name}_us": min(taken) for name, taken in times.items()}


def compare_on_file(messages: int) -> dict[str, float]:
    """Return the processor time of a message and of a task on a SQLite file, received to deleted, in microseconds."""
    sys.argv = ["bench"]
    times: dict[str, list[float]] = {"message": [], "task": []}
    with TemporaryDirectory() as folder:
        daemon = BothDaemon()
        daemon.args = daemon.make_arg_parser().parse_args([])
        config = {
            "pubsub_broker": {"url": f"sqlite:///{folder}/broker.db"},
            "sqs_consumer": {"sqs_queue_url": "both", "wait_seconds": 0},
            "logging": {"level": "WARNING"},
        }
        daemon.graph = graph = daemon.create_object_graph(daemon.args, loader=load_from_dict(config))
        for name in (*times,) * TURNS:
            for _ in range(messages // TURNS):
                if name == "task":
                    take_order.send(**CONTENT)
                else:
                    graph.sns_producer.produce(OrderSchema.MEDIA_TYPE, CONTENT)
            start, handled = process_time(), 0
            while results := graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers):
                handled += len(results)
            assert handled == messages // TURNS
            times[name].append((process_time() - start) / handled * 1e6)
        graph.pubsub_broker.close()
    return {f"{name}_us": min(taken) for name, taken in times.items()}


@contextmanager
def program(*words: str) -> Iterator[Popen[str]]:
    """Run a program of `call_programs` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.call_programs", *words]
    process = Popen(command, env={**environ, **ENVIRONMENT}, stdin=PIPE, stdout=PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def run_calls(call: Callable[[], Any], calls: int) -> float:
    """Return how many calls a second there are with so many in flight."""
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        list(pool.map(lambda _: call(), range(IN_FLIGHT)))
        start = perf_counter()
        for answer in pool.map(lambda _: call(), range(calls)):
            assert answer == WORDS
        return calls / (perf_counter() - start)


def measure_processor_time(process: Popen[str]) -> tuple[float, float]:
    """Return the processor time of this process, and of another one, in seconds; 0 where that is not to be had."""
    try:
        with open(f"/proc/{process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return process_time(), 0.0
    return process_time(), (int(fields[11]) + int(fields[12])) / sysconf("SC_CLK_TCK")


def call_until_answered(call: Callable[..., Any]) -> None:
    """Call until the service has subscribed."""
    while True:
        try:
            call(timeout_seconds=1.0)
            return
        except RpcTimeout:
            pass


def measure_file(calls: int) -> dict[str, float]:
    """Return what calls on a SQLite file take."""
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/broker.db"
        graph = create_object_graph("caller", loader=load_from_dict(pubsub_broker={"url": url}))
        graph.use("opaque", "pubsub_rpc")
        graph.lock()
        rpc = graph.pubsub_rpc
        with program("service", url) as service:
            call_until_answered(lambda **more: rpc.call("echo.words", words=WORDS, **more))
            taken = []
            start = monotonic()
            for number in range(calls // 3):
                sleep(max(0.0, start + number / 50 - monotonic()))
                before = perf_counter()
                assert rpc.call("echo.words", words=WORDS) == WORDS
                taken.append((perf_counter() - before) * 1000)
            began = measure_processor_time(service)
            rate = run_calls(lambda: rpc.call("echo.words", words=WORDS, timeout_seconds=60), calls)
            caller_us, service_us = (
                (after - before) / (calls + IN_FLIGHT) * 1e6
                for before, after in zip(began, measure_processor_time(service), strict=True)
            )
        rpc.close()
        graph.pubsub_broker.close()
    cuts = quantiles(taken, n=100)
    times = {"caller_us": caller_us, "service_us": service_us}
    return {"p50_ms": cuts[49], "p99_ms": cuts[98], "calls_per_second": rate, **times}


@contextmanager
def slow_endpoint(folder: str) -> Iterator[tuple[str, Callable[[], int]]]:
    """Run `pubsub serve` behind a proxy, and give its URL and what counts its requests."""
    command = [sys.executable, "-m", "microcosm_pubsub.cli", "serve", "--port", "0"]
    command += ["--broker-url", f"sqlite:///{folder}/served.db"]
    server = Popen(command, stdout=PIPE, stderr=STDOUT, text=True)
    assert server.stdout is not None
    line = ""
    while "Serving" not in line:
        line = server.stdout.readline()
    port = line.strip().rpartition(":")[2]
    try:
        with program("proxy", port, str(LATENCY_SECONDS)) as proxy:
            assert proxy.stdin is not None
            assert proxy.stdout is not None
            url = f"http://127.0.0.1:{proxy.stdout.readline().strip()}"

            def count() -> int:
                proxy.stdin.write("\n")
                proxy.stdin.flush()
                return int(proxy.stdout.readline())

            yield url, count
    finally:
        server.terminate()
        server.wait(30)


class HandWritten:
    """
    A caller as one would write it by hand with boto3.

    :param url: the endpoint
    :param topic_arn: where requests are published
    """

    def __init__(self, url: str, topic_arn: str) -> None:
        self.topics = make_boto_client("sns", url)
        self.queues = make_boto_client("sqs", url)
        self.topic_arn = topic_arn
        self.name = f"replies-{uuid4().hex}"
        self.queue_url = self.queues.create_queue(QueueName=self.name)["QueueUrl"]
        self.waiting: dict[str, tuple[Event, list[Any]]] = {}
        self.is_closed = False
        self.reader = Thread(target=self.read, daemon=True)
        self.reader.start()

    def call(self, timeout_seconds: float = 60.0) -> Any:
        request_id = uuid4().hex
        arrived, answers = self.waiting[request_id] = (Event(), [])
        request = {"id": request_id, "method": "words", "params": {"words": WORDS}, "replyTo": self.name}
        self.topics.publish(TopicArn=self.topic_arn, Message=dumps(request))
        if not arrived.wait(timeout_seconds):
            raise RpcTimeout("words", timeout_seconds)
        return answers[0]

    def close(self) -> None:
        self.is_closed = True
        self.reader.join()

    def read(self) -> None:
        while not self.is_closed:
            answer = self.queues.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=2)
            messages = answer.get("Messages", [])
            for message in messages:
                found = loads(message["Body"])
                arrived, answers = self.waiting.pop(found["id"])
                answers.append(found["result"])
                arrived.set()
            if messages:
                entries = [
                    {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
                    for index, message in enumerate(messages)
                ]
                self.queues.delete_message_batch(QueueUrl=self.queue_url, Entries=entries)


def measure_http(calls: int) -> dict[str, float]:
    """Return how many calls a second there are over HTTP, ours and those written by hand, and the requests of each."""
    found: dict[str, float] = {}
    with TemporaryDirectory() as folder, slow_endpoint(folder) as (url, count):
        topics, queues = make_boto_client("sns", url), make_boto_client("sqs", url)
        made = {}
        for name, raw in (("ours", "false"), ("by_hand", "true")):
            queue_url = queues.create_queue(QueueName=name)["QueueUrl"]
            topic_arn = topics.create_topic(Name=name)["TopicArn"]
            arn = queues.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            attributes = {"RawMessageDelivery": raw}
            topics.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=arn, Attributes=attributes)
            made[name] = (queue_url, topic_arn)
        config = {
            "sns_producer": {"endpoint_url": url},
            "sqs_consumer": {"endpoint_url": url},
            "sns_topic_arns": {"default": made["ours"][1]},
            "sns_client": {"max_pool_connections": 2 * IN_FLIGHT},
        }
        graph = create_object_graph("caller", loader=load_from_dict(config))
        graph.use("opaque", "pubsub_rpc")
        graph.lock()
        rpc = graph.pubsub_rpc
        by_hand = HandWritten(url, made["by_hand"][1])
        subjects: dict[str, tuple[str, Callable[..., Any]]] = {
            "ours": (
                "served",
                lambda timeout_seconds=60.0: rpc.call("echo.words", WORDS, timeout_seconds=timeout_seconds),
            ),
            "by_hand": ("by-hand", by_hand.call),
        }
        for name, (service, call) in subjects.items():
            with program(service, made[name][0], url):
                call_until_answered(call)
                before = count()
                found[f"{name}_calls_per_second"] = run_calls(call, calls)
                found[f"{name}_requests_per_call"] = (count() - before) / (calls + IN_FLIGHT)
        rpc.close()
        # Its reader asks the endpoint until then, which goes away.
        by_hand.close()
    return found


def measure_tasks(tasks: int) -> dict[str, float]:
    """Return how many tasks a second are sent and run over HTTP, ours and celery's, and the ratios."""
    with TemporaryDirectory() as folder, slow_endpoint(folder) as (url, _):
        return compare_with_celery(url, folder, tasks, rounds=3)


def main() -> None:
    """Measure, and print a table."""
    parser = ArgumentParser(description="Measure tasks and calls")
    parser.add_argument("--calls", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--no-celery", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    environ.update(ENVIRONMENT)
    machine = {"python": platform.python_version(), "machine": platform.platform(), "cores": cpu_count()}
    figures = {
        "cost": compare_cost(args.rounds),
        "cost_on_file": compare_on_file(args.calls),
        "sqlite_file": measure_file(args.calls),
        "http": measure_http(args.calls),
    }
    if not args.no_celery:
        figures["tasks"] = measure_tasks(args.tasks)
    cost, on_file = figures["cost"], figures["cost_on_file"]
    file, http = figures["sqlite_file"], figures["http"]
    if args.json:
        print(dumps({"machine": machine, **figures}))
        return
    table = Table(title=", ".join(f"{key} {value}" for key, value in machine.items()))
    table.add_column("")
    table.add_column("", justify="right")
    table.add_row("processor time of a message, us", f"{cost['message_us']:.1f}")
    table.add_row("of a task", f"{cost['task_us']:.1f} = {cost['task_us'] / cost['message_us']:.2f} of it")
    table.add_row("of a message on a SQLite file, us", f"{on_file['message_us']:.1f}")
    table.add_row("of a task", f"{on_file['task_us']:.1f} = {on_file['task_us'] / on_file['message_us']:.2f} of it")
    table.add_row("SQLite file, 50 calls a second: p50", f"{file['p50_ms']:.1f} ms")
    table.add_row("p99", f"{file['p99_ms']:.1f} ms")
    table.add_row("with 50 in flight", f"{file['calls_per_second']:.0f} calls a second")
    times = f"{file['caller_us']:.0f} + {file['service_us']:.0f}"
    table.add_row("processor time of a call, caller and service, us", times)
    ours, theirs = http["ours_calls_per_second"], http["by_hand_calls_per_second"]
    table.add_row("HTTP, 10 ms later, with 50 in flight", f"{ours:.0f} calls a second")
    table.add_row("by hand with boto3", f"{theirs:.0f}, of which ours are {ours / theirs:.2f}")
    requests = f"{http['ours_requests_per_call']:.2f}, by hand {http['by_hand_requests_per_call']:.2f}"
    table.add_row("requests for a call and its answer", requests)
    if (tasks := figures.get("tasks")) is not None:
        for name, said in (("sent", "HTTP, tasks sent one by one, a second"), ("run", "run")):
            theirs = f"celery {tasks[f'celery_{name}_per_second']:.0f}, of which ours are {tasks[f'{name}_ratio']:.2f}"
            table.add_row(said, f"{tasks[f'{name}_per_second']:.0f}, {theirs}")
    Console().print(table)


if __name__ == "__main__":
    main()
