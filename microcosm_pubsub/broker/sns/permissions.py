"""
Say who may use a topic, which changes nothing here.

https://docs.aws.amazon.com/sns/latest/api/API_AddPermission.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.permissions import PermissionFault, add_statement, remove_statement
from microcosm_pubsub.broker.sns.refusals import invalid_parameter
from microcosm_pubsub.broker.sns.topic_attributes import default_policy
from microcosm_pubsub.broker.sns.topics import Topic, change_attribute


def add_permission(
    broker: Broker,
    TopicArn: str,
    Label: str,
    AWSAccountId: Sequence[str],
    ActionName: Sequence[str],
) -> None:
    """Add a statement to a topic's policy."""
    _change(
        broker,
        TopicArn,
        lambda topic: add_statement(_policy_of(topic), topic.arn, Label, AWSAccountId, ActionName, "SNS"),
    )


def remove_permission(broker: Broker, TopicArn: str, Label: str) -> None:
    """Remove a statement from a topic's policy."""
    _change(broker, TopicArn, lambda topic: remove_statement(_policy_of(topic), topic.arn, Label))


def _policy_of(topic: Topic) -> str:
    return topic.attributes.get("Policy") or default_policy(topic.arn)


def _change(broker: Broker, topic_arn: str, change: Callable[[Topic], str]) -> None:
    try:
        change_attribute(broker, topic_arn, "Policy", change)
    except PermissionFault as fault:
        raise invalid_parameter(str(fault)) from None
