"""
Many messages at once, in real processes that are stopped and broken.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from contextlib import closing
from json import dumps, loads
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, SIGUSR2
from socket import socket
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from microcosm_pubsub.broker.factory import open_broker
from tests.waiting import wait_until


WORKSHOP = Path(__file__).parent / "daemons" / "workshop.py"
TASK = "application/vnd.acceptance.task"


class Queue:
    """A queue of the embedded broker, in a file."""

    def __init__(self, path: Path, name: str = "workshop") -> None:
        self.url = f"sqlite:///{path}"
        self.name = name
        with closing(open_broker(self.url, max_receive_count=1000)) as broker:
            broker.provision_queue(name)

    def send(self, *tasks, media_type: str = TASK) -> None:
        with closing(open_broker(self.url)) as broker:
            for start in range(0, len(tasks), 10):
                broker.queue_client.send_message_batch(
                    QueueUrl=self.name,
                    Entries=[self.entry(media_type, task) for task in tasks[start : start + 10]],
                )

    def entry(self, media_type, task) -> dict:
        entry = {"Id": str(task["number"]), "MessageBody": dumps({"mediaType": media_type, **task})}
        if self.name.endswith(".fifo"):
            entry |= {"MessageGroupId": task["group"], "MessageDeduplicationId": str(task["number"])}
        return entry

    @property
    def depth(self) -> dict[str, int]:
        names = {"visible": "ApproximateNumberOfMessages", "hidden": "ApproximateNumberOfMessagesNotVisible"}
        with closing(open_broker(self.url)) as broker:
            answer = broker.queue_client.get_queue_attributes(QueueUrl=self.name, AttributeNames=["All"])
        return {name: int(answer["Attributes"][attribute]) for name, attribute in names.items()}


@pytest.fixture
def queue(tmp_path):
    return Queue(tmp_path / "pubsub.db")


@pytest.fixture
def run(start, queue):
    def run_workshop(*flags: str, on: Queue = queue, **environment: str):
        environment = {"WORKSHOP__SQS_CONSUMER__WAIT_SECONDS": "1", **environment}
        return start(WORKSHOP, "--broker-url", on.url, "--sqs-queue-url", on.name, *flags, **environment)

    return run_workshop


def numbers(program, verb: str) -> list[int]:
    return [int(number) for number in re.findall(rf"^{verb} (-?\d+)", program.text, re.MULTILINE)]


@pytest.mark.parametrize("flags", [["--workers", "1"], ["--workers", "10"], ["--processes", "2"]], ids=" ".join)
def test_a_signal_strands_nothing_and_nothing_is_handled_twice(run, queue, flags):
    queue.send(*[{"number": number, "seconds": 0.002} for number in range(2000)])
    daemon = run(*flags, WORKSHOP__PUBSUB_WORKER__VISIBILITY_TIMEOUT_SECONDS="600")
    daemon.read_until("handled 3")

    daemon.process.send_signal(SIGTERM)

    assert daemon.end() == 0, daemon.text[-3000:]
    handled = numbers(daemon, "handled")
    assert len(set(handled)) == len(handled)
    assert 0 < len(handled) < 2000
    assert sorted(numbers(daemon, "handling")) == sorted(handled)
    assert queue.depth == {"visible": 2000 - len(handled), "hidden": 0}


def test_a_killed_child_is_replaced_and_loses_nothing(run, queue):
    queue.send(*[{"number": number, "seconds": 0.01} for number in range(400)])
    daemon = run(
        "--processes", "2", "--workers", "2",
        WORKSHOP__PUBSUB_WORKER__VISIBILITY_TIMEOUT_SECONDS="4",
        WORKSHOP__PUBSUB_WORKER__MAX_BUFFER="50",
    )  # fmt: skip
    daemon.read_until("handled 5")
    child = child_of(daemon.process.pid)

    os.kill(child, SIGKILL)

    daemon.read_until(rf"\[ERROR\] - Process {child} ended with code -9 \(SIGKILL\): starting another one")
    while set(numbers(daemon, "handled")) != set(range(400)):
        daemon.read_until("handled")
    # What the killed child had handled, and not deleted, comes again when its lease is over.
    wait_until(lambda: queue.depth == {"visible": 0, "hidden": 0})
    daemon.process.send_signal(SIGTERM)
    assert daemon.end() == 0, daemon.text[-3000:]


def child_of(pid: int) -> int:
    # the other one is Python's resource tracker
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return next(int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes())


def test_a_handler_of_three_visibility_timeouts_runs_once(run, queue):
    queue.send({"number": 1, "seconds": 9})
    daemon = run(
        "--drain",
        "--workers",
        "2",
        WORKSHOP__PUBSUB_WORKER__VISIBILITY_TIMEOUT_SECONDS="3",
        WORKSHOP__PUBSUB_WORKER__MAX_BUFFER="50",
    )

    assert daemon.end() == 0, daemon.text
    assert numbers(daemon, "handling") == [1]
    assert queue.depth == {"visible": 0, "hidden": 0}


def test_groups_keep_their_order(run, tmp_path):
    fifo = Queue(tmp_path / "fifo.db", "workshop.fifo")
    fifo.send(*[{"number": number, "group": f"g{number % 20}"} for number in range(400)])
    daemon = run(
        "--workers", "8", "--drain",
        on=fifo,
        FAILURES="0.15",
        SEED="7",
        WORKSHOP__SQS_CONSUMER__MESSAGE_RETRY_VISIBILITY_TIMEOUT_SECONDS="0",
        WORKSHOP__SNS_TOPIC_ARNS__DEFAULT="arn:aws:sns:local:000000000000:tasks.fifo",
    )  # fmt: skip

    assert daemon.end() == 0, daemon.text[-3000:]
    groups = defaultdict(list)
    for number, group in re.findall(r"^handled (\d+) of (g\d+)$", daemon.text, re.MULTILINE):
        groups[group].append(int(number))
    assert groups == {f"g{index}": list(range(index, 400, 20)) for index in range(20)}
    assert "a random failure" in daemon.text


@pytest.mark.parametrize(
    ("media_type", "does", "says"),
    [
        (TASK, "exit", "SystemExit"),
        (TASK, "interrupt", "KeyboardInterrupt"),
        ("application/vnd.acceptance.async_task", "exit", "SystemExit"),
        ("application/vnd.acceptance.async_task", "stop the loop", "stopped the event loop, which goes on"),
    ],
)
def test_what_a_handler_does_to_its_thread_ends_no_worker(run, queue, media_type, does, says):
    queue.send({"number": 0, "does": does}, *[{"number": number} for number in range(1, 20)], media_type=media_type)
    daemon = run("--drain")

    assert daemon.end() == 0, daemon.text
    assert set(range(1, 20)) <= set(numbers(daemon, "handled"))
    assert says in daemon.text


def test_a_handler_over_its_timeout_is_given_up(run, queue):
    limited = "application/vnd.acceptance.limited_task"
    queue.send({"number": 1, "seconds": 3}, {"number": 2}, {"number": 3}, media_type=limited)
    daemon = run("--workers", "1")

    daemon.read_until("FAILED: .*HandlerTimeout: The handler took longer than its timeout of 0.5 s")
    while set(numbers(daemon, "handled")) != {1, 2, 3}:
        daemon.read_until("handled")
    daemon.process.send_signal(SIGTERM)

    assert daemon.end() in (0, 3), daemon.text
    assert queue.depth["hidden"] == 1


def test_too_many_abandoned_threads_end_the_process(run, queue):
    limited = "application/vnd.acceptance.limited_task"
    queue.send(*[{"number": number, "seconds": 30} for number in range(3)], media_type=limited)
    daemon = run("--workers", "3", WORKSHOP__PUBSUB_WORKER__MAX_ABANDONED="2")

    assert daemon.end() == 3, daemon.text
    assert "3 threads outlived the timeout of their handlers, 2 may" in daemon.text


def test_async_handlers_run_together(run, queue):
    queue.send(
        *[{"number": number, "seconds": 1} for number in range(8)], media_type="application/vnd.acceptance.async_task"
    )
    daemon = run("--workers", "8", "--drain")

    assert daemon.end() == 0, daemon.text
    verbs = re.findall(r"^(handling|handled) ", daemon.text, re.MULTILINE)
    # each began before the first one ended
    assert verbs[:8] == ["handling"] * 8
    assert sorted(numbers(daemon, "handled")) == list(range(8))


def test_batches(run, queue):
    queue.send(
        *[{"number": number, **({"does": "skip"} if number % 3 == 0 else {})} for number in range(60)],
        media_type="application/vnd.acceptance.batch_task",
    )
    daemon = run("--drain")

    assert daemon.end() == 0, daemon.text
    assert sorted(numbers(daemon, "handled")) == list(range(60))
    assert max(map(int, re.findall(r"^batch of (\d+)", daemon.text, re.MULTILINE))) == 50
    assert "20 SKIPPED, 40 SUCCEEDED" in daemon.text
    assert queue.depth == {"visible": 0, "hidden": 0}


def test_a_second_signal_waits_for_no_handler(run, queue):
    queue.send({"number": 1, "seconds": 60}, {"number": 2})
    daemon = run()
    daemon.read_until("handling 1")

    daemon.process.send_signal(SIGINT)
    daemon.read_until("Ending: told to stop")
    daemon.process.send_signal(SIGINT)

    assert daemon.end() == 3, daemon.text
    assert "Abandoning a handler that still runs" in daemon.text
    assert queue.depth["hidden"] == 0


def test_a_signal_gives_handlers_only_so_long(run, queue):
    queue.send({"number": 1, "seconds": 60})
    daemon = run(WORKSHOP__PUBSUB_WORKER__SHUTDOWN_TIMEOUT_SECONDS="1")
    daemon.read_until("handling 1")

    daemon.process.send_signal(SIGTERM)

    assert daemon.end() == 3, daemon.text
    assert queue.depth == {"visible": 1, "hidden": 0}


def test_pausing_and_resuming(run, queue):
    daemon = run()
    daemon.read_until("Starting daemon")
    daemon.process.send_signal(SIGUSR2)
    daemon.read_until("Pausing")
    queue.send({"number": 1})
    daemon.process.send_signal(SIGUSR2)
    daemon.read_until("Resuming")

    # the receive that was under way may have got it before
    if "handled 1" not in daemon.text:
        daemon.read_until("handled 1")
    daemon.process.send_signal(SIGTERM)

    assert daemon.end() == 0, daemon.text


def test_a_process_is_recycled(run, queue):
    queue.send(*[{"number": number} for number in range(50)])
    alone = run(WORKSHOP__PUBSUB_WORKER__MAX_MESSAGES="20")
    assert alone.end() == 0, alone.text
    assert len(numbers(alone, "handled")) == 20
    assert queue.depth == {"visible": 30, "hidden": 0}

    supervised = run("--processes", "2", WORKSHOP__PUBSUB_WORKER__MAX_MESSAGES="10")
    while len(numbers(supervised, "handled")) < 30:
        supervised.read_until("handled")
    supervised.process.send_signal(SIGTERM)
    assert supervised.end() == 0, supervised.text
    assert queue.depth == {"visible": 0, "hidden": 0}


def test_a_process_ends_after_its_time(run, queue):
    daemon = run(WORKSHOP__PUBSUB_WORKER__MAX_RUNTIME_SECONDS="0.5")

    assert daemon.end() == 0, daemon.text
    assert "0.5 s have passed (pubsub_worker.max_runtime_seconds)" in daemon.text


def test_a_crash_loop_ends_the_parent(run, queue):
    queue.send(*[{"number": number, "does": "die"} for number in range(60)])
    daemon = run("--processes", "2", "--workers", "1")

    assert daemon.end() == 1, daemon.text
    assert re.search(r"Process \d+ ended with code 9, as 5 in a row did before long: stopping", daemon.text)


def get(port: int, path: str):
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, loads(answer.read())
    except HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize("processes", [1, 2])
def test_health(run, queue, processes):
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    queue.send({"number": 1, "seconds": 2})
    daemon = run("--healthcheck-host", "127.0.0.1", "--healthcheck-port", str(port), "--processes", str(processes))
    daemon.read_until("handling 1")

    if processes == 1:
        status, health = get(port, "/api/health")
        assert status == 200
        assert health["slots"] == {**health["slots"], "total": 4, "busy": 1}
        assert health["leases"]["held"] == 1
        assert get(port, "/api/ready") == (200, {"ready": True})
    assert get(port, "/elsewhere")[0] == 404
    daemon.process.send_signal(SIGTERM)
    daemon.read_until("Ending: told to stop")
    if processes == 1:
        assert get(port, "/api/ready")[0] == 503

    assert daemon.end() == 0, daemon.text
