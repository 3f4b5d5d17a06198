"""
The attributes of queues: their defaults, their limits, and what they mean.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
"""

from __future__ import annotations

from collections.abc import Mapping
from json import loads
from typing import Any

from microcosm_pubsub.broker.broker import Refusal, invalid_value
from microcosm_pubsub.broker.names import name_of


#: Attributes that are whole numbers: default, minimum, maximum.
NUMBERS = {
    "DelaySeconds": (0, 0, 900),
    "MaximumMessageSize": (1048576, 1024, 1048576),
    "MessageRetentionPeriod": (345600, 60, 1209600),
    "ReceiveMessageWaitTimeSeconds": (0, 0, 20),
    "VisibilityTimeout": (30, 0, 43200),
}

#: Attributes of FIFO queues alone: default, values.
FIFO_CHOICES = {
    "FifoQueue": ("true", ("true",)),
    "ContentBasedDeduplication": ("false", ("true", "false")),
    "DeduplicationScope": ("queue", ("queue", "messageGroup")),
    "FifoThroughputLimit": ("perQueue", ("perQueue", "perMessageGroupId")),
}

#: Attributes that are kept, because they are asked back, and that change nothing here.
KEPT = {"KmsDataKeyReusePeriodSeconds", "KmsMasterKeyId", "Policy", "RedriveAllowPolicy", "SqsManagedSseEnabled"}

MAX_RECEIVE_COUNT_LIMIT = 1000


def check_attributes(attributes: Mapping[str, str], fifo: bool) -> None:
    """
    Refuse attributes that SQS refuses.

    :raises Refusal: if so
    """
    for name, value in attributes.items():
        if name in NUMBERS:
            _, minimum, maximum = NUMBERS[name]
            if not value.isdecimal() or not minimum <= int(value) <= maximum:
                raise _invalid_attribute(name)
        elif name == "RedrivePolicy":
            if value:
                parse_redrive_policy(value)
        elif name in FIFO_CHOICES:
            if not fifo:
                raise Refusal("InvalidAttributeName", f"Unknown Attribute {name}.")
            if value not in FIFO_CHOICES[name][1]:
                raise _invalid_attribute(name)
        elif name not in KEPT:
            raise Refusal("InvalidAttributeName", f"Unknown Attribute {name}.")


def with_defaults(attributes: Mapping[str, str], fifo: bool) -> dict[str, str]:
    """Return all attributes of a queue that has set some of them."""
    defaults = {name: str(number[0]) for name, number in NUMBERS.items()}
    if fifo:
        defaults |= {name: choice[0] for name, choice in FIFO_CHOICES.items()}
    return {**defaults, **attributes}


def parse_redrive_policy(text: str) -> tuple[str, int]:
    """
    Return the name of the dead-letter queue, and after how many receives a message goes there.

    :raises Refusal: if it says neither
    """
    try:
        policy: Any = loads(text)
        name, count = name_of(policy["deadLetterTargetArn"]), int(policy["maxReceiveCount"])
    except (AttributeError, KeyError, TypeError, ValueError):
        raise invalid_value(
            f"Value {text} for parameter RedrivePolicy is invalid. Reason: Redrive policy does not contain mandatory "
            "attributes: maxReceiveCount, deadLetterTargetArn."
        ) from None
    if not 1 <= count <= MAX_RECEIVE_COUNT_LIMIT:
        raise invalid_value(
            f"Value {text} for parameter RedrivePolicy is invalid. Reason: Invalid value for maxReceiveCount: {count}, "
            "valid values are from 1 to 1000 both inclusive."
        )
    return name, count


def _invalid_attribute(name: str) -> Refusal:
    return Refusal("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
