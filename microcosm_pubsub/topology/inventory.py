"""
The queues, topics and subscriptions that there are, as an engine tells of them. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from json import loads
from typing import Any

from botocore.exceptions import ClientError

from microcosm_pubsub.clients import error_code
from microcosm_pubsub.clients.protocols import AdminQueueClient, AdminTopicClient
from microcosm_pubsub.topology.plan import Topic


#: The codes that say that there is none.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueUrl.html
#: https://docs.aws.amazon.com/sns/latest/api/API_GetTopicAttributes.html
ABSENT = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NotFound", "NotFoundException"})

PENDING = "PendingConfirmation"


@dataclass(frozen=True, slots=True)
class FoundResource:
    """
    A queue, a topic or a subscription that there is.

    :param arn: its ARN
    :param attributes: as the engine has them
    :param url: of a queue
    :param headers: those of the HTTP answer that told the attributes; none of an engine in this process
    """

    arn: str
    attributes: Mapping[str, str]
    url: str = ""
    headers: Mapping[str, str] | None = None


class Inventory:
    """
    Look for queues, topics and subscriptions.

    :param queue_client: boto3's SQS client, or one like it
    :param topic_client: boto3's SNS client, or one like it
    """

    def __init__(self, queue_client: AdminQueueClient, topic_client: AdminTopicClient) -> None:
        self.queue_client = queue_client
        self.topic_client = topic_client

    def find_queue(self, name: str, url: str | None = None) -> FoundResource | None:
        """
        Return a queue; None if there is none.

        :param url: looked at in the place of the name, if it is known
        :raises botocore.exceptions.ClientError: if that cannot be told, or another of `clients.CLIENT_ERRORS`
        """
        try:
            url = url or str(self.queue_client.get_queue_url(QueueName=name)["QueueUrl"])
            answer = self.queue_client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        except ClientError as error:
            if error_code(error) in ABSENT:
                return None
            raise
        attributes = answer.get("Attributes") or {}
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders") or {}
        return FoundResource(attributes.get("QueueArn", ""), attributes, url, headers)

    def find_topic(self, topic: Topic) -> FoundResource | None:
        """
        Return a topic; None if there is none.

        :raises botocore.exceptions.ClientError: if that cannot be told, or another of `clients.CLIENT_ERRORS`
        """
        arn = topic.arn or self._find_topic_arn(topic.name)
        if arn is None:
            return None
        try:
            answer = self.topic_client.get_topic_attributes(TopicArn=arn)
        except ClientError as error:
            if error_code(error) in ABSENT:
                return None
            raise
        # The broker knows any ARN by the name that ends it.
        return FoundResource(answer["Attributes"].get("TopicArn", arn), answer["Attributes"])

    def find_subscription(self, topic_arn: str, queue_arn: str) -> FoundResource | None:
        """
        Return the subscription of a queue to a topic; None if there is none.

        :raises botocore.exceptions.ClientError: if that cannot be told, or another of `clients.CLIENT_ERRORS`
        """
        pages = self._iter_pages(self.topic_client.list_subscriptions_by_topic, TopicArn=topic_arn)
        for subscription in (each for page in pages for each in page.get("Subscriptions") or ()):
            if subscription.get("Protocol") == "sqs" and subscription.get("Endpoint") == queue_arn:
                arn = str(subscription["SubscriptionArn"])
                if not arn.startswith("arn:"):
                    return FoundResource(arn, {PENDING: "true"})
                answer = self.topic_client.get_subscription_attributes(SubscriptionArn=arn)
                return FoundResource(arn, answer["Attributes"])
        return None

    def iter_queue_names(self, prefix: str) -> Iterator[str]:
        """Iterate over the names of queues that begin in a way."""
        for page in self._iter_pages(self.queue_client.list_queues, QueueNamePrefix=prefix, MaxResults=1000):
            yield from (url.rpartition("/")[2] for url in page.get("QueueUrls") or ())

    def _find_topic_arn(self, name: str) -> str | None:
        for page in self._iter_pages(self.topic_client.list_topics):
            for topic in page.get("Topics") or ():
                if str(topic["TopicArn"]).rpartition(":")[2] == name:
                    return str(topic["TopicArn"])
        return None

    @staticmethod
    def _iter_pages(call: Any, **parameters: Any) -> Iterator[dict[str, Any]]:
        while True:
            answer = call(**parameters)
            yield answer
            if not answer.get("NextToken"):
                return
            parameters["NextToken"] = answer["NextToken"]


def read_json(text: str | None) -> Any:
    """Return the value of JSON, as attributes hold it; None if there is none, or it cannot be read."""
    try:
        return loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def read_redrive(attributes: Mapping[str, str]) -> tuple[str, int] | None:
    """Return the ARN of a queue's dead-letter queue, and after how many receives a message goes there, if any."""
    policy = read_json(attributes.get("RedrivePolicy"))
    try:
        return str(policy["deadLetterTargetArn"]), int(policy["maxReceiveCount"])
    except (KeyError, TypeError, ValueError):
        return None
