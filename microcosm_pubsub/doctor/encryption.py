"""
Encryption: whether SNS may use the key by which the queue is encrypted.

https://docs.aws.amazon.com/sns/latest/dg/sns-enable-encryption-for-topic-sqs-queue-subscriptions.html
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from microcosm_pubsub.clients import CLIENT_ERRORS, error_code, make_client
from microcosm_pubsub.doctor.finding import Finding, error, ok, warning
from microcosm_pubsub.topology.admission import iter_statements, names_sns, to_list
from microcosm_pubsub.topology.engine import CONNECT_SECONDS, MAX_ATTEMPTS, READ_SECONDS, Engine
from microcosm_pubsub.topology.inventory import FoundResource


#: The key that AWS manages for SQS, whose policy nobody can change.
MANAGED = "alias/aws/sqs"

NEEDED = ("kms:GenerateDataKey", "kms:Decrypt")

ADVICE = (
    'add {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": ["kms:GenerateDataKey", '
    '"kms:Decrypt"], "Resource": "*"} to the policy of the key'
)


def check_encryption(config: Any, engine: Engine, queue: FoundResource, is_subscribed: bool) -> Iterator[Finding]:
    """
    Look at the key of a queue.

    :param config: of the daemon's graph
    :param is_subscribed: whether the queue has to take what topics send
    """
    if engine.broker is not None:
        return
    key = queue.attributes.get("KmsMasterKeyId")
    if not key:
        if queue.attributes.get("SqsManagedSseEnabled") == "false":
            yield warning(
                "encryption", "the queue is not encrypted", "set SqsManagedSseEnabled to true; it costs nothing"
            )
        else:
            yield ok("encryption", "by SQS itself")
        return
    if not is_subscribed:
        yield ok("encryption", f"with {key}")
        return
    if key.endswith(MANAGED):
        yield error(
            "encryption",
            f"the queue is encrypted with {MANAGED}, which SNS may not use: what is published does not come",
            "use a key of your own, or encrypt with SqsManagedSseEnabled",
        )
        return
    yield from check_key(config, engine, key)


def check_key(config: Any, engine: Engine, key: str) -> Iterator[Finding]:
    """Look at a key of one's own: whether it works, and lets SNS use it."""
    client = make_client(
        "kms",
        profile_name=config.sqs_consumer.profile_name,
        region_name=engine.region_name,
        endpoint_url=engine.endpoint_url,
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=1,
        max_attempts=MAX_ATTEMPTS,
        transport="botocore",
    )
    try:
        metadata = client.describe_key(KeyId=key)["KeyMetadata"]
        policy = client.get_key_policy(KeyId=metadata["KeyId"], PolicyName="default")["Policy"]
    except CLIENT_ERRORS as failure:
        if "NotFound" in error_code(failure):
            yield error(
                "encryption", f"there is no key {key}: nothing can be sent or received", "correct KmsMasterKeyId"
            )
            return
        yield warning(
            "encryption",
            f"key {key} cannot be looked at: {error_code(failure)}",
            f"allow kms:DescribeKey and kms:GetKeyPolicy to see whether SNS may use it; {ADVICE}",
        )
        return
    finally:
        client.close()
    if metadata.get("KeyState", "Enabled") != "Enabled":
        yield error("encryption", f"key {key} is {metadata['KeyState']}: nothing can be sent or received", "enable it")
    elif missing := [action for action in NEEDED if not lets_sns(policy, action)]:
        yield error(
            "encryption",
            f"key {key} does not let SNS use {', '.join(missing)}: what is published does not come",
            ADVICE,
        )
    else:
        yield ok("encryption", f"with {key}, which SNS may use")


def lets_sns(policy: str, action: str) -> bool:
    """Return whether the policy of a key lets SNS do something."""
    return any(
        statement.get("Effect") == "Allow"
        and names_sns(statement.get("Principal"))
        and any(fnmatchcase(action.lower(), str(each).lower()) for each in to_list(statement.get("Action")))
        for statement in iter_statements(policy)
    )
