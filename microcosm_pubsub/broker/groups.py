"""
The groups of FIFO queues: which of them have messages to give.

A group is available when none of its messages is in flight. The time from which that is so stands in a row of its
own, so that a receive finds the available groups without looking at the messages of the blocked ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from microcosm_pubsub.broker.prepared_statement import PreparedStatement
from microcosm_pubsub.broker.schema import groups, messages


def keep_groups(connection: Connection, queue_id: int, available_at: Mapping[str, int]) -> None:
    """
    Make sure that groups are known.

    :param available_at: by group, from when on it is available; if it is known, its time stays
    """
    keys = [{"queue_row": queue_id, "group": group, "until": until} for group, until in available_at.items()]
    KEEP.execute(connection, keys)


def available_groups(connection: Connection, queue_id: int, now: int, limit: int) -> list[str]:
    """Return groups that may be received from, and keep others from receiving from them in this transaction."""
    rows = AVAILABLE.execute(connection, {"queue_row": queue_id, "now": now, "count": limit})
    return [row.group_id for row in rows]


def update_group(connection: Connection, queue_id: int, group_id: str, now: int) -> None:
    """Find out from when on a group is available, after something happened to its messages."""
    key = {"queue_row": queue_id, "group": group_id}
    if connection.dialect.name != "sqlite":
        LOCK.execute(connection, key)
    ((in_flight_until, first_visible_at),) = STATE.execute(connection, {**key, "now": now})
    if first_visible_at is None:
        FORGET.execute(connection, key)
    else:
        CHANGE.execute(connection, {**key, "until": in_flight_until or first_visible_at})


IS_GROUP = and_(groups.c.queue_id == bindparam("queue_row"), groups.c.group_id == bindparam("group"))


def _make_keep(insert: Any) -> Any:
    statement = insert(groups).values(
        queue_id=bindparam("queue_row"), group_id=bindparam("group"), available_at=bindparam("until")
    )
    # An update, even one that changes nothing, waits for a transaction that is deleting the row.
    return statement.on_conflict_do_update(
        index_elements=["queue_id", "group_id"], set_={"available_at": groups.c.available_at}
    )


KEEP = PreparedStatement(_make_keep(sqlite_insert), postgresql=_make_keep(postgresql_insert))

AVAILABLE = PreparedStatement(
    select(groups.c.group_id)
    .where(groups.c.queue_id == bindparam("queue_row"), groups.c.available_at <= bindparam("now"))
    .order_by(groups.c.available_at)
    .limit(bindparam("count"))
    .with_for_update(skip_locked=True)
)

LOCK = PreparedStatement(select(groups.c.group_id).where(IS_GROUP).with_for_update())

FIRST = messages.alias("first")

IN_GROUP = and_(messages.c.queue_id == bindparam("queue_row"), messages.c.group_id == bindparam("group"))

# The number stands in the statement, as in the condition of the index, which would not be used otherwise:
# https://www.sqlite.org/partialindex.html#queries_using_partial_indexes
IN_FLIGHT = and_(IN_GROUP, messages.c.receive_count > literal_column("0"), messages.c.visible_at > bindparam("now"))

STATE = PreparedStatement(
    select(
        select(func.max(messages.c.visible_at)).where(IN_FLIGHT).scalar_subquery().label("in_flight_until"),
        select(messages.c.visible_at)
        .where(IN_GROUP, messages.c.expires_at > bindparam("now"))
        .order_by(messages.c.id)
        .limit(1)
        .scalar_subquery()
        .label("first_visible_at"),
    )
)

FORGET = PreparedStatement(delete(groups).where(IS_GROUP))

CHANGE = PreparedStatement(update(groups).where(IS_GROUP).values(available_at=bindparam("until")))
