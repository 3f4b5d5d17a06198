"""
The groups of FIFO queues: which of them have messages to give.

A group is available when none of its messages is in flight. The time from which that is so stands in a row of its
own, so that a receive finds the available groups without looking at the messages of the blocked ones.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, bindparam, case, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from microcosm_pubsub.broker.schema import groups, messages


def keep_group(connection: Connection, queue_id: int, group_id: str, available_at: int) -> None:
    """Make sure that a group is known; if it is, its time stays."""
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    statement = insert(groups).values(queue_id=queue_id, group_id=group_id, available_at=available_at)
    connection.execute(
        # An update, even one that changes nothing, waits for a transaction that is deleting the row.
        statement.on_conflict_do_update(
            index_elements=["queue_id", "group_id"], set_={"available_at": groups.c.available_at}
        )
    )


def available_groups(connection: Connection, queue_id: int, now: int, limit: int) -> list[str]:
    """Return groups that may be received from, and keep others from receiving from them in this transaction."""
    return list(connection.scalars(AVAILABLE, {"queue_row": queue_id, "now": now, "count": limit}))


def update_group(connection: Connection, queue_id: int, group_id: str, now: int) -> None:
    """Find out from when on a group is available, after something happened to its messages."""
    key = {"queue_row": queue_id, "group": group_id}
    connection.execute(LOCK, key)
    in_flight_until, first_visible_at = connection.execute(STATE, {**key, "now": now}).one()
    if first_visible_at is None:
        connection.execute(FORGET, key)
    else:
        connection.execute(CHANGE, {**key, "until": in_flight_until or first_visible_at})


IS_GROUP = and_(groups.c.queue_id == bindparam("queue_row"), groups.c.group_id == bindparam("group"))

AVAILABLE = (
    select(groups.c.group_id)
    .where(groups.c.queue_id == bindparam("queue_row"), groups.c.available_at <= bindparam("now"))
    .order_by(groups.c.available_at)
    .limit(bindparam("count"))
    .with_for_update(skip_locked=True)
)

LOCK = select(groups.c.group_id).where(IS_GROUP).with_for_update()

FIRST = messages.alias("first")

STATE = select(
    func.max(
        case(
            (
                and_(messages.c.visible_at > bindparam("now"), messages.c.receive_count > 0),
                messages.c.visible_at,
            )
        )
    ),
    select(FIRST.c.visible_at)
    .where(FIRST.c.queue_id == bindparam("queue_row"), FIRST.c.group_id == bindparam("group"))
    .order_by(FIRST.c.id)
    .limit(1)
    .scalar_subquery(),
).where(messages.c.queue_id == bindparam("queue_row"), messages.c.group_id == bindparam("group"))

FORGET = delete(groups).where(IS_GROUP)

CHANGE = update(groups).where(IS_GROUP).values(available_at=bindparam("until"))
