"""
The content of a queue, read without receiving it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.schema import messages
from microcosm_pubsub.broker.sqs.message_attributes import load_attributes
from microcosm_pubsub.broker.sqs.queues import find_queue


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """
    A message, as it stands in a queue.

    :param visible_at: from when on it can be received, in seconds since the epoch
    :param receive_count: how often it was received
    """

    message_id: str
    body: str
    message_attributes: dict[str, Any]
    visible_at: float
    receive_count: int
    group_id: str | None
    deduplication_id: str | None


def list_messages(broker: Broker, queue_url: str) -> list[StoredMessage]:
    """Return the messages that a queue holds, visible or not, the oldest first."""
    with broker.store.begin() as connection:
        queue = find_queue(connection, queue_url)
        statement = select(messages).where(messages.c.queue_id == queue.id).order_by(messages.c.id)
        rows = connection.execute(statement).all()
    return [
        StoredMessage(
            message_id=row.message_id,
            body=row.body,
            message_attributes=load_attributes(row.attributes),
            visible_at=row.visible_at / 1000,
            receive_count=row.receive_count,
            group_id=row.group_id,
            deduplication_id=row.deduplication_id,
        )
        for row in rows
    ]
