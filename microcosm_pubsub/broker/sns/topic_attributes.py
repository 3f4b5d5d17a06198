"""
The attributes of topics: their limits, and what they mean.

https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html
"""

from __future__ import annotations

from json import dumps
from re import fullmatch

from microcosm_pubsub.broker.names import ACCOUNT
from microcosm_pubsub.broker.sns.delivery_policy import check_policy
from microcosm_pubsub.broker.sns.refusals import invalid_parameter
from microcosm_pubsub.constants import DEFAULT_TOPIC_SIZE_LIMIT_BYTES


MIN_SIZE_LIMIT_BYTES = 1024
MAX_SIZE_LIMIT_BYTES = 1048576

#: The most subscriptions of a topic that takes larger messages than by default.
MAX_SUBSCRIPTIONS_FOR_LARGE = 100

#: Attributes with few values; those of FIFO topics alone with their default.
CHOICES = {"SignatureVersion": ("1", "2"), "TracingConfig": ("PassThrough", "Active")}
FIFO_CHOICES = {"ContentBasedDeduplication": ("false", "true"), "FifoThroughputScope": ("Topic", "MessageGroup")}

#: Attributes that are kept, because they are asked back, and that change nothing here.
KEPT = r"DisplayName|KmsMasterKeyId|Policy|ArchivePolicy|DataProtectionPolicy"
FEEDBACK = r"(HTTP|Firehose|Lambda|Application|SQS)(SuccessFeedback(RoleArn|SampleRate)|FailureFeedbackRoleArn)"


def check_attribute(name: str, value: str, fifo: bool, context: str = "") -> None:
    """
    Refuse an attribute that SNS refuses.

    :param context: begins the error
    :raises Refusal: if so
    """
    if name == "MaximumMessageSize":
        if not fullmatch(r"[0-9]{1,9}", value) or not MIN_SIZE_LIMIT_BYTES <= int(value) <= MAX_SIZE_LIMIT_BYTES:
            raise invalid_parameter(
                f"{context}MaximumMessageSize: must be from {MIN_SIZE_LIMIT_BYTES} to {MAX_SIZE_LIMIT_BYTES}"
            )
    elif name == "DeliveryPolicy":
        check_policy(value, of_topic=True)
    elif name in FIFO_CHOICES:
        if not fifo:
            raise invalid_parameter(f"{context}{name} can only be set for FIFO topics")
        _check_choice(name, value, FIFO_CHOICES[name], context)
    elif name in CHOICES:
        _check_choice(name, value, CHOICES[name], context)
    elif not fullmatch(rf"{KEPT}|{FEEDBACK}", name):
        raise invalid_parameter(f"{context}Unknown attribute: {name}" if context else "AttributeName")


def _check_choice(name: str, value: str, choices: tuple[str, ...], context: str) -> None:
    if value not in choices:
        raise invalid_parameter(f"{context}{name}: Invalid value [{value}]. Must be {' or '.join(choices)}.")


def size_limit(attributes: dict[str, str]) -> int:
    """Return how many bytes a message to a topic may have."""
    return int(attributes.get("MaximumMessageSize", DEFAULT_TOPIC_SIZE_LIMIT_BYTES))


def with_defaults(attributes: dict[str, str], arn: str, fifo: bool) -> dict[str, str]:
    """Return all attributes of a topic that has set some of them."""
    defaults = {"DisplayName": "", "Owner": ACCOUNT, "Policy": default_policy(arn), "TopicArn": arn}
    if fifo:
        defaults |= {name: choices[0] for name, choices in FIFO_CHOICES.items()}
    return {**defaults, **attributes}


def default_policy(arn: str) -> str:
    """Return the policy of a topic that has set none: its owner may do everything."""
    actions = [
        "GetTopicAttributes",
        "SetTopicAttributes",
        "AddPermission",
        "RemovePermission",
        "DeleteTopic",
        "Subscribe",
        "ListSubscriptionsByTopic",
        "Publish",
    ]
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in actions],
        "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": ACCOUNT}},
    }
    return dumps({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]})
