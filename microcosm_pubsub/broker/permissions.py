"""
The statements that AddPermission and RemovePermission keep in the policy of a queue or a topic.

The broker judges nobody by them; they are kept and given back.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html
https://docs.aws.amazon.com/sns/latest/api/API_AddPermission.html
"""

from __future__ import annotations

from collections.abc import Sequence
from json import dumps, loads
from re import fullmatch
from typing import Any


LABEL = r"[A-Za-z0-9_-]{1,80}"

ACCOUNT = r"[0-9]{12}"


class PermissionFault(ValueError):
    """Raised for a permission that is wrong, with the reason."""


def add_statement(
    policy: str | None,
    resource: str,
    label: str,
    accounts: Sequence[str],
    actions: Sequence[str],
    service: str,
) -> str:
    """
    Return a policy with one more statement.

    :param policy: the policy there was, as JSON
    :param resource: the ARN of the queue or topic
    :param service: begins the names of actions: "SQS" or "SNS"
    :raises PermissionFault: if the permission is none, or its label is there
    """
    if not fullmatch(LABEL, label):
        raise PermissionFault(f"Value {label} for parameter Label is invalid.")
    if not accounts or not all(fullmatch(ACCOUNT, account) for account in accounts):
        raise PermissionFault("The account ids must have twelve digits each.")
    if not actions or not all(fullmatch(r"\*|[A-Za-z]+", action) for action in actions):
        raise PermissionFault("The actions must be names of operations, or *.")
    document = _read(policy, resource)
    if any(statement.get("Sid") == label for statement in document["Statement"]):
        raise PermissionFault(f"Value {label} for parameter Label is invalid. Reason: Already exists.")
    principals = [f"arn:aws:iam::{account}:root" for account in accounts]
    names = [f"{service}:{action}" for action in actions]
    document["Statement"].append(
        {
            "Sid": label,
            "Effect": "Allow",
            "Principal": {"AWS": principals if len(principals) > 1 else principals[0]},
            "Action": names if len(names) > 1 else names[0],
            "Resource": resource,
        }
    )
    return dumps(document)


def remove_statement(policy: str | None, resource: str, label: str) -> str:
    """
    Return a policy without the statement of a label; empty if it was the last one.

    :raises PermissionFault: if there is none
    """
    document = _read(policy, resource)
    left = [statement for statement in document["Statement"] if statement.get("Sid") != label]
    if len(left) == len(document["Statement"]):
        raise PermissionFault(
            f"Value {label} for parameter Label is invalid. Reason: can't find label on existing policy."
        )
    return dumps({**document, "Statement": left}) if left else ""


def _read(policy: str | None, resource: str) -> dict[str, Any]:
    empty = {"Version": "2008-10-17", "Id": f"{resource}/SQSDefaultPolicy", "Statement": []}
    try:
        document = loads(policy) if policy else empty
        if all(isinstance(statement, dict) for statement in document["Statement"]):
            return dict(document)
    except (KeyError, TypeError, ValueError, RecursionError):
        pass
    raise PermissionFault("The policy that is set cannot be read.")
