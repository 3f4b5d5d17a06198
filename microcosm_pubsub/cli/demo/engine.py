"""
An SNS/SQS engine on this machine, for the time of the demonstration.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from json import dumps
from os import environ
from pathlib import Path
from socket import socket
from subprocess import DEVNULL, STDOUT, Popen
from time import monotonic, sleep
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from microcosm_pubsub.clients import LOCAL_REGION, make_client
from microcosm_pubsub.errors import ConfigurationError, PubSubError


START_TIMEOUT_SECONDS = 30.0

#: What an engine on this machine accepts as credentials: anything.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "demo",
    "AWS_SECRET_ACCESS_KEY": "demo",
    "AWS_DEFAULT_REGION": LOCAL_REGION,
}


@dataclass(frozen=True, slots=True)
class Resources:
    """The topic and queues of the demonstration."""

    topic_arn: str
    queue_url: str
    dead_letter_queue_url: str


@contextmanager
def run_engine(log_path: Path) -> Iterator[str]:
    """
    Run an engine while the block runs, and give its URL.

    :raises ConfigurationError: if there is no engine to run
    """
    if find_spec("ministack") is None:
        raise ConfigurationError("The demonstration needs an engine: pip install 'microcosm_pubsub[demo]'")
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    settings = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "SERVICES": "sqs,sns",
        "LOG_LEVEL": "WARNING",
    }
    with log_path.open("wb") as log:
        process = Popen(
            [sys.executable, "-m", "ministack"],
            env={**environ, **settings},
            stdin=DEVNULL,
            stdout=log,
            stderr=STDOUT,
        )
        try:
            wait_until(lambda: is_up(url) or process.poll() is not None, START_TIMEOUT_SECONDS)
            if process.poll() is not None or not is_up(url):
                raise PubSubError(f"The engine did not start; see {log_path}")
            yield url
        finally:
            process.terminate()
            process.wait()


def is_up(url: str) -> bool:
    """Tell whether an engine answers."""
    try:
        with urlopen(f"{url}/_ministack/health", timeout=5):
            return True
    except (URLError, OSError):
        return False


def wait_until(condition: Callable[[], bool], timeout_seconds: float, interval_seconds: float = 0.05) -> bool:
    """Wait for a condition, and return whether it came true in time."""
    deadline = monotonic() + timeout_seconds
    while not condition():
        if monotonic() > deadline:
            return False
        sleep(interval_seconds)
    return True


def make_local_client(service: str, url: str) -> Any:
    """Make a client of the engine."""
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


def create_resources(sqs: Any, sns: Any, name: str, max_receive_count: int) -> Resources:
    """Create a topic, a queue that is subscribed to it, and the queue's dead-letter queue."""
    dead_letter_queue_url = sqs.create_queue(QueueName=f"{name}-dead-letters")["QueueUrl"]
    policy = {
        "deadLetterTargetArn": get_attribute(sqs, dead_letter_queue_url, "QueueArn"),
        "maxReceiveCount": str(max_receive_count),
    }
    queue_url = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": dumps(policy)})["QueueUrl"]
    topic_arn = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=get_attribute(sqs, queue_url, "QueueArn"))
    return Resources(topic_arn, queue_url, dead_letter_queue_url)


def get_attribute(sqs: Any, queue_url: str, name: str) -> str:
    """Return an attribute of a queue."""
    answer = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=[name])
    return str(answer["Attributes"][name])


def count_messages(sqs: Any, queue_url: str) -> int:
    """Return how many messages a queue holds: visible, hidden and delayed."""
    names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    ]
    attributes = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
    return sum(int(attributes.get(name, 0)) for name in names)
