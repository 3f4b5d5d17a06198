"""
The tags of queues.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_TagQueue.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from json import dumps, loads
from typing import Any

from sqlalchemy import select, update

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.schema import queues
from microcosm_pubsub.broker.sqs.queues import find_queue


def tag_queue(broker: Broker, QueueUrl: str, Tags: Mapping[str, str]) -> None:
    """Add tags to a queue."""
    _change_tags(broker, QueueUrl, lambda tags: {**tags, **Tags})


def untag_queue(broker: Broker, QueueUrl: str, TagKeys: Sequence[str]) -> None:
    """Remove tags from a queue."""
    _change_tags(broker, QueueUrl, lambda tags: {key: tags[key] for key in tags if key not in TagKeys})


def list_queue_tags(broker: Broker, QueueUrl: str) -> dict[str, Any]:
    """Return the tags of a queue."""
    tags = _change_tags(broker, QueueUrl, lambda tags: tags)
    return {"Tags": tags} if tags else {}


def _change_tags(broker: Broker, queue_url: str, change: Any) -> dict[str, str]:
    with broker.store.begin() as connection:
        queue = find_queue(connection, queue_url)
        text = connection.execute(select(queues.c.tags).where(queues.c.id == queue.id)).scalar_one()
        tags: dict[str, str] = change(loads(text))
        connection.execute(update(queues).where(queues.c.id == queue.id).values(tags=dumps(tags)))
        return tags
