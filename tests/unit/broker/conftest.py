"""
Brokers on each kind of database, whose clock stands still until told, and processes that use them.
"""

import sys
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.queue_client import BrokerQueueClient


WORKER = Path(__file__).with_name("worker.py")


class Clock:
    def __init__(self):
        self.time = 1_750_000_000.0

    def __call__(self):
        return self.time

    def advance(self, seconds):
        self.time += seconds


class Queue:
    """A queue of a broker, as tests use it."""

    def __init__(self, broker, fifo=False, **attributes):
        self.broker = broker
        self.client = BrokerQueueClient(broker)
        name = "queue.fifo" if fifo else "queue"
        if fifo:
            attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true", **attributes}
        self.url = self.client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def send(self, *bodies, **options):
        return [
            self.client.send_message(QueueUrl=self.url, MessageBody=body, **options)["MessageId"] for body in bodies
        ]

    def send_all(self, bodies, **options):
        """Send messages, ten at a time."""
        for start in range(0, len(bodies), 10):
            entries = [
                {"Id": str(index), "MessageBody": body, **options}
                for index, body in enumerate(bodies[start : start + 10])
            ]
            assert len(self.client.send_message_batch(QueueUrl=self.url, Entries=entries)["Successful"]) == len(entries)

    def receive(self, limit=10, **options):
        answer = self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=limit, **options)
        return answer.get("Messages", [])

    def drain(self, **options):
        """Receive all messages, of which none comes twice."""
        found = []
        while messages := self.receive(VisibilityTimeout=43200, **options):
            found.extend(messages)
        return found

    def delete(self, message):
        self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def file_url(tmp_path):
    return f"sqlite:///{tmp_path / 'pubsub.db'}"


@pytest.fixture(params=["file", "PostgreSQL"])
def url(request, file_url):
    """Databases that processes can share, each empty."""
    if request.param == "file":
        return file_url
    return request.getfixturevalue("postgres").create_database()


@pytest.fixture(params=["memory", "file", "PostgreSQL"])
def any_url(request, file_url):
    """All kinds of databases, each empty."""
    if request.param == "memory":
        return "sqlite://"
    return file_url if request.param == "file" else request.getfixturevalue("postgres").create_database()


@pytest.fixture
def make_broker():
    """Make brokers that are closed in the end."""
    with ExitStack() as stack:

        def make(url, **options):
            broker = Broker(url, **options)
            stack.callback(broker.close)
            return broker

        yield make


@pytest.fixture
def make_queue(make_broker):
    def make(url, fifo=False, attributes=None, **options):
        return Queue(make_broker(url, **options), fifo, **(attributes or {}))

    return make


@pytest.fixture
def start_worker():
    """Start processes that run a function of `worker.py`, and give them; they end with the test."""
    with ExitStack() as stack:

        def start(function, *arguments):
            command = [sys.executable, str(WORKER), function, *map(str, arguments)]
            process = stack.enter_context(Popen(command, stdout=PIPE, text=True))
            stack.callback(process.kill)
            return process

        yield start
