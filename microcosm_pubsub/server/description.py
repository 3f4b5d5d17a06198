"""
Files that say which queues, topics and subscriptions there are.

Resources of the file are made, or changed where they are there already; others are left alone. Messages are no part of
it. Names and durations are those of AWS's attributes:

    queues:
      orders:
        attributes: {VisibilityTimeout: 60}
        dead_letter_queue: orders-dead-letters
        max_receive_count: 5
        tags: {team: sales}
    topics:
      events:
        subscriptions:
          - queue: orders
            filter_policy: {media_type: [order]}
            raw: true
          - protocol: http
            endpoint: http://127.0.0.1:8000/events
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from json import dumps
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from microcosm_pubsub.broker import names
from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.queue_client import BrokerQueueClient
from microcosm_pubsub.broker.topic_client import BrokerTopicClient
from microcosm_pubsub.errors import ConfigurationError


Description = dict[str, Any]

DEFAULT_MAX_RECEIVE_COUNT = 5

KEYS = {
    "file": {"queues", "topics"},
    "queue": {"attributes", "dead_letter_queue", "max_receive_count", "tags"},
    "topic": {"attributes", "subscriptions", "tags"},
    "subscription": {
        *("queue", "protocol", "endpoint"),
        *("filter_policy", "filter_policy_scope", "raw", "dead_letter_queue", "delivery_policy"),
    },
}


def read_description(path: Path) -> Description:
    """
    Return the content of a file of YAML or JSON.

    :raises ConfigurationError: if it cannot be read, or says something else
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"Cannot read {path}: {error}") from error
    return parse_description(text, str(path))


def parse_description(text: str, source: str) -> Description:
    """
    Return the content of YAML or JSON.

    :param source: the place that it is from, for errors
    :raises ConfigurationError: if it says something else
    """
    from yaml import YAMLError, safe_load

    try:
        found = safe_load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        raise ConfigurationError(f"{source}{where} is neither YAML nor JSON") from error
    _check_keys("file", found or {}, source)
    for kind, items in (("queue", "queues"), ("topic", "topics")):
        for name, item in _entries(found or {}, items, source):
            _check_keys(kind, item, f"{source}: {kind} {name}")
            _check_values(item, f"{source}: {kind} {name}")
            for subscription in item.get("subscriptions") or []:
                _check_keys("subscription", subscription, f"{source}: a subscription of topic {name}")
    return found or {}


def _check_keys(kind: str, value: Any, source: str) -> None:
    if not isinstance(value, dict):
        raise ConfigurationError(f"{source} must be a mapping with {', '.join(sorted(KEYS[kind]))}")
    if unknown := {str(key) for key in value} - KEYS[kind]:
        raise ConfigurationError(
            f"{source} has {', '.join(sorted(unknown))}; what is known there is {', '.join(sorted(KEYS[kind]))}"
        )


def _check_values(item: Mapping[str, Any], source: str) -> None:
    for key in ("attributes", "tags"):
        if not isinstance(item.get(key) or {}, dict):
            raise ConfigurationError(f"{source}: {key} must be a mapping of names")
    if not isinstance(item.get("subscriptions") or [], list):
        raise ConfigurationError(f"{source}: subscriptions must be a list")


def _entries(description: Description, key: str, source: str) -> Iterator[tuple[str, dict[str, Any]]]:
    entries = description.get(key) or {}
    if not isinstance(entries, dict):
        raise ConfigurationError(f"{source}: {key} must be a mapping of names")
    for name, entry in entries.items():
        yield str(name), entry or {}


def apply_description(broker: Broker, description: Description) -> None:
    """
    Make the resources that a description names, or change those that are there.

    :raises ConfigurationError: if the broker refuses any of it
    """
    queue_client, topic_client = BrokerQueueClient(broker), BrokerTopicClient(broker)
    wanted = dict(_entries(description, "queues", "description"))
    for entry in list(wanted.values()):
        if entry.get("dead_letter_queue"):
            # A dead-letter queue that is named only here is an ordinary queue.
            wanted.setdefault(str(entry["dead_letter_queue"]), {})
    for name in wanted:
        attributes = {"FifoQueue": "true"} if names.is_fifo(name) else {}
        _call(f"queue {name}", queue_client.create_queue, QueueName=name, Attributes=attributes)
    for name, entry in wanted.items():
        _set_queue(queue_client, name, entry)
    for name, entry in _entries(description, "topics", "description"):
        _set_topic(topic_client, name, entry)


def _set_queue(client: BrokerQueueClient, name: str, entry: Mapping[str, Any]) -> None:
    attributes = _to_texts(entry.get("attributes"))
    if target := entry.get("dead_letter_queue"):
        count = entry.get("max_receive_count") or DEFAULT_MAX_RECEIVE_COUNT
        policy = {"deadLetterTargetArn": names.queue_arn(str(target)), "maxReceiveCount": count}
        attributes["RedrivePolicy"] = dumps(policy)
    if attributes:
        _call(f"queue {name}", client.set_queue_attributes, QueueUrl=name, Attributes=attributes)
    if tags := _to_texts(entry.get("tags")):
        _call(f"queue {name}", client.tag_queue, QueueUrl=name, Tags=tags)


def _set_topic(client: BrokerTopicClient, name: str, entry: Mapping[str, Any]) -> None:
    what = f"topic {name}"
    fifo = {"FifoTopic": "true"} if names.is_fifo(name) else {}
    arn = _call(what, client.create_topic, Name=name, Attributes=fifo)["TopicArn"]
    for attribute, value in _to_texts(entry.get("attributes")).items():
        _call(what, client.set_topic_attributes, TopicArn=arn, AttributeName=attribute, AttributeValue=value)
    if tags := [{"Key": key, "Value": value} for key, value in _to_texts(entry.get("tags")).items()]:
        _call(what, client.tag_resource, ResourceArn=arn, Tags=tags)
    for item in entry.get("subscriptions") or []:
        _subscribe(client, arn, item)


def _subscribe(client: BrokerTopicClient, topic_arn: str, item: Mapping[str, Any]) -> None:
    protocol, endpoint = _endpoint_of(topic_arn, item)
    what = f"subscription of {item.get('queue') or endpoint} to {topic_arn}"
    answer = _call(
        what, client.subscribe, TopicArn=topic_arn, Protocol=protocol, Endpoint=endpoint, ReturnSubscriptionArn=True
    )
    policy, retries, target = (item.get(key) for key in ("filter_policy", "delivery_policy", "dead_letter_queue"))
    attributes = [
        ("RawMessageDelivery", "true" if item.get("raw") else "false"),
        # A policy has to suit its scope, so the scope changes while there is none.
        ("FilterPolicy", ""),
        ("FilterPolicyScope", str(item.get("filter_policy_scope") or "MessageAttributes")),
        ("FilterPolicy", dumps(policy, default=str) if policy else ""),
        ("DeliveryPolicy", dumps(retries, default=str) if retries else ""),
        ("RedrivePolicy", dumps({"deadLetterTargetArn": names.queue_arn(str(target))}) if target else ""),
    ]
    for name, value in attributes:
        parameters = {"SubscriptionArn": answer["SubscriptionArn"], "AttributeName": name, "AttributeValue": value}
        _call(what, client.set_subscription_attributes, **parameters)


def _endpoint_of(topic_arn: str, item: Mapping[str, Any]) -> tuple[str, str]:
    queue, protocol, endpoint = (item.get(key) for key in ("queue", "protocol", "endpoint"))
    if queue and not protocol and not endpoint:
        return "sqs", names.queue_arn(str(queue))
    if queue or not protocol or not endpoint:
        raise ConfigurationError(
            f"A subscription of {topic_arn} must name its queue, or, of another protocol, protocol and endpoint"
        )
    return str(protocol), str(endpoint)


def _to_texts(values: Any) -> dict[str, str]:
    """Return attributes as AWS takes them: text."""
    texts = {}
    for name, value in (values or {}).items():
        if isinstance(value, bool):
            value = "true" if value else "false"
        # YAML reads a policy's version as a date.
        texts[str(name)] = dumps(value, default=str) if isinstance(value, dict | list) else str(value)
    return texts


def _call(what: str, method: Any, **parameters: Any) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = method(**parameters)
    except (ClientError, ParamValidationError) as error:
        raise ConfigurationError(f"Cannot make {what}: {error}") from error
    return answer
