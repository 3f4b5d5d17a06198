"""
Policies and attributes, as AWS has them; what is referred to is given as whatever the tool at hand writes for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from microcosm_pubsub.constants import MAX_RETENTION_SECONDS, MAX_WAIT_SECONDS
from microcosm_pubsub.registry.patterns import make_filter_policy
from microcosm_pubsub.topology.plan import Queue, Topic


#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html
POLICY_VERSION = "2012-10-17"

#: The name of the statement of a queue's policy that lets its topics send.
STATEMENT = "TopicsMaySend"


def make_queue_policy(queue_arn: Any, topic_arns: Iterable[Any]) -> dict[str, Any]:
    """
    Return the policy of a queue that lets these topics send to it, and nobody else.

    https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html
    """
    statement = {
        "Sid": STATEMENT,
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": list(topic_arns)}},
    }
    return {"Version": POLICY_VERSION, "Statement": [statement]}


def make_redrive_policy(dead_letter_arn: Any, queue: Queue) -> dict[str, Any]:
    """Return where messages go that were received too often."""
    return {"deadLetterTargetArn": dead_letter_arn, "maxReceiveCount": queue.max_receive_count}


def make_subscription_filter(topic: Topic) -> dict[str, Any]:
    """Return the filter policy of a subscription."""
    return make_filter_policy(topic.handled)


def make_queue_attributes(queue: Queue, kms_key: str | None, is_dead_letters: bool) -> dict[str, Any]:
    """Return the attributes of a queue, except its policy and its redrive policy."""
    # A message that nobody looks at in time is gone.
    made: dict[str, Any] = {"MessageRetentionPeriod": MAX_RETENTION_SECONDS}
    if not is_dead_letters:
        made["VisibilityTimeout"] = queue.visibility_timeout_seconds
        # Every receive waits for messages, even one that does not ask for that.
        made["ReceiveMessageWaitTimeSeconds"] = MAX_WAIT_SECONDS
    if queue.is_fifo:
        made["FifoQueue"] = True
    if kms_key is not None:
        made["KmsMasterKeyId"] = kms_key
    else:
        made["SqsManagedSseEnabled"] = True
    return made
