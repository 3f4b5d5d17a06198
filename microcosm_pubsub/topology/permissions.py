"""
The least that each must be allowed: policies of IAM.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html has the actions; those of batches
are those of single messages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.topology.plan import Calls, Queue, Topology
from microcosm_pubsub.topology.resources import POLICY_VERSION


Statement = dict[str, Any]

#: Placeholders of the account and the region, if they are not given.
ANY_REGION = "*"
ANY_ACCOUNT = "*"


def make_consumer_policy(topology: Topology, region: str = ANY_REGION, account: str = ANY_ACCOUNT) -> dict[str, Any]:
    """
    Return the policy of a daemon: it receives and settles, and sends messages that cannot succeed to its dead letters.

    One that has a service may answer its callers too, and one that calls services may do what a caller does.

    :raises ConfigurationError: if it has no queue
    """
    queue = need_queue(topology)
    calls = topology.calls
    arns = arn_of(queue.name, region, account), arn_of(queue.dead_letter_queue, region, account)
    return make_policy(
        statement("Receive", RECEIVE, arns[0]),
        # These find the dead-letter queue, and the URL of a queue that is given by its name.
        statement("Find", ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"], *arns),
        statement("GiveUp", ["sqs:SendMessage"], arns[1]),
        *(answer_statements(calls, region, account) if calls is not None and calls.answers else ()),
        *(call_statements(calls, region, account) if calls is not None and calls.asks else ()),
        *key_statements(topology, ["kms:Decrypt", "kms:GenerateDataKey"]),
    )


def make_producer_policy(topology: Topology, region: str = ANY_REGION, account: str = ANY_ACCOUNT) -> dict[str, Any]:
    """
    Return the policy of a producer.

    :raises ConfigurationError: if nothing is published
    """
    topics = topology.published or topology.topics
    if not topics:
        raise ConfigurationError(f"{topology.name} publishes nothing: it handles and declares no media types")
    arns = [f"arn:aws:sns:{region}:{account}:{topic.name}" for topic in topics]
    return make_policy(
        statement("Publish", ["sns:Publish"], *arns),
        *key_statements(topology, ["kms:Decrypt", "kms:GenerateDataKey"]),
    )


def make_dlq_policy(topology: Topology, region: str = ANY_REGION, account: str = ANY_ACCOUNT) -> dict[str, Any]:
    """
    Return the policy of a user of `pubsub dlq`, who looks into a dead-letter queue and empties it.

    :raises ConfigurationError: if the daemon has no queue
    """
    queue = need_queue(topology)
    arn, dead = arn_of(queue.name, region, account), arn_of(queue.dead_letter_queue, region, account)
    tasks = ["sqs:StartMessageMoveTask", "sqs:ListMessageMoveTasks", "sqs:CancelMessageMoveTask"]
    return make_policy(
        statement("Look", [*RECEIVE, "sqs:ListDeadLetterSourceQueues", "sqs:PurgeQueue", *tasks], dead),
        statement("Find", ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"], arn, dead),
        statement("GiveBack", ["sqs:SendMessage"], arn),
        # Without the name of a queue, those that have dead letters are looked for.
        statement("List", ["sqs:ListQueues"], "*"),
        *key_statements(topology, ["kms:Decrypt", "kms:GenerateDataKey"]),
    )


def make_caller_policy(topology: Topology, region: str = ANY_REGION, account: str = ANY_ACCOUNT) -> dict[str, Any]:
    """
    Return the policy of a caller of a daemon's services, or of a daemon that calls others.

    It makes a reply queue, which is not encrypted with the key of the topology.

    :raises ConfigurationError: if it neither has a service nor calls one
    """
    if topology.calls is None:
        raise ConfigurationError(
            f"{topology.name} neither has a service nor calls one: import its service, or list pubsub_rpc in its "
            "components"
        )
    return make_policy(
        *call_statements(topology.calls, region, account),
        *key_statements(topology, ["kms:Decrypt", "kms:GenerateDataKey"]),
    )


def call_statements(calls: Calls, region: str, account: str) -> list[Statement]:
    """
    Return the statements for a caller: to publish requests, to have a reply queue, and to remove those that others
    left.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
    """
    return [
        statement("Call", ["sns:Publish"], *(f"arn:aws:sns:{region}:{account}:{name}" for name in calls.topics)),
        statement("TakeAnswers", TAKE_ANSWERS, arn_of(f"{calls.prefix}*", region, account)),
        # ListQueues knows no resources.
        statement("ListQueues", ["sqs:ListQueues"], "*"),
    ]


def answer_statements(calls: Calls, region: str, account: str) -> list[Statement]:
    """Return the statements for a service: to send answers to the reply queues of callers, and to no other queue."""
    return [statement("Answer", ["sqs:GetQueueUrl", "sqs:SendMessage"], arn_of(f"{calls.prefix}*", region, account))]


#: To receive messages, and settle them.
RECEIVE = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]

#: To have a reply queue: made, touched, read and deleted; those of processes that are gone are looked at and deleted.
TAKE_ANSWERS = [
    "sqs:CreateQueue",
    "sqs:SetQueueAttributes",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:DeleteQueue",
    "sqs:GetQueueAttributes",
]

POLICIES: dict[str, Callable[..., dict[str, Any]]] = {
    "consumer": make_consumer_policy,
    "producer": make_producer_policy,
    "dlq": make_dlq_policy,
    "caller": make_caller_policy,
}


def make_policy(*statements: Statement) -> dict[str, Any]:
    """Return a policy."""
    return {"Version": POLICY_VERSION, "Statement": list(statements)}


def statement(name: str, actions: list[str], *resources: str) -> Statement:
    """Return the statement that allows actions on resources."""
    return {"Sid": name, "Effect": "Allow", "Action": actions, "Resource": list(resources)}


def key_statements(topology: Topology, actions: list[str]) -> list[Statement]:
    """Return the statement that allows the use of the key, if there is one."""
    if topology.kms_key is None:
        return []
    if topology.kms_key.startswith("arn:"):
        return [statement("UseKey", actions, topology.kms_key)]
    # An alias may point to another key tomorrow.
    made = statement("UseKey", actions, "*")
    alias = topology.kms_key if topology.kms_key.startswith("alias/") else f"alias/{topology.kms_key}"
    return [{**made, "Condition": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}}}]


def need_queue(topology: Topology) -> Queue:
    """
    Return the queue of a daemon.

    :raises ConfigurationError: if it has none
    """
    if topology.queue is None:
        raise ConfigurationError(f"{topology.name} handles nothing, and so needs no queue: import its handlers")
    return topology.queue


def arn_of(queue: str, region: str, account: str) -> str:
    """Return the ARN of a queue."""
    return f"arn:aws:sqs:{region}:{account}:{queue}"
