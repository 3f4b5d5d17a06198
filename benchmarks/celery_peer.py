"""
Tasks beside celery's, with its transport for SQS, on one endpoint over HTTP: sent one by one, then run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from subprocess import DEVNULL, PIPE, Popen, run
from time import perf_counter, sleep
from typing import Any

from microcosm.api import create_object_graph, load_from_dict

from benchmarks.call_programs import TASK_WORKERS, make_boto_client, note
from tests.peers.environments import make_python


TEXT = "x" * 100

#: Celery has the better of these.
POOLS = {"threads": TASK_WORKERS, "prefork": os.cpu_count() or 1}


@contextmanager
def worker(environment: dict[str, str], *command: str | Path) -> Iterator[None]:
    """Run a worker in a process of its own."""
    process = Popen([*map(str, command)], env=environment, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def run_tasks(done: Path, tasks: int, environment: dict[str, str], *command: str | Path) -> float:
    """Return how many tasks a second a worker runs that was just started, from when it has run a tenth of them."""
    before = done.stat().st_size
    with worker(environment, *command):
        start = wait_for(lambda: done.stat().st_size - before, tasks // 10)
        return tasks * 0.9 / (wait_for(lambda: done.stat().st_size - before, tasks) - start)


def wait_for(count: Callable[[], int], number: int) -> float:
    """Return when so many are done."""
    deadline = perf_counter() + 300
    while count() < number:
        assert perf_counter() < deadline, f"{count()} of {number} tasks are done"
        sleep(0.005)
    return perf_counter()


def prepare_sender(url: str, queues: Any, topics: Any) -> str:
    """Let tasks be sent to a queue of their own, and return the URL of that."""
    queue_url = queues.create_queue(QueueName="tasks")["QueueUrl"]
    topic_arn = topics.create_topic(Name="tasks")["TopicArn"]
    arn = queues.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topics.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=arn)
    config = {"sns_producer": {"endpoint_url": url}, "sns_topic_arns": {"default": topic_arn}}
    graph = create_object_graph("sender", loader=load_from_dict(config))
    graph.use("opaque", "pubsub_tasks")
    graph.lock()
    return str(queue_url)


def compare_with_celery(url: str, folder: str, tasks: int, rounds: int) -> dict[str, float]:
    """Return how many tasks a second are sent and run, ours and celery's, and the ratios."""
    programs = make_python("celery")
    done = Path(folder) / "done"
    done.touch()
    environment = {**os.environ, "ENDPOINT": url, "DONE": str(done), "AWS_EC2_METADATA_DISABLED": "true"}
    queue_url = prepare_sender(url, make_boto_client("sqs", url), make_boto_client("sns", url))
    found: dict[str, list[float]] = {}

    def add(name: str, value: float) -> None:
        found.setdefault(f"{name}_per_second", []).append(value)

    for _ in range(rounds):
        note.send(0, TEXT)
        start = perf_counter()
        for each in range(1, tasks):
            note.send(each, TEXT)
        add("sent", (tasks - 1) / (perf_counter() - start))
        command = [sys.executable, "-m", "benchmarks.call_programs", "tasks", queue_url, url]
        add("run", run_tasks(done, tasks, environment, *command))
        for pool, concurrency in POOLS.items():
            sender = [programs / "python", "-m", "benchmarks.celery_tasks", str(tasks)]
            said = run([*map(str, sender)], env=environment, stdout=PIPE, check=True, text=True).stdout
            add("celery_sent", float(said))
            command = [programs / "celery", "-A", "benchmarks.celery_tasks", "worker", "--pool", pool]
            command += ["-c", str(concurrency), "--without-gossip", "--without-mingle", "--without-heartbeat"]
            add(f"celery_{pool}_run", run_tasks(done, tasks, environment, *command))
    results = {name: median(values) for name, values in found.items()}
    results["celery_run_per_second"] = max(results[f"celery_{pool}_run_per_second"] for pool in POOLS)
    results["sent_ratio"] = results["sent_per_second"] / results["celery_sent_per_second"]
    results["run_ratio"] = results["run_per_second"] / results["celery_run_per_second"]
    return results
