"""
Real daemons, as an operator starts, stops and breaks them.
"""

from __future__ import annotations

import os
import re
import sys
from json import dumps
from pathlib import Path
from signal import SIGINT, SIGTERM
from socket import socket
from subprocess import run

import pytest
from requests import Session
from requests.adapters import HTTPAdapter
from urllib3 import Retry


DAEMONS = Path(__file__).parent / "daemons"
PARCELS = DAEMONS / "parcels.py"
MEDIA_TYPE = "application/vnd.acceptance.parcel"


def send_parcels(ministack, queue_url: str, count: int) -> None:
    for start in range(0, count, 10):
        entries = [
            {"Id": str(number), "MessageBody": dumps({"mediaType": MEDIA_TYPE, "number": number})}
            for number in range(start, min(start + 10, count))
        ]
        ministack.sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)


@pytest.mark.parametrize("signal_number", [SIGTERM, SIGINT])
@pytest.mark.parametrize("processes", [1, 2])
def test_a_signal_finishes_the_batch_and_strands_nothing(ministack, start, signal_number, processes):
    queue_url = ministack.create_queue(VisibilityTimeout="600")
    send_parcels(ministack, queue_url, 100)
    daemon = start(PARCELS, "--sqs-queue-url", queue_url, "--processes", str(processes))
    daemon.read_until("handling")

    daemon.process.send_signal(signal_number)

    assert daemon.end() == 0, daemon.text
    assert len(set(daemon.handled)) == len(daemon.handled)
    # what was not handled is there for the next daemon, and not hidden
    assert ministack.depth(queue_url) == {"visible": 100 - len(daemon.handled), "hidden": 0}
    assert 0 < len(daemon.handled) < 100
    assert "Stopped daemon parcels" in daemon.text


FINALIZED = """
import os
from signal import SIGTERM

from microcosm_pubsub import ConsumerDaemon


class Finalized:
    def __del__(self):
        # Python drops what a signal's handler raises in here
        os.kill(os.getpid(), SIGTERM)


class Daemon(ConsumerDaemon):
    name = "finalized"

    def create_object_graph_components(self, graph):
        super().create_object_graph_components(graph)
        Finalized()


if __name__ == "__main__":
    Daemon().run()
"""


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_signal_while_it_starts_is_not_forgotten(tmp_path, processes):
    (tmp_path / "daemon.py").write_text(FINALIZED)
    command = [sys.executable, "daemon.py", "--broker-url", "sqlite:///pubsub.db", "--processes", processes]
    done = run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "Stopped daemon finalized" in done.stdout + done.stderr) == (0, True), done.stderr


def last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "settings", "pattern"),
    [
        pytest.param(["--sqs-queue-url", "{url}/000000000000/missing"], {}, "missing.*create the queue", id="queue"),
        pytest.param(["--sqs-queue-url", "{url}/000000000000/x", "--envelope", "Nope"], {}, "Nope.*CodecSQSEnvelope"),
        pytest.param(["--sqs-queue-url", "not a queue"], {}, "'not a queue' is neither a queue URL", id="source"),
        pytest.param(["--sqs-queue-url", "./none.jsonl"], {}, "./none.jsonl: there is no such file", id="file"),
        pytest.param(["--sqs-queue-url", "https://sqs.eu-west-1.amazonaws.com/1/q"], {
            "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
        }, "provide AWS credentials", id="credentials"),
        pytest.param([], {}, "No queue to consume from: give --sqs-queue-url", id="none"),
        pytest.param(["--stdin"], {"PARCELS__SQS_CONSUMER__LIMIT": "many"}, "sqs_consumer.limit is 'many'", id="type"),
        pytest.param(["--stdin"], {"PARCELS__SQS_CONSUMER__BACKOFF_POLICY": "X"}, "'X'.*NaiveBackoffPolicy"),
    ],
)  # fmt: skip
def test_what_cannot_work_ends_with_one_clear_line(ministack, start, arguments, settings, pattern):
    daemon = start(PARCELS, *[argument.format(url=ministack.url) for argument in arguments], **settings)

    assert daemon.end() == 1, daemon.text
    assert re.search(pattern, last_line(daemon.text)), daemon.text
    assert "Traceback" not in daemon.text


def test_a_wrong_flag_is_a_usage_error(start):
    daemon = start(PARCELS, "--processes", "0")

    assert daemon.end() == 2
    assert "--processes must be positive" in daemon.text


def test_a_passing_error_is_retried_without_spinning(start):
    daemon = start(PARCELS, "--sqs-queue-url", "http://127.0.0.1:9/000000000000/queue")
    for failures in (1, 2, 3):
        daemon.read_until(rf"trying again in .* \(failed receives: {failures}\)")

    daemon.process.send_signal(SIGTERM)

    assert daemon.end() == 0, daemon.text


def test_a_file_is_replayed_to_its_end(start, tmp_path):
    path = tmp_path / "parcels.jsonl"
    lines = [dumps({"mediaType": MEDIA_TYPE, "number": number}) for number in range(3)]
    path.write_text("\n".join([lines[0], "{broken", lines[1], "", lines[2]]))

    daemon = start(PARCELS, "--sqs-queue-url", str(path))

    assert daemon.end() == 0, daemon.text
    assert daemon.handled == [0, 1, 2]
    assert f"{path}:2" in daemon.text


def test_stdin_is_read_line_by_line(start):
    daemon = start(PARCELS, "--stdin")
    for number in (1, 2):
        daemon.process.stdin.write(dumps({"mediaType": MEDIA_TYPE, "number": number}) + "\n")
        daemon.process.stdin.flush()
        daemon.read_until(f"handling {number}")
    daemon.process.stdin.close()

    assert daemon.end() == 0, daemon.text
    assert "2 SUCCEEDED" in daemon.text


def test_an_idle_daemon_on_stdin_notices_a_signal(start):
    daemon = start(PARCELS, "--stdin")
    daemon.read_until("Starting daemon")

    daemon.process.send_signal(SIGTERM)

    assert daemon.end() == 0, daemon.text


def pubsub(*arguments: str, **environment: str) -> str:
    command = [sys.executable, "-m", "microcosm_pubsub.cli", *arguments]
    answer = run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_write_and_read_by_hand(ministack):
    queue_url = ministack.create_queue()
    topic_arn = ministack.create_topic(queue_url)
    uri = "https://example.com/parcels/1"

    message_id = pubsub(
        "write", "--topic-arn", topic_arn, "--uri", uri, "--media-type", "parcel", "--endpoint-url", ministack.url
    )  # fmt: skip
    assert message_id.strip()
    left = pubsub("read", "--queue-url", queue_url, "--nack")
    taken = pubsub("read", "--queue-url", queue_url)

    for text in (left, taken):
        assert uri in text
        assert "application/vnd.globality.pubsub._.created.parcel" in text
    assert ministack.depth(queue_url) == {"visible": 0, "hidden": 0}


def test_run_a_daemon_by_its_name(start):
    daemon = start("-m", "microcosm_pubsub.cli", "run", "parcels:ParcelsDaemon", "--stdin", PYTHONPATH=str(DAEMONS))
    daemon.process.stdin.write(dumps({"mediaType": MEDIA_TYPE, "number": 5}))
    daemon.process.stdin.close()

    assert daemon.end() == 0, daemon.text
    assert daemon.handled == [5]


def test_a_naive_message_goes_to_a_daemon_on_stdin(start):
    script = Path(sys.executable).with_name("publish-naive")
    line = run(
        [script, "--action", "created", "--resource-name", "parcel", "--uri", "https://example.com/1"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    daemon = start(PARCELS, "--stdin", "--debug")
    daemon.process.stdin.write(line)
    daemon.process.stdin.close()

    assert daemon.end() == 0, daemon.text
    assert "1 IGNORED" in daemon.text


def test_heartbeats_tell_whether_every_process_is_alive(ministack, start):
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = ["--heartbeat-threshold-seconds", "30", "--healthcheck-host", "127.0.0.1", "--healthcheck-port", str(port)]
    daemon = start(PARCELS, "--sqs-queue-url", ministack.create_queue(), "--processes", "2", *flags)
    daemon.read_until("Starting daemon")
    daemon.read_until("Starting daemon")
    # unhealthy until both have reported; the session asks again, later and later
    retries = Retry(total=12, backoff_factor=0.1, status_forcelist=[503])
    with Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=retries))
        health = session.get(f"http://127.0.0.1:{port}/api/health", timeout=5)

    assert health.status_code == 200
    assert len(health.json()["heartbeats"]) == 2
    daemon.process.send_signal(SIGTERM)
    assert daemon.end() == 0, daemon.text


def test_a_misspelt_variable_is_named_at_the_start(start, tmp_path):
    messages = tmp_path / "messages.jsonl"
    messages.write_text("")

    daemon = start(PARCELS, "--sqs-queue-url", messages, PARCELS__PUBSUB_WORKER__CONCURENCY="5")

    assert daemon.end() == 0
    assert "the variable PARCELS__PUBSUB_WORKER__CONCURENCY" in daemon.text
    assert "did you mean concurrency?" in daemon.text


def test_a_daemon_without_handlers_says_so(start, tmp_path):
    messages = tmp_path / "messages.jsonl"
    messages.write_text("")
    program = tmp_path / "idle.py"
    program.write_text("""
from microcosm_pubsub import ConsumerDaemon

class Idle(ConsumerDaemon):
    name = "idle"

Idle().run()
""")

    daemon = start(program, "--sqs-queue-url", messages)

    assert daemon.end() == 0
    assert "Daemon idle has no handlers, and every message is deleted" in daemon.text
