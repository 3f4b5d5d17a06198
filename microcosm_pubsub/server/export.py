"""
Say which queues, topics and subscriptions there are, as a file that `description` reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from json import loads
from typing import Any

from microcosm_pubsub.broker import names
from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.queue_client import BrokerQueueClient
from microcosm_pubsub.broker.sns.subscription import Subscription, known_subscriptions
from microcosm_pubsub.broker.sns.subscription_attributes import SCOPES
from microcosm_pubsub.broker.sqs.attributes import FIFO_CHOICES, KEPT, NUMBERS
from microcosm_pubsub.broker.topic_client import BrokerTopicClient
from microcosm_pubsub.server.description import Description


#: Attributes of queues that can be set; the others are counts, times and names.
SETTABLE = {*NUMBERS, *FIFO_CHOICES, *KEPT}

#: Attributes of topics that tell, and that cannot be set.
TOLD_OF_TOPICS = {"Owner", "TopicArn", "SubscriptionsConfirmed", "SubscriptionsDeleted", "SubscriptionsPending"}


def describe(broker: Broker) -> Description:
    """Return the resources of a broker."""
    queue_client, topic_client = BrokerQueueClient(broker), BrokerTopicClient(broker)
    queues = {
        names.name_of(url): _describe_queue(queue_client, url)
        for page in _pages(queue_client.list_queues, MaxResults=1000)
        for url in page.get("QueueUrls", [])
    }
    topics = {
        names.name_of(item["TopicArn"]): _describe_topic(topic_client, item["TopicArn"])
        for page in _pages(topic_client.list_topics)
        for item in page["Topics"]
    }
    return {"queues": queues, "topics": topics}


def _pages(method: Any, **parameters: Any) -> Iterator[dict[str, Any]]:
    page = method(**parameters)
    yield page
    while token := page.get("NextToken"):
        page = method(**parameters, NextToken=token)
        yield page


def _describe_queue(client: BrokerQueueClient, url: str) -> dict[str, Any]:
    known = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    defaults = {name: str(number[0]) for name, number in NUMBERS.items()}
    attributes = {
        name: value
        for name, value in known.items()
        if name in SETTABLE and name != "FifoQueue" and defaults.get(name) != value
    }
    entry: dict[str, Any] = {"attributes": attributes} if attributes else {}
    if "RedrivePolicy" in known:
        policy = loads(known["RedrivePolicy"])
        entry["dead_letter_queue"] = names.name_of(policy["deadLetterTargetArn"])
        entry["max_receive_count"] = int(policy["maxReceiveCount"])
    if tags := client.list_queue_tags(QueueUrl=url).get("Tags"):
        entry["tags"] = tags
    return entry


def _describe_topic(client: BrokerTopicClient, arn: str) -> dict[str, Any]:
    known = client.get_topic_attributes(TopicArn=arn)["Attributes"]
    unset = {"DisplayName": "", "FifoTopic": "true"}
    attributes = {
        name: value
        for name, value in known.items()
        if name not in TOLD_OF_TOPICS and unset.get(name) != value and "__default_policy_ID" not in value
    }
    entry: dict[str, Any] = {"attributes": attributes} if attributes else {}
    if tags := client.list_tags_for_resource(ResourceArn=arn)["Tags"]:
        entry["tags"] = {tag["Key"]: tag["Value"] for tag in tags}
    subscriptions = [_describe_subscription(item) for item in known_subscriptions(client.broker, arn)]
    if subscriptions:
        entry["subscriptions"] = subscriptions
    return entry


def _describe_subscription(subscription: Subscription) -> dict[str, Any]:
    known = subscription.attributes
    entry: dict[str, Any] = {"protocol": subscription.protocol, "endpoint": subscription.endpoint}
    if subscription.protocol == "sqs":
        entry = {"queue": names.name_of(subscription.endpoint)}
    if "FilterPolicy" in known:
        entry["filter_policy"] = loads(known["FilterPolicy"])
        entry["filter_policy_scope"] = known.get("FilterPolicyScope", SCOPES[0])
    if subscription.raw:
        entry["raw"] = True
    if "DeliveryPolicy" in known:
        entry["delivery_policy"] = loads(known["DeliveryPolicy"])
    if subscription.dead_letter_queue is not None:
        entry["dead_letter_queue"] = subscription.dead_letter_queue
    return entry


def write_description(description: Description) -> str:
    """Return a description as YAML."""
    from yaml import safe_dump

    text: str = safe_dump(description, sort_keys=False)
    return text
