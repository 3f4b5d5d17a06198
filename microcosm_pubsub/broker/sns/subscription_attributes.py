"""
The attributes of subscriptions: their limits, and what they mean.

https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html
"""

from __future__ import annotations

from collections.abc import Mapping
from json import loads
from re import fullmatch
from typing import Any

from microcosm_pubsub.broker import names
from microcosm_pubsub.broker.sns.delivery_policy import check_policy
from microcosm_pubsub.broker.sns.filter_condition import PolicyError
from microcosm_pubsub.broker.sns.filter_policy import Matcher, parse_policy
from microcosm_pubsub.broker.sns.refusals import invalid_parameter


QUEUE_ARN = r"arn:[a-z-]+:sqs:[a-z0-9-]+:[0-9]+:[A-Za-z0-9_-]+(\.fifo)?"

#: The protocols that deliver messages as they are, if they are asked to.
TAKE_RAW = ("sqs", "http", "https")

SCOPES = ("MessageAttributes", "MessageBody")

#: Attributes that are kept, because they are asked back, and that change nothing here.
KEPT = ("ReplayPolicy", "SubscriptionRoleArn")

KNOWN = {*KEPT, "DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy"}


def check_attributes(
    attributes: Mapping[str, str], topic_name: str, protocol: str, endpoint: str, context: str = ""
) -> None:
    """
    Refuse attributes that SNS refuses.

    :param attributes: all that the subscription is to have
    :param context: begins the error
    :raises Refusal: if so
    """
    for name in attributes:
        if name not in KNOWN:
            raise invalid_parameter(f"{context}Unknown attribute: {name}" if context else "AttributeName")
    raw = attributes.get("RawMessageDelivery", "false")
    if raw not in ("true", "false"):
        raise invalid_parameter(f"{context}RawMessageDelivery: Invalid value [{raw}]. Must be true or false.")
    if raw == "true" and protocol not in TAKE_RAW:
        raise invalid_parameter(f"{context}Delivery protocol [{protocol}] does not support raw message delivery.")
    check_policy(attributes.get("DeliveryPolicy", ""))
    scope = attributes.get("FilterPolicyScope", SCOPES[0])
    if scope not in SCOPES:
        raise invalid_parameter(
            f"{context}FilterPolicyScope: Invalid value [{scope}]. Please use either MessageBody or MessageAttributes"
        )
    try:
        policy_of(attributes)
    except PolicyError as error:
        raise invalid_parameter(f"{context}FilterPolicy: {error}") from None
    if attributes.get("RedrivePolicy"):
        target = _parse_redrive_policy(attributes["RedrivePolicy"], context)
        if names.is_fifo(topic_name) and names.is_fifo(endpoint) and not names.is_fifo(target):
            raise invalid_parameter(
                f"{context}RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic."
            )


def policy_of(attributes: Mapping[str, str]) -> Matcher | None:
    """
    Return the filter policy, if there is one.

    :raises PolicyError: if SNS would refuse it
    """
    text = attributes.get("FilterPolicy")
    return parse_policy(text, is_on_body(attributes)) if text else None


def is_on_body(attributes: Mapping[str, str]) -> bool:
    """Return whether the filter policy is about the message's body, rather than its attributes."""
    return attributes.get("FilterPolicyScope") == "MessageBody"


def dead_letter_queue_of(attributes: Mapping[str, str]) -> str | None:
    """Return the name of the queue for messages that cannot be delivered, if there is one."""
    text = attributes.get("RedrivePolicy")
    return names.name_of(_parse_redrive_policy(text)) if text else None


def _parse_redrive_policy(text: str, context: str = "") -> str:
    try:
        policy: Any = loads(text)
    except (ValueError, RecursionError):
        raise invalid_parameter(f"{context}RedrivePolicy: failed to parse JSON.") from None
    target = policy.get("deadLetterTargetArn") if isinstance(policy, dict) else None
    if not isinstance(target, str) or not fullmatch(QUEUE_ARN, target):
        raise invalid_parameter(f"{context}RedrivePolicy: deadLetterTargetArn is an invalid arn")
    return target
