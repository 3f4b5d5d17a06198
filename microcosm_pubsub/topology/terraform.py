"""
A topology as Terraform: https://registry.terraform.io/providers/hashicorp/aws/latest/docs
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from json import dumps
from typing import Any

from microcosm_pubsub.topology.plan import Queue, Topic, Topology
from microcosm_pubsub.topology.resources import (
    make_queue_attributes,
    make_queue_policy,
    make_redrive_policy,
    make_subscription_filter,
)


#: AWS's names of attributes, and Terraform's.
ATTRIBUTES = {
    "FifoQueue": "fifo_queue",
    "KmsMasterKeyId": "kms_master_key_id",
    "MessageRetentionPeriod": "message_retention_seconds",
    "ReceiveMessageWaitTimeSeconds": "receive_wait_time_seconds",
    "SqsManagedSseEnabled": "sqs_managed_sse_enabled",
    "VisibilityTimeout": "visibility_timeout_seconds",
}


class Reference(str):
    """An expression of Terraform, which is written as it is."""


def make_terraform(topology: Topology) -> str:
    """Return a module, in HCL."""
    return "\n".join(iter_blocks(topology))


def iter_blocks(topology: Topology) -> Iterator[str]:
    """Iterate over the blocks of a module."""
    for topic in topology.topics:
        yield make_block("aws_sns_topic", to_id(topic.name), topic_arguments(topic, topology.kms_key))
    if topology.queue is not None:
        yield from iter_queues(topology.queue, topology)


def topic_arguments(topic: Topic, kms_key: str | None) -> dict[str, Any]:
    """Return the arguments of a topic."""
    more: dict[str, Any] = {"fifo_topic": True, "content_based_deduplication": False} if topic.is_fifo else {}
    return {"name": topic.name, **more, **({} if kms_key is None else {"kms_master_key_id": kms_key})}


def iter_queues(queue: Queue, topology: Topology) -> Iterator[str]:
    """Iterate over the blocks of a queue, its dead-letter queue, its policy and its subscriptions."""
    name = to_id(queue.name)
    dead_name = to_id(queue.dead_letter_queue)
    queue_arn = Reference(f"aws_sqs_queue.{name}.arn")
    dead_letter_arn = Reference(f"aws_sqs_queue.{dead_name}.arn")
    dead = make_queue_attributes(queue, topology.kms_key, is_dead_letters=True)
    yield make_block("aws_sqs_queue", dead_name, {"name": queue.dead_letter_queue, **translate(dead)})
    attributes = translate(make_queue_attributes(queue, topology.kms_key, is_dead_letters=False))
    redrive = Encoded(make_redrive_policy(dead_letter_arn, queue))
    yield make_block("aws_sqs_queue", name, {"name": queue.name, **attributes, "redrive_policy": redrive})
    arns = [Reference(f"aws_sns_topic.{to_id(topic.name)}.arn") for topic in topology.subscribed]
    if arns:
        policy = Encoded(make_queue_policy(queue_arn, arns))
        arguments = {"queue_url": Reference(f"aws_sqs_queue.{name}.id"), "policy": policy}
        yield make_block("aws_sqs_queue_policy", name, arguments)
    for topic, arn in zip(topology.subscribed, arns, strict=True):
        arguments = {
            "topic_arn": arn,
            "protocol": "sqs",
            "endpoint": queue_arn,
            "filter_policy": Encoded(make_subscription_filter(topic)),
        }
        yield make_block("aws_sns_topic_subscription", f"{name}_{to_id(topic.name)}", arguments)


class Encoded(dict[str, Any]):
    """A value that stands as JSON in an argument."""


def translate(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes by Terraform's names."""
    return {ATTRIBUTES[key]: value for key, value in attributes.items()}


def make_block(kind: str, name: str, arguments: Mapping[str, Any]) -> str:
    """Return a resource, formatted as `terraform fmt` does."""
    width = max(map(len, arguments))
    lines = [f"  {key.ljust(width)} = {write(value, 1)}" for key, value in arguments.items()]
    return "\n".join([f'resource "{kind}" "{name}" {{', *lines, "}", ""])


def write(value: Any, depth: int) -> str:
    """Return a value in HCL."""
    if isinstance(value, Reference):
        return str(value)
    if isinstance(value, Encoded):
        return f"jsonencode({write(dict(value), depth)})"
    if isinstance(value, dict):
        inner = "  " * (depth + 1)
        keys = [to_key(key) for key in value]
        width = max(map(len, keys), default=0)
        pairs = zip(keys, value.values(), strict=True)
        lines = [f"{inner}{key.ljust(width)} = {write(each, depth + 1)}" for key, each in pairs]
        return "\n".join(["{", *lines, "  " * depth + "}"])
    if isinstance(value, (list, tuple)):
        inner = "  " * (depth + 1)
        return "\n".join(["[", *(f"{inner}{write(each, depth + 1)}," for each in value), "  " * depth + "]"])
    # Terraform must not replace anything in this text:
    # https://developer.hashicorp.com/terraform/language/expressions/strings
    return dumps(value).replace("${", "$${").replace("%{", "%%{") if isinstance(value, str) else dumps(value)


def to_key(key: str) -> str:
    """Return a key of an object."""
    return key if re.fullmatch(r"[A-Za-z_]\w*", key) else dumps(key)


def to_id(name: str) -> str:
    """Return the name of a resource: letters, digits, - and _."""
    made = re.sub(r"[^A-Za-z0-9_-]+", "_", name)
    return made if re.match(r"[A-Za-z_]", made) else f"_{made}"
