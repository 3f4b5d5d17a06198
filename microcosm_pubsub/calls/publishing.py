"""
Publishing the call of a task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from microcosm_pubsub.calls.message import make_task_media_type, register_calls
from microcosm_pubsub.constants import FIFO_SUFFIX, IDENTITY_KEY
from microcosm_pubsub.producer import PublishOptions, SNSProducer
from microcosm_pubsub.producer.group import make_group_id
from microcosm_pubsub.registry import PubSubMessageSchemaRegistry


def publish_call(
    producer: SNSProducer,
    schemas: PubSubMessageSchemaRegistry,
    queue: str,
    task_id: str,
    call: Mapping[str, Any],
    options: PublishOptions,
) -> None:
    """
    Publish a call.

    :param producer: publishes it
    :param schemas: learns that messages of the queue are calls
    :param queue: the queue whose workers run the task
    :param call: the task as it travels
    :raises PublishError: if the topic did not take it
    """
    media_type = make_task_media_type(queue)
    register_calls(schemas, media_type)
    if options.group is None and producer.choose_topic_arn(media_type).endswith(FIFO_SUFFIX):
        # Tasks do not wait for each other unless somebody says so.
        options = replace(options, group=make_group_id(task_id))
    producer.produce(media_type, call, opaque_data={IDENTITY_KEY: task_id}, options=options)
