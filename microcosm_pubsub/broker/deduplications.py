"""
The deduplication ids of FIFO queues and topics: a message whose id came within five minutes is not sent again.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-exactly-once-processing.html
"""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, insert, select

from microcosm_pubsub.broker.prepared_statement import PreparedStatement
from microcosm_pubsub.broker.schema import deduplications


#: An id is remembered for this time, in milliseconds.
DEDUPLICATION_MS = 5 * 60 * 1000


def forget_old(connection: Connection, now: int) -> None:
    """Forget the ids that came too long ago."""
    FORGET.execute(connection, {"now": now})


def remember(
    connection: Connection,
    scope: str,
    deduplication_id: str | None,
    message_id: str,
    sequence: int,
    now: int,
) -> tuple[str, int] | None:
    """Return the id and number of the message that one duplicates, or remember it and return None."""
    key = {"scope": scope, "deduplication_id": deduplication_id}
    if rows := FIND.execute(connection, {"key_scope": scope, "key_id": deduplication_id}):
        return rows[0].message_id, rows[0].sequence
    REMEMBER.execute(
        connection,
        {**key, "message_id": message_id, "sequence": sequence, "expires_at": now + DEDUPLICATION_MS},
    )
    return None


FORGET = PreparedStatement(delete(deduplications).where(deduplications.c.expires_at <= bindparam("now")))

FIND = PreparedStatement(
    select(deduplications.c.message_id, deduplications.c.sequence).where(
        deduplications.c.scope == bindparam("key_scope"),
        deduplications.c.deduplication_id == bindparam("key_id"),
    )
)

REMEMBER = PreparedStatement(
    insert(deduplications).values({column.name: bindparam(column.name) for column in deduplications.c})
)
