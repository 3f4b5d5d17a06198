"""
The operations that the server knows: those of the broker's clients, and one of STS.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from botocore import xform_name

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.errors import load_service
from microcosm_pubsub.broker.names import ACCOUNT
from microcosm_pubsub.broker.queue_client import BrokerQueueClient
from microcosm_pubsub.broker.topic_client import BrokerTopicClient


Function = Callable[..., dict[str, Any] | None]

CLIENTS = {"sqs": BrokerQueueClient, "sns": BrokerTopicClient}

#: Calls that are over as soon as they have their turn at the database, whatever is in it.
QUICK = {
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "DeleteMessage",
    "DeleteMessageBatch",
    "GetQueueUrl",
    "Publish",
    "PublishBatch",
    "ReceiveMessage",
    "SendMessage",
    "SendMessageBatch",
}


@cache
def find_function(service: str, operation: str) -> Function | None:
    """Return the function of an operation, or None if the broker does not have it."""
    if service == "sts":
        return get_caller_identity if operation == "GetCallerIdentity" else None
    method = getattr(CLIENTS[service], xform_name(operation), None)
    function: Function | None = getattr(method, "function", None)
    return function


@cache
def is_known(service: str, operation: str) -> bool:
    """Return whether AWS has an operation."""
    return operation in load_service(service).operation_names


def get_caller_identity(broker: Broker) -> dict[str, Any]:
    """
    Return the caller: always the account's root, for the broker knows no users.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    """
    return {"UserId": ACCOUNT, "Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:root"}
