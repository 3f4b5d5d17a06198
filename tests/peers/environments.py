"""
The environments of clients that nobody here wrote, and how their programs run.

An environment is made once, from the registries, and kept in the folder that `PUBSUB_PEERS_CACHE` names, by default
`~/.cache/pubsub-peers`. Where a registry cannot be reached, or there is no Node, its tests are skipped, and say so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from hashlib import sha256
from json import dumps
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import boto3
import pytest


PROGRAMS = Path(__file__).parent / "programs"

CACHE = Path(os.environ.get("PUBSUB_PEERS_CACHE", Path.home() / ".cache" / "pubsub-peers"))

#: What pip and npm say when there is no network.
UNREACHABLE = (
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
    "Could not fetch URL",
    "ConnectTimeoutError",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ENOTFOUND",
    "ETIMEDOUT",
)

PYTHON_PEERS = {
    "aioboto3": ("aioboto3==15.5.0",),
    "awscli": ("awscli==1.46.3",),
    "boto3-newest": ("boto3",),
    # the last ones that speak the query protocol to SQS
    "boto3-1.28": ("boto3==1.28.0", "botocore==1.31.0"),
    "celery": ("celery[sqs]==5.7.0",),
    "dramatiq": ("dramatiq-sqs==0.4.4",),
}

NODE_PEERS = ("@aws-sdk/client-sns@3", "@aws-sdk/client-sqs@3", "sqs-consumer@14", "sqs-producer@8")


def install(command: Sequence[str | Path], directory: Path, log: Path) -> None:
    """Run an installer; skip the test if its registry cannot be reached."""
    with log.open("wb") as output:
        done = subprocess.run([*command], cwd=directory, stdout=output, stderr=subprocess.STDOUT, timeout=500)
    said = log.read_text(errors="replace")
    if done.returncode and any(text in said for text in UNREACHABLE):
        shutil.rmtree(directory)
        pytest.skip(f"the registry of {command[0]} cannot be reached; see {log}")
    assert not done.returncode, said[-3000:]


@contextmanager
def environment_of(name: str, requirements: Sequence[str]) -> Iterator[tuple[Path, bool]]:
    """Give the folder of an environment, and whether it is to be made; of several processes one makes it."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    key = sha256(repr((sorted(requirements), version)).encode()).hexdigest()[:12]
    directory = CACHE / f"{name}-{key}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}-{key}.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        ready = directory / "ready"
        if not ready.exists():
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
        yield directory, not ready.exists()
        ready.touch()


def make_python(name: str) -> Path:
    """Return the folder of programs of a virtual environment with a client."""
    requirements = PYTHON_PEERS[name]
    with environment_of(name, requirements) as (directory, is_new):
        if is_new:
            log = CACHE / f"{name}.log"
            install([sys.executable, "-m", "venv", directory / "venv"], directory, log)
            pip = [directory / "venv" / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
            install([*pip, *requirements], directory, log)
    return directory / "venv" / "bin"


def make_node() -> Path:
    """Return a folder in which Node's programs find the clients."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("there is no Node (node, npm) on this machine")
    with environment_of("node", NODE_PEERS) as (directory, is_new):
        if is_new:
            (directory / "package.json").write_text('{"private": true, "type": "module"}')
            install(["npm", "install", "--no-audit", "--no-fund", *NODE_PEERS], directory, CACHE / "node.log")
    return directory


#: Where Debian's packages of Go libraries are.
GO_LIBRARIES = Path("/usr/share/gocode")


def find_go() -> str:
    """Return the Go compiler; skip the test unless it is there with AWS's SDK, as Debian's packages bring them."""
    go = shutil.which("go")
    if go is None or not (GO_LIBRARIES / "src/github.com/aws/aws-sdk-go-v2/service/sqs").is_dir():
        pytest.skip("there is no Go with AWS's SDK: apt-get install golang-go golang-github-aws-aws-sdk-go-v2-dev")
    return go


@dataclass
class Peer:
    """The endpoint, and what a client's program runs with."""

    url: str
    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "AWS_ACCESS_KEY_ID": "peer-key",
            "AWS_SECRET_ACCESS_KEY": "peer-secret",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_REGION": "eu-central-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "ENDPOINT": self.url,
            "RUN_DIRECTORY": str(self.directory),
        }

    def client(self, service: str) -> Any:
        """Return a client of boto3, for what the peer's own library cannot do."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="eu-central-1",
            aws_access_key_id="peer-key",
            aws_secret_access_key="peer-secret",
        )

    def run(self, *command: str | Path, seconds: float = 90) -> str:
        """Run a program to its end, and return what it printed."""
        done = subprocess.run(
            [*map(str, command)],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    @contextmanager
    def start(self, *command: str | Path) -> Iterator[subprocess.Popen[bytes]]:
        """Run a program beside the test."""
        log = self.directory / "program.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*map(str, command)], cwd=self.directory, env=self.environment, stdout=output, stderr=output
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Round:
    """
    A queue with dead letters, subscribed to the `wanted` messages of a topic: what a peer cannot make itself.

    :param queue: its name
    :param dead_letters: the name of the other
    :param attributes: of the queue
    """

    def __init__(self, peer: Peer, queue: str, dead_letters: str, **attributes: str) -> None:
        self.sqs, self.sns = peer.client("sqs"), peer.client("sns")
        self.dead_url = self.sqs.create_queue(QueueName=dead_letters)["QueueUrl"]
        self.dead_arn = self.find_arn(self.dead_url)
        policy = dumps({"deadLetterTargetArn": self.dead_arn, "maxReceiveCount": "2"})
        self.url = self.sqs.create_queue(QueueName=queue, Attributes={"RedrivePolicy": policy, **attributes})[
            "QueueUrl"
        ]
        self.topic = self.sns.create_topic(Name="events")["TopicArn"]
        self.sns.subscribe(
            TopicArn=self.topic,
            Protocol="sqs",
            Endpoint=self.find_arn(self.url),
            Attributes={"RawMessageDelivery": "true", "FilterPolicy": dumps({"kind": ["wanted"]})},
        )

    def find_arn(self, url: str) -> str:
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(answer["Attributes"]["QueueArn"])

    def count(self, url: str) -> int:
        """Return how many messages a queue holds, hidden or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(map(int, answer["Attributes"].values()))

    def publish(self, body: str, kind: str) -> None:
        attributes = {"kind": {"DataType": "String", "StringValue": kind}}
        self.sns.publish(TopicArn=self.topic, Message=body, MessageAttributes=attributes)

    def redrive(self) -> None:
        """Wait for a dead letter, and send it back."""
        wait_until(lambda: self.count(self.dead_url) == 1, 60)
        self.sqs.start_message_move_task(SourceArn=self.dead_arn, DestinationArn=self.find_arn(self.url))


def wait_until(condition: Callable[[], Any], seconds: float) -> None:
    """Wait until something is so."""
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, f"not so within {seconds} seconds"
        Event().wait(0.05)
