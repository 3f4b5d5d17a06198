"""
How many messages a queue has: by indexes, for there may be very many, and whoever asks keeps others waiting.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, func, select

from microcosm_pubsub.broker.schema import messages


#: The attributes that say so: of those that can be received, those in flight, and those that are delayed.
COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")


def count_messages(connection: Connection, queue_id: int, now: int) -> dict[str, str]:
    """Return the attributes of a queue that say how many messages it has."""
    row = connection.execute(COUNT, {"queue_row": queue_id, "now": now}).one()
    counts = (row.visible - (row.expired or 0), row.received, row.hidden - row.received)
    return dict(zip(COUNTS, map(str, counts), strict=True))


def _counting(column: Any, name: str, *conditions: Any) -> Any:
    return select(column).select_from(messages).where(*conditions).scalar_subquery().label(name)


IN_QUEUE = messages.c.queue_id == bindparam("queue_row")
IS_VISIBLE = messages.c.visible_at <= bindparam("now")
IS_EXPIRED = messages.c.expires_at <= bindparam("now")

# One index alone counts the visible messages; another one finds those of them that have expired and are still there.
COUNT = select(
    _counting(func.count(), "visible", IN_QUEUE, IS_VISIBLE),
    _counting(func.sum(case((and_(IN_QUEUE, IS_VISIBLE), 1), else_=0)), "expired", IS_EXPIRED),
    _counting(func.count(), "hidden", IN_QUEUE, ~IS_VISIBLE, ~IS_EXPIRED),
    _counting(func.count(), "received", IN_QUEUE, ~IS_VISIBLE, ~IS_EXPIRED, messages.c.receive_count > 0),
)
