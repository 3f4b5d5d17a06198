"""
Subscriptions to topics: create, list, change; see `confirming` for how they are confirmed, and how they end.

https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html
"""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps
from re import fullmatch
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, update
from sqlalchemy.exc import IntegrityError

from microcosm_pubsub.broker import names
from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.ids import new_id
from microcosm_pubsub.broker.schema import subscriptions
from microcosm_pubsub.broker.sns.confirming import ask_to_confirm
from microcosm_pubsub.broker.sns.endpoints import WEB, check_endpoint
from microcosm_pubsub.broker.sns.refusals import invalid_parameter, not_found
from microcosm_pubsub.broker.sns.subscription import (
    CONFIRMED,
    DELETED,
    PENDING,
    SUBSCRIPTIONS,
    Subscription,
    find_subscription,
    look_up_endpoint,
    to_subscription,
)
from microcosm_pubsub.broker.sns.subscription_attributes import SCOPES, check_attributes
from microcosm_pubsub.broker.sns.topics import PAGE, Topic, count_subscriptions, find_topic, require_few


def subscribe(
    broker: Broker,
    TopicArn: str,
    Protocol: str,
    Endpoint: str = "",
    Attributes: Mapping[str, str] | None = None,
    ReturnSubscriptionArn: bool = False,
) -> dict[str, Any]:
    """
    Subscribe an endpoint to a topic, or find the subscription if it is there with the same attributes.

    A web server is told, and must confirm; without `ReturnSubscriptionArn` it is answered as pending until then.
    """
    if Protocol not in broker.protocols:
        hint = " (pubsub serve --allow-http-delivery)" if Protocol in WEB else ""
        raise invalid_parameter(f"Amazon SNS does not support this protocol string: {Protocol}{hint}")
    attributes = {name: value for name, value in (Attributes or {}).items() if value}
    with broker.store.begin() as connection:
        topic = find_topic(connection, TopicArn)
        endpoint = check_endpoint(Protocol, Endpoint, topic.name)
        check_attributes(Attributes or {}, topic.name, Protocol, endpoint, "Attributes Reason: ")
        existing = look_up_endpoint(connection, topic, endpoint)
        if existing is not None and existing.state == DELETED:
            connection.execute(delete(subscriptions).where(subscriptions.c.id == existing.id))
            existing = None
        if existing is None:
            if topic.takes_large:
                require_few(count_subscriptions(connection, topic) + 1)
            existing = _insert(connection, topic, Protocol, endpoint, attributes)
        if existing.protocol != Protocol or any(
            existing.attributes.get(name, DEFAULTS.get(name)) != value for name, value in attributes.items()
        ):
            raise invalid_parameter("Attributes Reason: Subscription already exists with different attributes")
        if Protocol in WEB and existing.state != CONFIRMED:
            ask_to_confirm(broker, connection, existing)
    is_told = existing.state == CONFIRMED or ReturnSubscriptionArn
    return {"SubscriptionArn": existing.arn if is_told else "pending confirmation"}


DEFAULTS = {"FilterPolicyScope": SCOPES[0], "RawMessageDelivery": "false"}


def _insert(
    connection: Connection, topic: Topic, protocol: str, endpoint: str, attributes: dict[str, str]
) -> Subscription:
    values = {"topic_id": topic.id, "name": new_id(), "protocol": protocol, "endpoint": endpoint}
    state = PENDING if protocol in WEB else CONFIRMED
    try:
        # If two processes subscribe it at once, the second finds it.
        with connection.begin_nested():
            connection.execute(insert(subscriptions), {**values, "attributes": dumps(attributes), "state": state})
    except IntegrityError:
        pass
    subscription = look_up_endpoint(connection, topic, endpoint)
    if subscription is None:
        raise not_found("Topic")
    return subscription


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
    shown = statement.where(subscriptions.c.id > int(token), subscriptions.c.state != DELETED)
    rows = connection.execute(shown.limit(PAGE + 1)).all()
    answer: dict[str, Any] = {"Subscriptions": [to_subscription(*row).to_item() for row in rows[:PAGE]]}
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
        "ConfirmationWasAuthenticated": to_text(subscription.protocol not in WEB or subscription.authenticated),
        "PendingConfirmation": to_text(subscription.state == PENDING),
        "SubscriptionPrincipal": f"arn:aws:iam::{names.ACCOUNT}:root",
    }
    item = {**subscription.to_item(), "SubscriptionArn": subscription.arn}
    return {"Attributes": {**item, **fixed, **known}}


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
        check_attributes(attributes, subscription.topic_name, subscription.protocol, subscription.endpoint)
        kept = {name: value for name, value in attributes.items() if value}
        connection.execute(
            update(subscriptions).where(subscriptions.c.id == subscription.id).values(attributes=dumps(kept))
        )


def to_text(value: bool) -> str:
    """Return the text of an attribute that is true or false."""
    return "true" if value else "false"
