"""
SNS and SQS clients on a broker in memory, whose clock stands still until told.
"""

from json import loads

import pytest
from botocore.exceptions import ClientError

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.queue_client import BrokerQueueClient
from microcosm_pubsub.broker.topic_client import BrokerTopicClient


class Clock:
    """The time of day, as the broker is told it."""

    def __init__(self):
        self.time = 1_750_000_000.25

    def __call__(self):
        return self.time

    def advance(self, seconds):
        self.time += seconds


class Cloud:
    """A broker, with what tests do again and again."""

    def __init__(self, broker):
        self.broker = broker
        self.sns = BrokerTopicClient(broker)
        self.sqs = BrokerQueueClient(broker)

    def topic(self, name="topic", **attributes):
        """Create a topic, and return its ARN."""
        if name.endswith(".fifo"):
            attributes["FifoTopic"] = "true"
        return self.sns.create_topic(Name=name, Attributes=attributes)["TopicArn"]

    def queue(self, name="queue", **attributes):
        """Create a queue, and return its ARN."""
        if name.endswith(".fifo"):
            attributes["FifoQueue"] = "true"
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return answer["Attributes"]["QueueArn"]

    def subscribe(self, topic_arn, queue_arn, **attributes):
        """Subscribe a queue, and return the subscription's ARN."""
        answer = self.sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn, Attributes=attributes)
        return answer["SubscriptionArn"]

    def receive(self, queue_arn):
        """Return the messages of a queue."""
        received = []
        while found := self._receive(queue_arn):
            received += found
        return received

    def _receive(self, queue_arn):
        answer = self.sqs.receive_message(
            QueueUrl=queue_arn,
            MaxNumberOfMessages=10,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        for message in answer.get("Messages", []):
            self.sqs.delete_message(QueueUrl=queue_arn, ReceiptHandle=message["ReceiptHandle"])
        return answer.get("Messages", [])

    def bodies(self, queue_arn):
        """Return the bodies of a queue's messages."""
        return [message["Body"] for message in self.receive(queue_arn)]

    def envelopes(self, queue_arn):
        """Return what SNS wrote into a queue."""
        return [loads(body) for body in self.bodies(queue_arn)]


class Refused:
    """The error of a call that is expected to be refused."""

    code = text = status = None
    type = None


class refusal:  # noqa: N801
    """Expect a call to be refused, and tell how."""

    def __enter__(self):
        self.error = Refused()
        return self.error

    def __exit__(self, kind, error, traceback):
        assert isinstance(error, ClientError), f"not refused, but {error!r}"
        self.error.type = kind
        self.error.code = error.response["Error"]["Code"]
        self.error.text = error.response["Error"]["Message"]
        self.error.status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return True


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cloud(clock):
    broker = Broker("sqlite://", clock=clock)
    yield Cloud(broker)
    broker.close()


@pytest.fixture
def refused():
    return refusal
