"""
Graphs under test, with an engine in memory whose clock stands still until told.
"""

# boto3 names its arguments in CamelCase.
# ruff: noqa: N803

from functools import cache
from http.client import HTTPConnection
from json import dumps, loads
from uuid import uuid4

import pytest
from botocore import session as botocore_session
from botocore.awsrequest import AWSHTTPConnection
from botocore.client import BaseClient, ClientCreator
from botocore.exceptions import ClientError
from botocore.loaders import create_loader
from microcosm.api import create_object_graph, load_from_dict
from microcosm.hooks import ON_RESOLVE

from microcosm_pubsub.calls.functions import TaskRegistry
from microcosm_pubsub.registry import PubSubMessageSchemaRegistry, SQSMessageHandlerRegistry


@pytest.fixture(autouse=True)
def clients_as_they_are():
    """Undo what Sentry's integrations change about every client of the process, in other tests too."""
    classes = (BaseClient, ClientCreator, HTTPConnection, AWSHTTPConnection)
    before = {cls: dict(vars(cls)) for cls in classes}
    yield
    for cls, attributes in before.items():
        for name in [name for name, value in vars(cls).items() if attributes.get(name) is not value]:
            if name in attributes:
                setattr(cls, name, attributes[name])
            elif not name.startswith("__"):
                delattr(cls, name)


@pytest.fixture
def shared_models(monkeypatch):
    """Let botocore read its models of services once for the process, not once for each client."""
    monkeypatch.setattr(botocore_session, "create_loader", make_loader)


@cache
def make_loader(search_path_string=None):
    return create_loader(search_path_string)


class Clock:
    def __init__(self):
        self.time = 1_000_000.0

    def __call__(self):
        return self.time

    def advance(self, seconds):
        self.time += seconds


class Queue:
    """The queue of a graph under test, as a test looks at it."""

    def __init__(self, graph, clock):
        self.graph = graph
        self.clock = clock
        self.engine = graph.pubsub_testing.engine

    @property
    def url(self):
        return self.graph.config.sqs_consumer.sqs_queue_url

    def send(self, *bodies, **options):
        """Send messages; what is not text becomes JSON."""
        for body in bodies:
            text = body if isinstance(body, str) else dumps(body)
            unique = {"MessageDeduplicationId": str(uuid4())} if self.url.endswith(".fifo") else {}
            self.engine.queue_client.send_message(QueueUrl=self.url, MessageBody=text, **unique, **options)

    @property
    def bodies(self):
        """What the queue holds, visible or not."""
        return [message.body for message in self.engine.messages(self.url)]

    @property
    def published(self):
        """What was published to this queue, as content."""
        return [loads(loads(body)["Message"]) for body in self.bodies]

    @property
    def hidden_for(self):
        """For how many seconds each of its messages is hidden."""
        return [message.visible_at - self.clock() for message in self.engine.messages(self.url)]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make_graph(clock):
    """Make a graph under test with some configuration."""

    def make(**config):
        graph = create_object_graph("test", testing=True, loader=load_from_dict(config))
        graph.pubsub_testing.engine.clock = clock
        return graph

    return make


@pytest.fixture
def graph(make_graph):
    return make_graph()


@pytest.fixture
def look_at(clock):
    """Give the queue of a graph."""
    return lambda graph: Queue(graph, clock)


@pytest.fixture
def queue(graph, look_at):
    return look_at(graph)


class FlakyQueueClient:
    """
    Answer as boto3 does, refusing what it is told to.

    :param failed: for a receipt handle, the failed entry of a batch call
    :param refuse: for a receipt handle, the code with which a call for it alone is refused
    :param down: the error of every batch call
    """

    def __init__(self, failed=None, refuse=None, down=None):
        self.failed = failed or {}
        self.refuse = refuse or {}
        self.down = down
        self.calls = []
        self.deleted = []
        self.released = {}

    def delete_message(self, QueueUrl, ReceiptHandle):
        self.calls.append(("delete_message", [ReceiptHandle]))
        self._check(ReceiptHandle)
        self.deleted.append(ReceiptHandle)
        return {}

    def change_message_visibility(self, QueueUrl, ReceiptHandle, VisibilityTimeout):
        self.calls.append(("change_message_visibility", [ReceiptHandle]))
        self._check(ReceiptHandle)
        self.released[ReceiptHandle] = VisibilityTimeout
        return {}

    def delete_message_batch(self, QueueUrl, Entries):
        self.calls.append(("delete_message_batch", [entry["ReceiptHandle"] for entry in Entries]))
        return self._batch(Entries, lambda entry: self.deleted.append(entry["ReceiptHandle"]))

    def change_message_visibility_batch(self, QueueUrl, Entries):
        self.calls.append(("change_message_visibility_batch", [entry["ReceiptHandle"] for entry in Entries]))
        return self._batch(
            Entries,
            lambda entry: self.released.__setitem__(entry["ReceiptHandle"], entry["VisibilityTimeout"]),
        )

    def _check(self, receipt_handle):
        if code := self.refuse.get(receipt_handle):
            raise ClientError({"Error": {"Code": code}}, "Settle")

    def _batch(self, entries, act):
        if self.down:
            raise self.down
        assert 1 <= len(entries) <= 10
        answer = {"Successful": [], "Failed": []}
        for entry in entries:
            if failure := self.failed.get(entry["ReceiptHandle"]):
                answer["Failed"].append({"Id": entry["Id"], **failure})
            else:
                act(entry)
                answer["Successful"].append({"Id": entry["Id"]})
        # as from boto3, an empty list of results is left out
        return {name: value for name, value in answer.items() if value}


@pytest.fixture
def make_flaky_client():
    return FlakyQueueClient


@pytest.fixture
def client_error():
    """Make the error that boto3 raises for a code."""
    return lambda code, operation="Call": ClientError({"Error": {"Code": code, "Message": "..."}}, operation)


@pytest.fixture
def own_declarations():
    """Forget afterwards what a test declares, `@schema`, `@handles` or `@task`, and before it what others did."""
    registries = (SQSMessageHandlerRegistry, PubSubMessageSchemaRegistry, TaskRegistry)
    hooks = {cls: f"{ON_RESOLVE}_{cls.__name__}" for cls in registries}
    before = {cls: getattr(cls, name, []) for cls, name in hooks.items()}
    for cls, name in hooks.items():
        setattr(cls, name, [])
    yield
    for cls, name in hooks.items():
        setattr(cls, name, before[cls])


@pytest.fixture(params=["sqlite", "postgres"])
def kind(request):
    """Each kind of database, for tests that have one."""
    return request.param


@pytest.fixture
def url(kind, request, tmp_path):
    """An empty database."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path}/orders.db"
    return request.getfixturevalue("postgres").create_database()
