"""
The choice of the messages that a receive takes: the oldest visible ones, and, of a group, none before an earlier one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    and_,
    bindparam,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)

from microcosm_pubsub.broker.groups import available_groups, update_group
from microcosm_pubsub.broker.postgresql import NOBODY_WAITS_FOR_THE_DISK
from microcosm_pubsub.broker.prepared_statement import PreparedStatement
from microcosm_pubsub.broker.schema import messages
from microcosm_pubsub.broker.sqs.queues import Queue


MAX_ROW_ID = 2**63 - 1


def show(connection: Connection, queue: Queue, rows: list[Any], now: int) -> None:
    """Let messages be received again at once."""
    if rows:
        SHOW.execute(connection, [{"row": row.id, "now": now} for row in rows])
    for group_id in {row.group_id for row in rows} if queue.fifo else ():
        update_group(connection, queue.id, group_id, now)


def take(connection: Connection, values: dict[str, Any], limit: int) -> list[Any]:
    """Receive messages of a standard queue, and return their rows."""
    return TAKE.execute(connection, {**values, "count": limit})


def get_next(rows: Sequence[Any]) -> int | None:
    """
    Return when the next message of the queue from which messages were taken can be received.

    :returns: in milliseconds since the epoch, or None if that was not found with them; it may be one of them
    """
    if not rows or not hasattr(rows[0], "next_at"):
        return None
    seen_again_at: int = rows[0].visible_at
    return seen_again_at if rows[0].next_at is None else min(seen_again_at, rows[0].next_at)


def take_groups(connection: Connection, values: dict[str, Any], limit: int) -> list[Any]:
    """Receive messages of a FIFO queue, group by group, and return their rows."""
    rows: list[Any] = []
    queue_id, now = values["queue_row"], values["now"]
    seen: set[str] = set()
    while len(rows) < limit:
        # There may be groups whose messages have all expired: they are forgotten, and others have their turn.
        found = [group_id for group_id in available_groups(connection, queue_id, now, limit) if group_id not in seen]
        if not found:
            break
        for group_id in found:
            if len(rows) == limit:
                break
            seen.add(group_id)
            parameters = {**values, "count": limit - len(rows), "group": group_id}
            rows.extend(TAKE_GROUP.execute(connection, parameters))
            update_group(connection, queue_id, group_id, now)
    return rows


RECEIVED = {
    "visible_at": bindparam("until"),
    "receive_count": messages.c.receive_count + 1,
    "first_received_at": func.coalesce(messages.c.first_received_at, bindparam("now")),
    "received_at": bindparam("now"),
    "receipt": bindparam("new_receipt"),
}

IS_READY = and_(
    messages.c.queue_id == bindparam("queue_row"),
    messages.c.visible_at <= bindparam("now"),
    messages.c.expires_at > bindparam("now"),
)


READY = (
    select(messages.c.id)
    .where(IS_READY)
    .order_by(messages.c.visible_at, messages.c.id)
    .limit(bindparam("count"))
    .with_for_update(skip_locked=True)
)

OTHERS = messages.alias("others")

#: On PostgreSQL the same round trip finds when the next message is to come.
NEXT = select(func.min(OTHERS.c.visible_at)).where(
    OTHERS.c.queue_id == bindparam("queue_row"), OTHERS.c.visible_at > bindparam("now")
)

TAKING = update(messages).where(messages.c.id.in_(READY)).values(RECEIVED)

TAKE = PreparedStatement(
    TAKING.returning(*messages.c),
    postgresql=TAKING.returning(*messages.c, NEXT.scalar_subquery().label("next_at"), NOBODY_WAITS_FOR_THE_DISK),
)

RECEIVE_AND_DELETE = PreparedStatement(
    delete(messages).where(messages.c.id.in_(READY)).returning(messages.c.id, messages.c.message_id, messages.c.body)
)

#: The first messages of a group, whether they can be received or not.
FIRST = (
    select(messages.c.id, messages.c.visible_at)
    .where(
        messages.c.queue_id == bindparam("queue_row"),
        messages.c.group_id == bindparam("group"),
        messages.c.expires_at > bindparam("now"),
    )
    .order_by(messages.c.id)
    .limit(bindparam("count"))
    .cte("first")
)

#: Those of them that nobody else is changing.
LOCKED = (
    select(messages.c.id).where(messages.c.id.in_(select(FIRST.c.id))).with_for_update(skip_locked=True).cte("locked")
)

#: None is overtaken: not one that somebody changes, and not one that is not to be seen yet, by a clock that is behind
#: that of who sent it.
STOP = (
    select(func.min(FIRST.c.id))
    .where(or_(FIRST.c.visible_at > bindparam("now"), FIRST.c.id.not_in(select(LOCKED.c.id))))
    .scalar_subquery()
)

#: Its transaction waits for the disk: a message that comes again would be handled beside those that come after it.
TAKE_GROUP = PreparedStatement(
    update(messages)
    .where(
        messages.c.id.in_(select(FIRST.c.id).where(FIRST.c.id < func.coalesce(STOP, literal(MAX_ROW_ID, BigInteger)))),
        messages.c.visible_at <= bindparam("now"),
    )
    .values(RECEIVED)
    .returning(*messages.c)
)

#: What an earlier attempt at the same receive got, if it is still hidden.
REPEAT = PreparedStatement(
    update(messages)
    .where(
        messages.c.queue_id == bindparam("queue_row"),
        messages.c.receipt == bindparam("new_receipt"),
        messages.c.visible_at > bindparam("now"),
    )
    .values(visible_at=bindparam("until"))
    .returning(*messages.c)
)

SHOW = PreparedStatement(update(messages).where(messages.c.id == bindparam("row")).values(visible_at=bindparam("now")))
