"""
Say who may use a queue, which changes nothing here.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from microcosm_pubsub.broker.broker import Broker, invalid_value
from microcosm_pubsub.broker.permissions import PermissionFault, add_statement, remove_statement
from microcosm_pubsub.broker.sqs.queues import Queue, change_attributes


def add_permission(
    broker: Broker,
    QueueUrl: str,
    Label: str,
    AWSAccountIds: Sequence[str],
    Actions: Sequence[str],
) -> None:
    """Add a statement to a queue's policy."""
    _change(
        broker,
        QueueUrl,
        lambda queue: add_statement(queue.attributes.get("Policy"), queue.arn, Label, AWSAccountIds, Actions, "SQS"),
    )


def remove_permission(broker: Broker, QueueUrl: str, Label: str) -> None:
    """Remove a statement from a queue's policy."""
    _change(broker, QueueUrl, lambda queue: remove_statement(queue.attributes.get("Policy"), queue.arn, Label))


def _change(broker: Broker, queue_url: str, change: Callable[[Queue], str]) -> None:
    try:
        change_attributes(broker, queue_url, lambda queue: {"Policy": change(queue)})
    except PermissionFault as fault:
        raise invalid_value(str(fault)) from None
