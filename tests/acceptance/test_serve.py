"""
`pubsub serve`, in a process of its own: started, stopped, killed, and made to say what there is.
"""

import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from resource import RLIMIT_NOFILE, getrlimit
from signal import SIGINT, SIGKILL, SIGTERM
from socket import create_connection
from subprocess import PIPE, Popen, run
from threading import Event, Thread

import pytest

from microcosm_pubsub.cli.serve import allow_files
from tests.engines import make_local_client


PUBSUB = Path(sys.executable).with_name("pubsub")

CONNECTIONS = 1000

IDLE = 10_000


@contextmanager
def started(database: Path, *flags: str) -> Iterator[tuple[Popen, str]]:
    command = [PUBSUB, "serve", "--port", "0", "--broker-url", f"sqlite:///{database}", *flags]
    with Popen(command, stdout=PIPE, stderr=PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("Serving SNS and SQS of sqlite:///"), process.stderr.read()
            yield process, line.split()[-1]
        finally:
            process.kill()


@pytest.fixture
def database(tmp_path: Path, environment: None) -> Path:
    return tmp_path / "pubsub.db"


@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
def test_a_signal_ends_waiting_receives_and_exits_0(database, number):
    with started(database) as (process, url):
        sqs = make_local_client("sqs", url)
        queue = sqs.create_queue(QueueName="orders")["QueueUrl"]
        answers = []
        thread = Thread(target=lambda: answers.append(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)))
        thread.start()
        Event().wait(0.5)
        process.send_signal(number)
        assert process.wait(10) == 0
        thread.join(10)
        assert "Messages" not in answers[0]
        assert process.stderr.read() == ""


def test_what_was_answered_survives_sigkill(database):
    answered: list[str] = []
    with started(database) as (process, url), ExitStack() as stack:
        sqs = make_local_client("sqs", url)
        queue = sqs.create_queue(QueueName="orders")["QueueUrl"]

        def send(batch: int) -> None:
            entries = [{"Id": str(number), "MessageBody": f"{batch}-{number}"} for number in range(10)]
            try:
                sent = sqs.send_message_batch(QueueUrl=queue, Entries=entries)
            except Exception:
                # the process is gone
                return
            answered.extend(f"{batch}-{item['Id']}" for item in sent["Successful"])
            if len(answered) >= 4000:
                process.send_signal(SIGKILL)

        pool = stack.enter_context(ThreadPoolExecutor(4))
        list(pool.map(send, range(1000)))
        assert process.wait(10) == -SIGKILL
    assert 4000 <= len(answered) < 10_000
    with started(database) as (_, url):
        sqs = make_local_client("sqs", url)
        found = set()
        while messages := sqs.receive_message(QueueUrl=f"{url}/0/orders", MaxNumberOfMessages=10).get("Messages"):
            found |= {message["Body"] for message in messages}
    assert set(answered) <= found


def test_ten_thousand_idle_connections_are_told_the_limit_and_others_served(database):
    allow_files(IDLE)
    count = min(IDLE, getrlimit(RLIMIT_NOFILE)[0] - 500)
    with started(database, "--max-connections", str(CONNECTIONS)) as (_, url), ExitStack() as stack:
        host, port = url.removeprefix("http://").split(":")
        sqs = make_local_client("sqs", url)
        sqs.create_queue(QueueName="orders")
        idle = [stack.enter_context(create_connection((host, int(port)), timeout=30)) for _ in range(count)]
        refused = sum(connection.recv(100).startswith(b"HTTP/1.1 503") for connection in idle[CONNECTIONS:])
        assert refused == count - CONNECTIONS
        assert sqs.list_queues()["QueueUrls"]


def test_a_file_says_what_is_made_and_the_server_says_what_there_is(database, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"queues": {"orders": {"dead_letter_queue": "rest"}}, "topics": {"events": {}}}))
    with started(database, "--config", str(config)) as (_, url):
        assert len(make_local_client("sqs", url).list_queues()["QueueUrls"]) == 2
    flags = [PUBSUB, "serve", "--broker-url", f"sqlite:///{database}"]
    exported = run([*flags, "--export"], capture_output=True, text=True, check=True).stdout
    copy = tmp_path / "copy.yaml"
    copy.write_text(exported)
    flags[-1] = f"sqlite:///{tmp_path / 'other.db'}"
    run([*flags, "--import", copy], check=True)
    assert run([*flags, "--export"], capture_output=True, text=True, check=True).stdout == exported


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        (["--host", "0.0.0.0"], "Other machines reach 0.0.0.0"),
        (["--access-key", "a"], "belong together"),
        (["--config", "/nonexistent.yaml"], "Cannot read /nonexistent.yaml"),
        (["--broker-url", "mysql://localhost/a"], "must be like"),
        (["--max-connections", "0"], "at least 1"),
    ],
)
def test_what_cannot_work_is_refused_with_one_line(database, flags, fault):
    command = [PUBSUB, "serve", "--port", "0", "--broker-url", f"sqlite:///{database}", *flags]
    done = run(command, capture_output=True, text=True, timeout=60, env=dict(os.environ))
    assert done.returncode == 1
    assert done.stderr.startswith("pubsub serve: ")
    assert fault in done.stderr
    assert len(done.stderr.splitlines()) == 1
