"""
The choice of the messages that a receive takes: the oldest visible ones, and, of a group, none before an earlier one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    func,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.ext.compiler import compiles

from microcosm_pubsub.broker.groups import available_groups, update_group
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


class _NobodyWaitsForTheDisk(ColumnElement[None]):
    """
    A column that lets the end of a transaction of PostgreSQL not wait for the disk, if a row is returned.

    What is lost of a receive, if the database's machine fails just then, is that there was one: the messages are still
    there, and are received again. A delete that comes after it is not written before it. Messages of a FIFO queue would
    be handled beside those that come after them; their receives wait.

    https://www.postgresql.org/docs/current/wal-async-commit.html
    """

    inherit_cache = True


@compiles(_NobodyWaitsForTheDisk)
def _compile_nothing(element: Any, compiler: Any, **options: Any) -> str:
    return str(compiler.process(null(), **options))


@compiles(_NobodyWaitsForTheDisk, "postgresql")
def _compile_setting(element: Any, compiler: Any, **options: Any) -> str:
    return str(compiler.process(func.set_config("synchronous_commit", "off", True), **options))


READY = (
    select(messages.c.id)
    .where(IS_READY)
    .order_by(messages.c.visible_at, messages.c.id)
    .limit(bindparam("count"))
    .with_for_update(skip_locked=True)
)

TAKE = PreparedStatement(
    update(messages).where(messages.c.id.in_(READY)).values(RECEIVED).returning(*messages.c, _NobodyWaitsForTheDisk())
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
