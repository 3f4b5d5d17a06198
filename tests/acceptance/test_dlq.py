"""
`pubsub dlq` in processes of its own, as an operator runs it, and interrupts it.
"""

from __future__ import annotations

import sys
from itertools import count
from json import dumps, loads
from signal import SIGINT, SIGKILL, SIGTERM
from subprocess import PIPE, Popen, run
from time import monotonic, time

import pytest

from microcosm_pubsub.broker.factory import open_broker
from microcosm_pubsub.broker.inspection import list_messages
from microcosm_pubsub.dead_letters import Reason
from microcosm_pubsub.dead_letters.reason import add_reason


NUMBERS = count()
MEDIA_TYPE = "application/vnd.acceptance.crate"

DAEMON = """
from pathlib import Path
from threading import Event

from marshmallow import fields

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.decorators import handles, schema
from microcosm_pubsub.errors import SkipMessage


@schema
class CrateSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.acceptance.crate"
    number = fields.Integer(required=True)


class AsyncSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.acceptance.async_crate"
    number = fields.Integer(required=True)


schema(AsyncSchema)


@handles(CrateSchema)
def stack_crate(message):
    print("handling", message["number"], flush=True)
    if message["number"] == 1:
        raise KeyError("no such shelf")
    if message["number"] == 2:
        raise SkipMessage("empty")
    if message["number"] == 3:
        Event().wait()
    return True


@handles(AsyncSchema)
async def stack_crate_later(message):
    print("awaiting", message["number"], flush=True)
    return True


class CratesDaemon(ConsumerDaemon):
    name = "crates"
"""


class Subject:
    """An engine with a queue and its dead-letter queue."""

    def __init__(self, client, flags, fifo=False):
        self.client = client
        self.flags = flags
        suffix = ".fifo" if fifo else ""
        attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"} if fifo else {}
        self.name = f"dlq-{next(NUMBERS)}"
        self.dead_name = f"{self.name}-dead{suffix}"
        self.dead = client.create_queue(QueueName=self.dead_name, Attributes=attributes)["QueueUrl"]
        policy = {"deadLetterTargetArn": self.arn(self.dead), "maxReceiveCount": "3"}
        self.source = client.create_queue(
            QueueName=f"{self.name}{suffix}", Attributes={**attributes, "RedrivePolicy": dumps(policy)}
        )["QueueUrl"]
        self.fifo = fifo

    def arn(self, url):
        answer = self.client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return answer["Attributes"]["QueueArn"]

    def bury(self, *bodies, error="KeyError", **options):
        reason = Reason("FAILED", error, "stack_crate", 3, source=self.arn(self.source))
        for body in bodies:
            if self.fifo:
                options |= {"MessageGroupId": "g", "MessageDeduplicationId": str(next(NUMBERS))}
            text = body if isinstance(body, str) else dumps(body)
            attributes = add_reason({"blob": {"DataType": "Binary", "BinaryValue": b"\xff"}}, reason)
            self.client.send_message(QueueUrl=self.dead, MessageBody=text, MessageAttributes=attributes, **options)

    def counts(self, url):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.client.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return tuple(int(answer["Attributes"][name]) for name in names)

    def drain(self, url):
        """Receive and delete all that a queue holds, and return it."""
        found = []
        while messages := self.client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in messages:
                self.client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.extend(messages)
        return found

    def command(self, name, *argv, queue=True):
        queue_flags = ["--queue-url", self.dead_name] if queue else []
        return [sys.executable, "-m", "microcosm_pubsub.cli", "dlq", name, *argv, *queue_flags, *self.flags]

    def dlq(self, name, *argv, queue=True, **options):
        return run(
            self.command(name, *argv, queue=queue), capture_output=True, text=True, check=False, timeout=60, **options
        )


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'pubsub.db'}"


@pytest.fixture
def make_subject(url):
    clients = open_broker(url)
    yield lambda fifo=False: Subject(clients.queue_client, ["--broker-url", url], fifo)
    clients.close()


@pytest.fixture
def subject(make_subject):
    return make_subject()


@pytest.fixture
def stored(url):
    """Look at what a queue of the broker holds."""
    clients = open_broker(url)
    yield lambda queue_url: list_messages(clients.broker, queue_url)
    clients.close()


@pytest.fixture(params=["broker", "ministack"])
def any_subject(request, make_subject):
    if request.param == "broker":
        return make_subject()
    engine = request.getfixturevalue("ministack")
    return Subject(engine.sqs, ["--endpoint-url", engine.url])


def crate(number):
    return {"mediaType": MEDIA_TYPE, "number": number}


def wait_for(condition, process):
    """Wait until something has happened, while a process runs."""
    deadline = monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert monotonic() < deadline


def test_a_dead_letter_queue_is_looked_at_and_emptied(any_subject, tmp_path):
    subject = any_subject
    subject.bury(*map(crate, range(12)))
    subject.bury("{no json", error="DecodeError")

    listed = loads(subject.dlq("list", "--json", queue=False).stdout)
    (row,) = [row for row in listed if row["dead_letter_queue"] == subject.dead_name]
    assert (row["queue"], row["dead"]) == (subject.name, 13)

    first, second = loads(subject.dlq("groups", "--json").stdout)
    assert (first["count"], first["media_type"], first["error"]) == (12, MEDIA_TYPE, "KeyError")
    assert (second["count"], second["error"]) == (1, "DecodeError")

    peeked = subject.dlq("peek", "--json", "--where", "$[?(@.number > 9)]")
    assert sorted(loads(line)["content"]["number"] for line in peeked.stdout.splitlines()) == [10, 11]
    assert subject.counts(subject.dead) == (13, 0)

    planned = loads(subject.dlq("redrive", "--error", "KeyError", "--dry-run", "--json").stdout)
    assert sum(planned["sent"].values()) == 12
    assert subject.counts(subject.source) == (0, 0)
    done = subject.dlq("redrive", "--error", "KeyError", "--json")
    assert done.returncode == 0, done.stderr
    assert sum(loads(done.stdout)["sent"].values()) == 12
    redriven = subject.drain(subject.source)
    assert sorted(loads(message["Body"])["number"] for message in redriven) == list(range(12))
    for message in redriven:
        assert message["MessageAttributes"]["blob"]["BinaryValue"] == b"\xff"
        assert set(message["MessageAttributes"]) == {"blob", "dead_letter_redrives"}

    path = tmp_path / "dead.jsonl"
    assert subject.dlq("export", "--output", str(path), "--delete").returncode == 0
    assert subject.counts(subject.dead) == (0, 0)
    assert subject.dlq("import", str(path), "--to", subject.dead_name, queue=False).returncode == 0
    assert subject.counts(subject.dead) == (1, 0)

    assert subject.dlq("purge", input="no\n").returncode == 1
    assert subject.counts(subject.dead) == (1, 0)
    assert subject.dlq("purge", input=f"{subject.dead_name}\n").returncode == 0
    assert subject.counts(subject.dead) == (0, 0)


def test_all_are_sent_back_whether_the_engine_can_move_them_itself_or_not(any_subject):
    any_subject.bury(*map(crate, range(25)))

    done = any_subject.dlq("redrive", "--json")

    assert done.returncode == 0, done.stderr
    result = loads(done.stdout)
    assert (result["by"], sum(result["sent"].values())) in (("move task", 25), ("copying", 25))
    assert any_subject.counts(any_subject.dead) == (0, 0)
    assert any_subject.counts(any_subject.source) == (25, 0)


@pytest.mark.parametrize(("number", "code"), [(SIGINT, 130), (SIGTERM, 143)])
def test_interrupted_it_gives_all_back_at_once(any_subject, number, code):
    any_subject.bury(*map(crate, range(20)))
    command = any_subject.command("redrive", "--copy", "--rate", "5", "--json")

    with Popen(command, stdout=PIPE, stderr=PIPE, text=True) as process:
        wait_for(lambda: any_subject.counts(any_subject.source)[0] >= 6, process)
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)

    assert process.returncode == code
    dead, source = any_subject.counts(any_subject.dead), any_subject.counts(any_subject.source)
    assert (dead[0] + source[0], dead[1]) == (20, 0)
    assert sum(loads(out)["sent"].values()) == source[0] < 20


def test_killed_it_loses_nothing_and_hides_nothing_for_long(subject, stored):
    total, seen = 400, 0
    subject.bury(*map(crate, range(total)))

    for _ in range(3):
        with Popen(subject.command("redrive", "--copy"), stdout=PIPE, stderr=PIPE, text=True) as process:
            wait_for(lambda before=seen: len(stored(subject.source)) > before + 20, process)
            process.send_signal(SIGKILL)
        seen = len(stored(subject.source))
        dead = stored(subject.dead)
        assert dead
        assert max(message.visible_at for message in dead) <= time() + 60
        numbers = {loads(message.body)["number"] for message in [*dead, *stored(subject.source)]}
        assert numbers == set(range(total))

    # as if a minute had passed
    expire(subject)
    finished = subject.dlq("redrive", "--copy")

    assert finished.returncode == 0, finished.stderr
    assert stored(subject.dead) == []
    assert {loads(message.body)["number"] for message in stored(subject.source)} == set(range(total))
    # at most the ten of a call are there twice for each kill
    assert len(stored(subject.source)) <= total + 30


def test_killed_on_a_fifo_queue_nothing_is_out_of_order(make_subject, stored):
    subject = make_subject(fifo=True)
    subject.bury(*map(crate, range(60)))

    with Popen(subject.command("redrive", "--rate", "40"), stdout=PIPE, stderr=PIPE, text=True) as process:
        wait_for(lambda: len(stored(subject.source)) > 10, process)
        process.send_signal(SIGKILL)
    expire(subject)
    assert subject.dlq("redrive").returncode == 0

    assert [loads(message.body)["number"] for message in stored(subject.source)] == list(range(60))
    assert stored(subject.dead) == []


def expire(subject):
    """Let the time pass for which messages are hidden."""
    from sqlalchemy import create_engine, text

    engine = create_engine(subject.flags[1])
    with engine.begin() as connection:
        connection.execute(text("UPDATE pubsub_messages SET visible_at = 0"))
        connection.execute(text("UPDATE pubsub_groups SET available_at = 0"))
    engine.dispose()


def test_export_killed_while_it_deletes_has_all_in_the_file_or_in_the_queue(subject, stored, tmp_path):
    path = tmp_path / "dead.jsonl"
    subject.bury(*map(crate, range(400)))

    with Popen(subject.command("export", "--delete", "--output", str(path)), stderr=PIPE, text=True) as process:
        wait_for(lambda: len(stored(subject.dead)) < 350, process)
        process.send_signal(SIGKILL)

    lines = path.read_text().split("\n")
    exported = {loads(loads(line)["Body"])["number"] for line in lines[:-1]}
    assert exported | {loads(message.body)["number"] for message in stored(subject.dead)} == set(range(400))


def test_a_reader_that_goes_away_leaves_nothing_hidden(subject):
    subject.bury(*("x" * 20_000 for _ in range(100)))

    with Popen(subject.command("export"), stdout=PIPE, stderr=PIPE) as process:
        process.stdout.read(1)
        process.stdout.close()
        error = process.stderr.read()

    assert process.returncode == 141, error
    assert b"Traceback" not in error
    assert b"BrokenPipe" not in error
    assert subject.counts(subject.dead) == (100, 0)


def test_a_move_task_is_cancelled_when_it_is_interrupted(subject):
    subject.bury(*map(crate, range(20)))

    with Popen(subject.command("redrive", "--rate", "2"), stdout=PIPE, stderr=PIPE, text=True) as process:
        wait_for(lambda: subject.counts(subject.source)[0] >= 2, process)
        process.send_signal(SIGINT)
        _, err = process.communicate(timeout=30)

    assert (process.returncode, "The task is cancelled" in err) == (130, True)
    task = subject.client.list_message_move_tasks(SourceArn=subject.arn(subject.dead))["Results"][0]
    assert task["Status"] == "CANCELLED"
    assert subject.counts(subject.dead)[0] + subject.counts(subject.source)[0] == 20


class TestRun:
    @pytest.fixture(autouse=True)
    def module(self, tmp_path, monkeypatch):
        (tmp_path / "crates.py").write_text(DAEMON)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def bury(self, subject, number, media_type=MEDIA_TYPE):
        subject.bury({"mediaType": media_type, "number": number})
        (letter,) = map(loads, subject.dlq("peek", "--json").stdout.splitlines())
        return [letter["message_id"], "--daemon", "crates:CratesDaemon"]

    def test_handled(self, any_subject):
        argv = self.bury(any_subject, 0)

        left = any_subject.dlq("run", *argv)
        assert left.returncode == 0, left.stderr
        assert f"SUCCEEDED: {MEDIA_TYPE} in " in left.stdout
        assert "It stays in the dead-letter queue" in left.stderr
        assert any_subject.counts(any_subject.dead) == (1, 0)

        assert any_subject.dlq("run", *argv, "--ack").returncode == 0
        assert any_subject.counts(any_subject.dead) == (0, 0)

    def test_failed(self, subject):
        answer = subject.dlq("run", *self.bury(subject, 1), "--ack", "--json")

        assert answer.returncode == 1
        told = loads(answer.stdout.splitlines()[-1])
        assert (told["outcome"], told["error"], told["deleted"]) == ("FAILED", "KeyError", False)
        assert "in stack_crate" in answer.stderr
        assert "KeyError: 'no such shelf'" in answer.stderr
        assert subject.counts(subject.dead) == (1, 0)

    def test_skipped(self, subject):
        answer = subject.dlq("run", *self.bury(subject, 2), "--ack")

        assert (answer.returncode, "SKIPPED" in answer.stdout, "empty" in answer.stdout) == (0, True, True)
        assert subject.counts(subject.dead) == (0, 0)

    def test_what_nobody_handles_stays(self, subject):
        answer = subject.dlq("run", *self.bury(subject, 0, "application/vnd.acceptance.unknown"), "--ack")

        assert (answer.returncode, "IGNORED" in answer.stdout) == (1, True)
        assert subject.counts(subject.dead) == (1, 0)

    def test_what_cannot_be_decoded_stays(self, subject):
        answer = subject.dlq("run", *self.bury(subject, "many"), "--ack")

        assert (answer.returncode, "FAILED" in answer.stdout) == (1, True)
        assert subject.counts(subject.dead) == (1, 0)

    def test_nothing_is_created(self, subject):
        before = subject.client.list_queues()["QueueUrls"]

        assert subject.dlq("run", *self.bury(subject, 0)).returncode == 0

        assert subject.client.list_queues()["QueueUrls"] == before

    @pytest.mark.parametrize(
        ("media_type", "printed"),
        [(MEDIA_TYPE, "handling 0"), ("application/vnd.acceptance.async_crate", "awaiting 0")],
    )
    def test_under_a_debugger(self, subject, media_type, printed):
        argv = self.bury(subject, 0, media_type)

        answer = subject.dlq("run", *argv, "--debugger", input="where\ncontinue\n")

        assert "(Pdb)" in answer.stdout
        assert printed in answer.stdout
        assert "SUCCEEDED" in answer.stdout, answer.stderr
        assert answer.returncode == 0

    @pytest.mark.parametrize("number", [SIGINT, SIGTERM])
    def test_interrupted_while_it_handles(self, subject, number):
        argv = self.bury(subject, 3)

        with Popen(subject.command("run", *argv, "--ack"), stdout=PIPE, stderr=PIPE, text=True) as process:
            while "handling 3" not in (line := process.stdout.readline()):
                assert line, process.stderr.read()
            assert subject.counts(subject.dead) == (0, 1)
            process.send_signal(number)
            process.communicate(timeout=30)

        assert process.returncode == 130
        assert subject.counts(subject.dead) == (1, 0)

    def test_another_id(self, subject):
        self.bury(subject, 0)

        answer = subject.dlq("run", "no-such-id", "--daemon", "crates:CratesDaemon")

        assert answer.returncode == 1
        assert answer.stderr.startswith("pubsub dlq: Message no-such-id is not among those of")
        assert subject.counts(subject.dead) == (1, 0)

    def test_no_such_daemon(self, subject):
        answer = subject.dlq("run", "id", "--daemon", "crates:Missing")

        assert (answer.returncode, "crates has no daemon 'Missing'" in answer.stderr) == (1, True)
