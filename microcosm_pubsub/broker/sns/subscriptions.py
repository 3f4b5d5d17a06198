"""
Subscriptions of queues to topics: create, find, list, change, delete.

https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from json import dumps, loads
from re import fullmatch
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Select, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from microcosm_pubsub.broker import names
from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.schema import subscriptions, topics
from microcosm_pubsub.broker.sns.filter_policy import AllOf
from microcosm_pubsub.broker.sns.notification import Notification
from microcosm_pubsub.broker.sns.refusals import invalid_parameter, not_found
from microcosm_pubsub.broker.sns.subscription_attributes import (
    QUEUE_ARN,
    SCOPES,
    check_attributes,
    dead_letter_queue_of,
    is_on_body,
    policy_of,
)
from microcosm_pubsub.broker.sns.topics import PAGE, Topic, count_subscriptions, find_topic, require_few


@dataclass(frozen=True, slots=True)
class Subscription:
    """A queue's subscription to a topic, as it stands in the database."""

    id: int
    topic_name: str
    name: str
    protocol: str
    endpoint: str
    attributes: dict[str, str]

    @property
    def arn(self) -> str:
        """Return the subscription's ARN."""
        return f"{names.topic_arn(self.topic_name)}:{self.name}"

    @property
    def raw(self) -> bool:
        """Return whether messages are delivered as they are, without an envelope."""
        return self.attributes.get("RawMessageDelivery") == "true"

    @property
    def dead_letter_queue(self) -> str | None:
        """Return the name of the queue for what cannot be delivered, if there is one."""
        return dead_letter_queue_of(self.attributes)

    def accepts(self, notification: Notification) -> bool:
        """
        Return whether the filter policy lets a message through.

        A policy on attributes, unless it is empty, lets through no message without attributes:
        https://docs.aws.amazon.com/sns/latest/dg/attribute-key-matching.html
        """
        policy = policy_of(self.attributes)
        if policy is None:
            return True
        if is_on_body(self.attributes):
            body = notification.body_values
            return body is not None and policy.matches(body)
        if not notification.message_attributes:
            return policy == AllOf(())
        return policy.matches(notification.attribute_values)

    def to_item(self) -> dict[str, str]:
        """Return what a listing tells."""
        return {
            "SubscriptionArn": self.arn,
            "Owner": names.ACCOUNT,
            "Protocol": self.protocol,
            "Endpoint": names.shown_queue_arn(self.endpoint),
            "TopicArn": names.topic_arn(self.topic_name),
        }


def subscribe(
    broker: Broker,
    TopicArn: str,
    Protocol: str,
    Endpoint: str = "",
    Attributes: Mapping[str, str] | None = None,
    ReturnSubscriptionArn: bool = False,
) -> dict[str, Any]:
    """Subscribe a queue to a topic, or find the subscription if it is there with the same attributes."""
    if Protocol != "sqs":
        raise invalid_parameter(f"Amazon SNS does not support this protocol string: {Protocol}")
    if not fullmatch(QUEUE_ARN, Endpoint):
        raise invalid_parameter("SQS endpoint ARN")
    endpoint = names.stored_queue_arn(names.name_of(Endpoint))
    attributes = {name: value for name, value in (Attributes or {}).items() if value}
    with broker.store.begin() as connection:
        topic = find_topic(connection, TopicArn)
        if names.is_fifo(endpoint) and not topic.fifo:
            raise invalid_parameter(
                "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"
            )
        check_attributes(Attributes or {}, topic.name, endpoint, "Attributes Reason: ")
        existing = _look_up(connection, topic, endpoint)
        if existing is None:
            if topic.takes_large:
                require_few(count_subscriptions(connection, topic) + 1)
            existing = _insert(connection, topic, endpoint, attributes)
        if any(existing.attributes.get(name, DEFAULTS.get(name)) != value for name, value in attributes.items()):
            raise invalid_parameter("Attributes Reason: Subscription already exists with different attributes")
    return {"SubscriptionArn": existing.arn}


DEFAULTS = {"FilterPolicyScope": SCOPES[0], "RawMessageDelivery": "false"}


def _look_up(connection: Connection, topic: Topic, endpoint: str) -> Subscription | None:
    row = connection.execute(BY_ENDPOINT, {"topic": topic.id, "queue": endpoint}).first()
    return None if row is None else _to_subscription(row)


def _insert(connection: Connection, topic: Topic, endpoint: str, attributes: dict[str, str]) -> Subscription:
    values = {"topic_id": topic.id, "name": str(uuid4()), "protocol": "sqs", "endpoint": endpoint}
    try:
        # of two processes that subscribe it at once, one finds it
        with connection.begin_nested():
            connection.execute(insert(subscriptions), {**values, "attributes": dumps(attributes)})
    except IntegrityError:
        pass
    subscription = _look_up(connection, topic, endpoint)
    if subscription is None:
        raise not_found("Topic")
    return subscription


def find_subscription(connection: Connection, arn: str, lock: bool = False) -> Subscription:
    """
    Return a subscription.

    :param lock: whether to keep others from changing it in this transaction
    :raises Refusal: if there is none
    """
    statement = BY_NAME.with_for_update(of=subscriptions) if lock else BY_NAME
    row = connection.execute(statement, {"subscription": _name_of(arn)}).first()
    if row is None:
        raise not_found("Subscription")
    return _to_subscription(row)


def subscriptions_of(connection: Connection, topic: Topic) -> list[Subscription]:
    """Return the subscriptions to a topic."""
    return [_to_subscription(row) for row in connection.execute(OF_TOPIC, {"topic": topic.id})]


def unsubscribe(broker: Broker, SubscriptionArn: str) -> None:
    """Delete a subscription, if it is there."""
    name = _name_of(SubscriptionArn)
    with broker.store.begin() as connection:
        connection.execute(delete(subscriptions).where(subscriptions.c.name == name))


def list_subscriptions(broker: Broker, NextToken: str = "0") -> dict[str, Any]:
    """Return the subscriptions to all topics, a hundred at a time."""
    with broker.store.begin() as connection:
        return _list(connection, SUBSCRIPTIONS, NextToken)


def list_subscriptions_by_topic(broker: Broker, TopicArn: str, NextToken: str = "0") -> dict[str, Any]:
    """Return the subscriptions to a topic, a hundred at a time."""
    with broker.store.begin() as connection:
        topic = find_topic(connection, TopicArn)
        return _list(connection, SUBSCRIPTIONS.where(subscriptions.c.topic_id == topic.id), NextToken)


def _list(connection: Connection, statement: Select[Any], token: str) -> dict[str, Any]:
    if not fullmatch(r"[0-9]{1,18}", token):
        raise invalid_parameter("NextToken")
    rows = connection.execute(statement.where(subscriptions.c.id > int(token)).limit(PAGE + 1)).all()
    answer: dict[str, Any] = {"Subscriptions": [_to_subscription(row).to_item() for row in rows[:PAGE]]}
    if len(rows) > PAGE:
        answer["NextToken"] = str(rows[PAGE - 1].id)
    return answer


def get_subscription_attributes(broker: Broker, SubscriptionArn: str) -> dict[str, Any]:
    """Return the attributes of a subscription."""
    with broker.store.begin() as connection:
        subscription = find_subscription(connection, SubscriptionArn)
    known = {"RawMessageDelivery": "false", **subscription.attributes}
    if "FilterPolicy" in known:
        known.setdefault("FilterPolicyScope", SCOPES[0])
    fixed = {
        "ConfirmationWasAuthenticated": "true",
        "PendingConfirmation": "false",
        "SubscriptionPrincipal": f"arn:aws:iam::{names.ACCOUNT}:root",
    }
    return {"Attributes": {**subscription.to_item(), **fixed, **known}}


def set_subscription_attributes(
    broker: Broker,
    SubscriptionArn: str,
    AttributeName: str,
    AttributeValue: str = "",
) -> None:
    """Change an attribute of a subscription; an empty policy is removed."""
    with broker.store.begin() as connection:
        subscription = find_subscription(connection, SubscriptionArn, lock=True)
        attributes = {**subscription.attributes, AttributeName: AttributeValue}
        check_attributes(attributes, subscription.topic_name, subscription.endpoint)
        kept = {name: value for name, value in attributes.items() if value}
        connection.execute(
            update(subscriptions).where(subscriptions.c.id == subscription.id).values(attributes=dumps(kept))
        )


def _name_of(arn: str) -> str:
    parts = arn.split(":")
    if len(parts) < 6:
        raise invalid_parameter(f"SubscriptionArn Reason: An ARN must have at least 6 elements, not {len(parts)}")
    return parts[-1]


def _to_subscription(row: Any) -> Subscription:
    return Subscription(row.id, row.topic_name, row.name, row.protocol, row.endpoint, loads(row.attributes))


SUBSCRIPTIONS = (
    select(subscriptions, topics.c.name.label("topic_name"))
    .join(topics, topics.c.id == subscriptions.c.topic_id)
    .order_by(subscriptions.c.id)
)

OF_TOPIC = SUBSCRIPTIONS.where(subscriptions.c.topic_id == bindparam("topic"))

BY_ENDPOINT = OF_TOPIC.where(subscriptions.c.endpoint == bindparam("queue"))

BY_NAME = SUBSCRIPTIONS.where(subscriptions.c.name == bindparam("subscription"))
