"""
Engines to talk to over HTTP, each started once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from json import dumps
from typing import Any

import pytest

from microcosm_pubsub.cli.demo.engine import ENVIRONMENT, make_local_client, run_engine


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


@pytest.fixture(scope="session", autouse=True)
def environment() -> Iterator[None]:
    """No test reaches AWS, or reads what this machine knows of it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "PUBSUB_ORGANIZATION"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def ministack(environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An independent engine that is right about FIFO order and partial failures."""
    with run_engine(tmp_path_factory.mktemp("ministack") / "engine.log") as url:
        yield Engine("ministack", url)


@pytest.fixture(scope="session")
def moto(environment: None) -> Iterator[Engine]:
    """Another independent engine; it is not asked about FIFO order."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Engine("moto", f"http://{host}:{port}")
    server.stop()


@pytest.fixture(params=["ministack", "moto"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each of the engines."""
    return request.getfixturevalue(request.param)
