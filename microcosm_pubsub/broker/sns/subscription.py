"""
A subscription to a topic, as it stands in the database, and how it is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from json import loads
from typing import Any

from sqlalchemy import Connection, bindparam, select

from microcosm_pubsub.broker import names
from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.schema import subscriptions, topics
from microcosm_pubsub.broker.sns.filter_policy import AllOf
from microcosm_pubsub.broker.sns.notification import Notification
from microcosm_pubsub.broker.sns.refusals import invalid_parameter, not_found
from microcosm_pubsub.broker.sns.subscription_attributes import dead_letter_queue_of, is_on_body, policy_of
from microcosm_pubsub.broker.sns.topics import Topic, find_topic


#: The states of a subscription. One that is deleted stays for a while, so that its endpoint can take that back.
CONFIRMED, PENDING, DELETED = "confirmed", "pending", "deleted"

#: Listings have this in place of the ARN until a subscription is confirmed.
PENDING_ARN = "PendingConfirmation"


@dataclass(frozen=True, slots=True)
class Subscription:
    """
    A subscription to a topic, as it stands in the database.

    :param state: "confirmed", "pending" or "deleted"
    :param token: with which it is confirmed
    :param authenticated: whether only who signs may delete it
    :param url: with which the URLs in what is sent to it begin
    """

    id: int
    topic_name: str
    name: str
    protocol: str
    endpoint: str
    attributes: dict[str, str]
    state: str = "confirmed"
    token: str | None = None
    authenticated: bool = False
    url: str | None = None

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
        """Return the name of the queue for messages that cannot be delivered, if there is one."""
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
        """Return the entry of a listing."""
        return {
            "SubscriptionArn": self.arn if self.state == CONFIRMED else PENDING_ARN,
            "Owner": names.ACCOUNT,
            "Protocol": self.protocol,
            "Endpoint": names.shown_queue_arn(self.endpoint) if self.protocol == "sqs" else self.endpoint,
            "TopicArn": names.topic_arn(self.topic_name),
        }


def find_subscription(connection: Connection, arn: str, lock: bool = False) -> Subscription:
    """
    Return a subscription.

    :param lock: whether to keep others from changing it in this transaction
    :raises Refusal: if there is none
    """
    statement = BY_NAME.with_for_update(of=subscriptions) if lock else BY_NAME
    row = connection.execute(statement, {"subscription": subscription_name(arn)}).first()
    if row is None:
        raise not_found("Subscription")
    return to_subscription(*row)


def known_subscriptions(broker: Broker, topic_arn: str) -> list[Subscription]:
    """Return the subscriptions to a topic, with those that are not yet confirmed."""
    with broker.store.begin() as connection:
        topic = find_topic(connection, topic_arn)
        rows = connection.execute(KNOWN_OF_TOPIC, {"topic": topic.id}).all()
    return [to_subscription(*row) for row in rows]


def look_up_endpoint(connection: Connection, topic: Topic, endpoint: str) -> Subscription | None:
    """Return the subscription of an endpoint to a topic, in any state; None if there is none."""
    row = connection.execute(BY_ENDPOINT, {"topic": topic.id, "queue": endpoint}).first()
    return None if row is None else to_subscription(*row)


def subscription_name(arn: str) -> str:
    """
    Return the name that ends the ARN of a subscription.

    :raises Refusal: if it is none
    """
    parts = arn.split(":")
    if len(parts) < 6:
        raise invalid_parameter(f"SubscriptionArn Reason: An ARN must have at least 6 elements, not {len(parts)}")
    return parts[-1]


def to_subscription(
    row_id: int, topic_name: str, name: str, protocol: str, endpoint: str, attributes: str, *more: Any
) -> Subscription:
    """Return the subscription of the columns of a row."""
    state, token, authenticated, url = more
    return Subscription(
        row_id, topic_name, name, protocol, endpoint, loads(attributes), state, token, bool(authenticated), url
    )


#: The columns of which a subscription is made.
SUBSCRIPTION_COLUMNS = (
    subscriptions.c.id,
    topics.c.name,
    subscriptions.c.name,
    subscriptions.c.protocol,
    subscriptions.c.endpoint,
    subscriptions.c.attributes,
    subscriptions.c.state,
    subscriptions.c.token,
    subscriptions.c.authenticated,
    subscriptions.c.url,
)

SUBSCRIPTIONS = (
    select(*SUBSCRIPTION_COLUMNS).join(topics, topics.c.id == subscriptions.c.topic_id).order_by(subscriptions.c.id)
)

OF_TOPIC = SUBSCRIPTIONS.where(subscriptions.c.topic_id == bindparam("topic"))

KNOWN_OF_TOPIC = OF_TOPIC.where(subscriptions.c.state != DELETED)

BY_ENDPOINT = OF_TOPIC.where(subscriptions.c.endpoint == bindparam("queue"))

BY_NAME = SUBSCRIPTIONS.where(subscriptions.c.name == bindparam("subscription"), subscriptions.c.state != DELETED)

BY_ID = SUBSCRIPTIONS.where(subscriptions.c.id == bindparam("subscription_row"))
