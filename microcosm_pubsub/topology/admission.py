"""
Whom the policy of a queue lets send, as far as topics are concerned.

Policies are written in many ways; what counts is that a statement lets the topic send, and none forbids it.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-basic-examples-of-sqs-policies.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from microcosm_pubsub.topology.inventory import read_json
from microcosm_pubsub.topology.resources import POLICY_VERSION


#: Conditions that compare the sender's ARN.
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
ARN_CONDITIONS = (
    "arnequals",
    "arnlike",
    "stringequals",
    "stringlike",
    "forallvalues:arnequals",
    "forallvalues:arnlike",
)

SOURCE_ARN = "aws:sourcearn"
SEND = "sqs:sendmessage"
SNS = "sns.amazonaws.com"


def admits(policy: str | None, topic_arn: str) -> bool:
    """
    Return whether the policy of a queue lets a topic send to it.

    :param policy: as JSON; None is none
    """
    statements = [each for each in iter_statements(policy) if concerns(each, topic_arn)]
    allows = any(each.get("Effect") == "Allow" for each in statements)
    return allows and not any(each.get("Effect") == "Deny" and is_plain(each) for each in statements)


def is_plain(statement: Mapping[str, Any]) -> bool:
    """Return whether a statement has no conditions but on the sender: others, such as TLS, SNS may well fulfil."""
    keys = {str(key).lower() for values in (statement.get("Condition") or {}).values() for key in values}
    return keys <= {SOURCE_ARN}


def iter_statements(policy: str | None) -> Iterable[Mapping[str, Any]]:
    """Return the statements of a policy; none if there is none, or it cannot be read."""
    document = read_json(policy)
    statements = document.get("Statement") if isinstance(document, dict) else None
    return [each for each in to_list(statements) if isinstance(each, dict)]


def concerns(statement: Mapping[str, Any], topic_arn: str) -> bool:
    """Return whether a statement concerns messages of a topic."""
    actions = [str(action).lower() for action in to_list(statement.get("Action"))]
    if not any(fnmatchcase(SEND, action) for action in actions) or not names_sns(statement.get("Principal")):
        return False
    for operator, values in (statement.get("Condition") or {}).items():
        wanted = {str(key).lower(): value for key, value in values.items()}.get(SOURCE_ARN)
        if wanted is None:
            # Conditions such as aws:SourceAccount and aws:SecureTransport concern the topic's account, or any sender.
            continue
        if operator.lower() not in ARN_CONDITIONS:
            return False
        if not any(fnmatchcase(topic_arn, str(pattern)) for pattern in to_list(wanted)):
            return False
    return True


def names_sns(principal: Any) -> bool:
    """Return whether a principal is SNS, or everybody."""
    if not isinstance(principal, dict):
        return bool(principal == "*")
    return SNS in to_list(principal.get("Service")) or "*" in to_list(principal.get("AWS"))


def add_statement(policy: str | None, statement: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a policy with a statement in the place of the one of its `Sid`; the others stay.

    :param policy: as JSON; None is none
    """
    document = read_json(policy)
    others = document if isinstance(document, dict) else {}
    kept = [each for each in iter_statements(policy) if each.get("Sid") != statement["Sid"]]
    return {"Version": POLICY_VERSION, **others, "Statement": [*kept, statement]}


def find_senders(policy: str | None, name: str) -> list[str]:
    """
    Return the ARNs of those whom the statement of a `Sid` lets send.

    :param policy: as JSON; None is none
    """
    conditions = [each.get("Condition") or {} for each in iter_statements(policy) if each.get("Sid") == name]
    return [
        str(arn)
        for condition in conditions
        for values in condition.values()
        for key, arns in values.items()
        if str(key).lower() == SOURCE_ARN
        for arn in to_list(arns)
    ]


def to_list(value: Any) -> list[Any]:
    """Return a value that may stand for a list of one, as policies have it."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
