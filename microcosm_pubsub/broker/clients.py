"""
The broker's clients, and what they create by themselves.

In AWS nothing is ever created implicitly. The broker belongs to the programs that run on it: a daemon makes its
queue, its dead-letter queue and its subscriptions when it starts, and a producer a topic when it first publishes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from json import dumps, loads
from logging import getLogger
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from microcosm_pubsub.broker import names
from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.queue_client import BrokerQueueClient
from microcosm_pubsub.broker.topic_client import BrokerTopicClient
from microcosm_pubsub.constants import MAX_RETENTION_SECONDS, MAX_WAIT_SECONDS, MEDIA_TYPE_ATTRIBUTE
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.message.raw import BatchAnswer, SendAnswer
from microcosm_pubsub.registry.patterns import make_filter_policy


A = TypeVar("A")

logger = getLogger(__name__)

#: The topic of media types that have none by configuration.
DEFAULT_TOPIC_ARN = names.topic_arn("pubsub")


class BrokerClients:
    """
    The clients of a broker, which create queues and topics as they need them.

    :param broker: the broker
    :param max_receive_count: after how many receives a message goes to the dead-letter queue
    """

    def __init__(self, broker: Broker, max_receive_count: int = 5) -> None:
        self.broker = broker
        self.max_receive_count = max_receive_count
        self.queue_client = BrokerQueueClient(broker)
        self.topic_client = ProvisioningTopicClient(BrokerTopicClient(broker))

    @property
    def default_topic_arn(self) -> str:
        """Return the ARN of the topic of media types that have none by configuration."""
        return DEFAULT_TOPIC_ARN

    def provision_queue(self, queue_url: str) -> None:
        """
        Create a queue with its dead-letter queue, unless there is one.

        :param queue_url: the queue's URL, or its name
        :raises ConfigurationError: if it cannot be created
        """
        name = names.name_of(queue_url)
        if not self._has_queue(name):
            try:
                self._create_queues(name)
            except ClientError as error:
                raise ConfigurationError(f"Cannot create queue {name!r} in the broker: {error}") from error

    def _has_queue(self, name: str) -> bool:
        try:
            self.queue_client.get_queue_url(QueueName=name)
        except self.queue_client.exceptions.QueueDoesNotExist:
            return False
        return True

    def _create_queues(self, name: str) -> None:
        """Create a queue and its dead-letter queue, as `pubsub topology` plans them."""
        attributes = {"MessageRetentionPeriod": str(MAX_RETENTION_SECONDS)}
        if names.is_fifo(name):
            attributes["FifoQueue"] = "true"
        dead_letters = names.dead_letter_queue_name(name)
        if not self._has_queue(dead_letters):
            self.queue_client.create_queue(QueueName=dead_letters, Attributes=attributes)
        policy = {
            "deadLetterTargetArn": names.queue_arn(dead_letters),
            "maxReceiveCount": str(self.max_receive_count),
        }
        attributes |= {"ReceiveMessageWaitTimeSeconds": str(MAX_WAIT_SECONDS), "RedrivePolicy": dumps(policy)}
        self.queue_client.create_queue(QueueName=name, Attributes=attributes)

    def provision_subscriptions(self, queue_url: str, topic_arns: Mapping[str, str | None]) -> None:
        """
        Subscribe a queue to the media types that a daemon handles, creating topics that are not there.

        :param topic_arns: the topic of each media type, or of each pattern
        :raises ConfigurationError: if it cannot be subscribed
        """
        by_topic: dict[str, list[str]] = {}
        for media_type, topic_arn in topic_arns.items():
            by_topic.setdefault(topic_arn or DEFAULT_TOPIC_ARN, []).append(media_type)
        for topic_arn, media_types in by_topic.items():
            try:
                self._subscribe(names.queue_arn(names.name_of(queue_url)), topic_arn, media_types)
            except ClientError as error:
                raise ConfigurationError(
                    f"Cannot subscribe {queue_url} to {topic_arn}: {error}; a FIFO queue takes messages of FIFO topics "
                    "alone, whose names end in .fifo (sns_topic_arns)"
                ) from error

    def _subscribe(self, queue_arn: str, topic_arn: str, media_types: Iterable[str]) -> None:
        self.topic_client.create(topic_arn)
        client = self.topic_client.client
        answer = client.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn, ReturnSubscriptionArn=True)
        arn = answer["SubscriptionArn"]
        before = client.get_subscription_attributes(SubscriptionArn=arn)["Attributes"].get("FilterPolicy", "{}")
        # The daemon's handlers may have changed since it was last started.
        policy = dumps(make_filter_policy(media_types))
        client.set_subscription_attributes(SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue=policy)
        if lost := find_lost(before, policy):
            logger.warning(
                "Queue %s gets no messages of %s any more, which the daemon that starts does not handle: if another "
                "daemon does, give each a queue of its own",
                *(names.name_of(queue_arn), ", ".join(lost)),
            )

    def close(self) -> None:
        """Close the broker."""
        self.broker.close()


def find_lost(before: str, policy: str) -> list[str]:
    """Return the media types, or their beginnings, that a filter policy named and another one does not."""
    kept = loads(policy).get(MEDIA_TYPE_ATTRIBUTE)
    lost = [each for each in loads(before).get(MEDIA_TYPE_ATTRIBUTE, ()) if kept is not None and each not in kept]
    return [f"{each['prefix']}*" if isinstance(each, dict) and "prefix" in each else str(each) for each in lost]


class ProvisioningTopicClient:
    """
    Publish, to topics that are created when they are not there.

    :param client: the topic client
    :param on_create: is told the ARN of each topic that was created
    """

    def __init__(self, client: BrokerTopicClient, on_create: Callable[[str], None] | None = None) -> None:
        self.client = client
        self.on_create = on_create

    def publish(self, **kwargs: Any) -> SendAnswer:
        """Publish a message."""
        answer: SendAnswer = self._call(self.client.publish, kwargs)
        return answer

    def publish_batch(self, **kwargs: Any) -> BatchAnswer:
        """Publish messages."""
        answer: BatchAnswer = self._call(self.client.publish_batch, kwargs)
        return answer

    def follow(self) -> None:
        """Let `was_taken` know of what is published from now on."""
        self.client.follow()

    def was_taken(self, message_id: str) -> bool | None:
        """Return whether somebody has received a message; None if that is not known."""
        return self.client.was_taken(message_id)

    def create(self, topic_arn: str) -> None:
        """Create a topic, unless it is there."""
        name = names.name_of(topic_arn)
        attributes = {"FifoTopic": "true"} if names.is_fifo(name) else {}
        self.client.create_topic(Name=name, Attributes=attributes)

    def _call(self, call: Callable[..., A], kwargs: dict[str, Any]) -> A:
        try:
            return call(**kwargs)
        except self.client.exceptions.NotFoundException:
            self.create(kwargs["TopicArn"])
            if self.on_create is not None:
                self.on_create(kwargs["TopicArn"])
            return call(**kwargs)
