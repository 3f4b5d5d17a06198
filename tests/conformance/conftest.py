"""
The clients that are judged: the broker on each of its databases, and independent engines over HTTP.

With the environment's `ENDPOINT` set, the engine that answers there is judged, and nothing else.
What a client cannot do is declared in `shortcomings`, by the test's name.
"""

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import md5
from os import environ
from secrets import token_hex
from threading import Event
from typing import Any

import pytest
from botocore.exceptions import ClientError

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.queue_client import BrokerQueueClient
from microcosm_pubsub.broker.topic_client import BrokerTopicClient
from microcosm_pubsub.clients import LOCAL_REGION, make_client
from microcosm_pubsub.server.serving import serve_broker
from microcosm_pubsub.server.settings import Settings
from tests.conformance.shortcomings import NO_CLOCK, SHORTCOMINGS, find_shortcoming


BROKERS = ["broker in memory", "broker on a file", "broker on PostgreSQL", "broker over HTTP"]

ENGINES = ["ministack", "moto"]

SUBJECTS = ["endpoint"] if "ENDPOINT" in environ else [*BROKERS, *ENGINES]

#: Readers are clients too, for what they read.
READERS = [] if "ENDPOINT" in environ else ["SQSJsonReader", "SQSFileReader"]


class Clock:
    """The time of day, as a broker under test is told it."""

    def __init__(self):
        self.time = 1_750_000_000.0

    def __call__(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds


def wait(seconds: float) -> None:
    """Let the time of an engine pass, which knows no other than the real one."""
    Event().wait(seconds + 0.1)


@dataclass
class Subject:
    """A client under test, with what tests need again and again."""

    name: str
    sqs: Any
    sns: Any
    #: lets time pass, in seconds
    advance: Any

    @staticmethod
    def unique(name: str, fifo: bool = False) -> str:
        return f"{name}-{token_hex(6)}{'.fifo' if fifo else ''}"

    def create_queue(self, fifo: bool = False, **attributes: str) -> str:
        if fifo:
            attributes = {"FifoQueue": "true", **attributes}
        return self.sqs.create_queue(QueueName=self.unique("queue", fifo), Attributes=attributes)["QueueUrl"]

    def create_topic(self, fifo: bool = False, **attributes: str) -> str:
        if fifo:
            attributes = {"FifoTopic": "true", **attributes}
        return self.sns.create_topic(Name=self.unique("topic", fifo), Attributes=attributes)["TopicArn"]

    def subscribe(self, topic_arn: str, queue_url: str, **attributes: str) -> str:
        return self.sns.subscribe(
            TopicArn=topic_arn,
            Protocol="sqs",
            Endpoint=self.arn(queue_url),
            Attributes=attributes,
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]

    def attributes(self, queue_url: str, *names: str) -> dict[str, str]:
        answer = self.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=list(names) or ["All"])
        return answer["Attributes"]

    def arn(self, queue_url: str) -> str:
        return self.attributes(queue_url, "QueueArn")["QueueArn"]

    def send(self, queue_url: str, *bodies: str, **options: Any) -> None:
        for body in bodies:
            self.sqs.send_message(QueueUrl=queue_url, MessageBody=body, **options)

    def receive(self, queue_url: str, limit: int = 10, **options: Any) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=limit, **options)
        return answer.get("Messages", [])

    def bodies(self, queue_url: str, limit: int = 10, **options: Any) -> list[str]:
        return [message["Body"] for message in self.receive(queue_url, limit, **options)]

    def receive_one(self, queue_url: str, **options: Any) -> dict[str, Any]:
        (message,) = self.receive(queue_url, 1, **options)
        return message

    def depth(self, queue_url: str) -> tuple[int, int, int]:
        """How many messages are visible, in flight and delayed."""
        names = [f"ApproximateNumberOfMessages{label}" for label in ("", "NotVisible", "Delayed")]
        found = self.attributes(queue_url, *names)
        visible, in_flight, delayed = (int(found[name]) for name in names)
        return visible, in_flight, delayed


@contextmanager
def expect_refusal(code: str):
    """Expect that the block's call is refused with one of AWS's codes."""
    with pytest.raises(ClientError) as caught:
        yield
    assert caught.value.response["Error"]["Code"] == code


def compute_digest(attributes: dict[str, dict[str, Any]]) -> str:
    """
    The digest of message attributes, as AWS describes it, without any help of the package.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
    """
    encoded = b""
    for name, attribute in sorted(attributes.items()):
        kind = b"\x02" if "BinaryValue" in attribute else b"\x01"
        value = attribute["BinaryValue"] if "BinaryValue" in attribute else attribute["StringValue"].encode()
        texts = (name.encode(), attribute["DataType"].encode())
        encoded += b"".join(len(text).to_bytes(4, "big") + text for text in texts)
        encoded += kind + len(value).to_bytes(4, "big") + value
    return md5(encoded, usedforsecurity=False).hexdigest()


@pytest.fixture
def refused():
    return expect_refusal


@pytest.fixture
def digest_of():
    return compute_digest


def make_broker_subject(name: str, url: str):
    clock = Clock()
    broker = Broker(url, clock=clock)
    yield Subject(name, BrokerQueueClient(broker), BrokerTopicClient(broker), clock.advance)
    broker.close()


@pytest.fixture(scope="session")
def broker_in_memory():
    yield from make_broker_subject("broker in memory", "sqlite://")


@pytest.fixture(scope="session")
def broker_on_a_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("broker") / "pubsub.db"
    yield from make_broker_subject("broker on a file", f"sqlite:///{path}")


@pytest.fixture(scope="session")
def broker_on_postgresql(postgres):
    yield from make_broker_subject("broker on PostgreSQL", postgres.create_database())


@pytest.fixture(scope="session")
def broker_over_http(environment, tmp_path_factory):
    clock = Clock()
    broker = Broker(f"sqlite:///{tmp_path_factory.mktemp('server') / 'pubsub.db'}", clock=clock)
    with serve_broker(broker, Settings(port=0)) as url:
        subject = make_engine_subject("broker over HTTP", url)
        subject.advance = clock.advance
        yield subject
    broker.close()


def make_engine_subject(name: str, url: str) -> Subject:
    clients = [
        make_client(
            service,
            profile_name=None,
            region_name=LOCAL_REGION,
            endpoint_url=url,
            connect_timeout=5,
            read_timeout=30,
            max_pool_connections=10,
            # what fails is to be seen
            max_attempts=1,
        )
        for service in ("sqs", "sns")
    ]
    if name != "moto" and "moto.core.models" in sys.modules:
        # moto listens to all clients of a process that has imported it, which sends their calls by way of boto3
        for client in clients:
            client.meta.events.unregister("before-send", sys.modules["moto.core.models"].botocore_stubber)
    sqs, sns = clients
    return Subject(name, sqs, sns, wait)


@pytest.fixture(scope="session")
def endpoint(environment):
    return make_engine_subject("endpoint", environ["ENDPOINT"])


@pytest.fixture(scope="session")
def subjects():
    """The clients that were made."""
    return {}


@pytest.fixture
def get_subject(request: pytest.FixtureRequest, subjects: dict[str, Subject]):
    """Give the client of a name."""

    def get(name: str) -> Subject:
        if name not in ENGINES:
            return request.getfixturevalue(name.replace(" ", "_").lower())
        if name not in subjects:
            subjects[name] = make_engine_subject(name, request.getfixturevalue(name).url)
        return subjects[name]

    return get


@pytest.fixture(params=SUBJECTS)
def subject(request: pytest.FixtureRequest, get_subject) -> Subject:
    """Each of the clients in turn."""
    return get_subject(request.param)


@pytest.fixture(params=[*SUBJECTS, *READERS])
def source_name(request: pytest.FixtureRequest) -> str:
    """The name of each source of messages in turn."""
    return request.param


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "clock: the test lets more than about a second pass")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Show what is declared in place of what a client cannot do."""
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        subject = parameters.get("subject") or parameters.get("source_name")
        if subject is None:
            continue
        if subject not in BROKERS and subject not in READERS and item.get_closest_marker("clock"):
            item.add_marker(pytest.mark.skip(reason=f"{subject}: {NO_CLOCK}"))
            continue
        # the name of one case of a test, without the subject's
        case = "-".join(part for part in item.callspec.id.split("-") if part != subject)
        if reason := find_shortcoming(subject, name_of(item.module, item.originalname), case):
            item.add_marker(pytest.mark.xfail(reason=f"{subject}: {reason}", strict=True))


def name_of(module: Any, function: str) -> str:
    return f"{module.__name__.rpartition('.')[2].removeprefix('test_')}.{function.removeprefix('test_')}"


@pytest.fixture
def declared() -> set[str]:
    """The names of all tests that are declared to fail for somebody."""
    return {test.partition("[")[0] for reasons in SHORTCOMINGS.values() for tests in reasons.values() for test in tests}
