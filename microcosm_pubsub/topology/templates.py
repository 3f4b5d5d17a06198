"""
A topology as CloudFormation: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide
"""

from __future__ import annotations

import re
from typing import Any

from microcosm_pubsub.topology.plan import Queue, Topic, Topology
from microcosm_pubsub.topology.resources import (
    make_queue_attributes,
    make_queue_policy,
    make_redrive_policy,
    make_subscription_filter,
)


FORMAT_VERSION = "2010-09-09"


def make_cloudformation(topology: Topology) -> dict[str, Any]:
    """Return a template."""
    resources: dict[str, Any] = {}
    for topic in topology.topics:
        resources[to_id("Topic", topic.name)] = make_topic(topic, topology.kms_key)
    if topology.queue is not None:
        resources.update(make_queues(topology.queue, topology))
    outputs = {
        to_id("Topic", topic.name): {
            "Value": {"Ref": to_id("Topic", topic.name)},
            "Description": f"ARN of {topic.name}",
        }
        for topic in topology.topics
    }
    if topology.queue is not None:
        outputs["QueueUrl"] = {"Value": {"Ref": "Queue"}, "Description": f"URL of {topology.queue.name}"}
    return {
        "AWSTemplateFormatVersion": FORMAT_VERSION,
        "Description": f"Topics and queues of the daemon {topology.name}",
        "Resources": resources,
        "Outputs": outputs,
    }


def make_cdk(topology: Topology) -> dict[str, Any]:
    """
    Return the template for `CfnInclude` of the CDK, without outputs, which a stack makes itself.

    https://docs.aws.amazon.com/cdk/v2/guide/use-cfn-template.html
    """
    template = make_cloudformation(topology)
    return {key: value for key, value in template.items() if key != "Outputs"}


def make_topic(topic: Topic, kms_key: str | None) -> dict[str, Any]:
    """Return a topic."""
    properties: dict[str, Any] = {"TopicName": topic.name}
    if topic.is_fifo:
        properties |= {"FifoTopic": True, "ContentBasedDeduplication": False}
    if kms_key is not None:
        properties["KmsMasterKeyId"] = kms_key
    return {"Type": "AWS::SNS::Topic", "Properties": properties}


def make_queues(queue: Queue, topology: Topology) -> dict[str, Any]:
    """Return a queue, its dead-letter queue, its policy and its subscriptions."""
    dead_letter_arn = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    queue_arn = {"Fn::GetAtt": ["Queue", "Arn"]}
    attributes = make_queue_attributes(queue, topology.kms_key, is_dead_letters=False)
    dead_attributes = make_queue_attributes(queue, topology.kms_key, is_dead_letters=True)
    redrive = make_redrive_policy(dead_letter_arn, queue)
    made: dict[str, Any] = {
        "DeadLetterQueue": {
            "Type": "AWS::SQS::Queue",
            # Dead letters outlive the stack.
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {"QueueName": queue.dead_letter_queue, **dead_attributes},
        },
        "Queue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"QueueName": queue.name, **attributes, "RedrivePolicy": redrive},
        },
    }
    subscribed = [{"Ref": to_id("Topic", topic.name)} for topic in topology.subscribed]
    if subscribed:
        policy = make_queue_policy(queue_arn, subscribed)
        made["QueuePolicy"] = {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {"Queues": [{"Ref": "Queue"}], "PolicyDocument": policy},
        }
    for topic in topology.subscribed:
        made[to_id("Subscription", topic.name)] = {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": to_id("Topic", topic.name)},
                "Protocol": "sqs",
                "Endpoint": queue_arn,
                "FilterPolicy": make_subscription_filter(topic),
            },
        }
    return made


def to_id(prefix: str, name: str) -> str:
    """Return the logical id of a resource: letters and digits."""
    words = re.split(r"[^A-Za-z0-9]+", name)
    return prefix + "".join(word[:1].upper() + word[1:] for word in words)
