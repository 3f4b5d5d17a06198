"""
The search for queues with messages that can be received: one look for all receives that wait.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, and_, bindparam, exists, func, or_, select

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.prepared_statement import PreparedStatement
from microcosm_pubsub.broker.schema import groups, messages, queues
from microcosm_pubsub.broker.sqs.queues import Queue


def find_ready(broker: Broker, names: Iterable[str]) -> list[str]:
    """Return those queues from which a receive would get something now, and those that are gone."""
    wanted = list(names)
    with broker.store.begin() as connection:
        rows = connection.execute(FIND, {"names": wanted, "now": broker.now()}).all()
    idle = {row.name for row in rows if not row.ready}
    return [name for name in wanted if name not in idle]


def find_next(broker: Broker, connection: Connection, queue: Queue) -> int | None:
    """Return when the next message of a queue can be received, in milliseconds since the epoch, or None."""
    statement = NEXT_GROUP if queue.fifo else NEXT_MESSAGE
    found: int | None = statement.execute(connection, {"queue_row": queue.id, "now": broker.now()})[0].at
    return found


NEXT_MESSAGE = PreparedStatement(
    select(func.min(messages.c.visible_at).label("at")).where(
        messages.c.queue_id == bindparam("queue_row"), messages.c.visible_at > bindparam("now")
    )
)

NEXT_GROUP = PreparedStatement(
    select(func.min(groups.c.available_at).label("at")).where(
        groups.c.queue_id == bindparam("queue_row"), groups.c.available_at > bindparam("now")
    )
)

HAS_MESSAGES = exists().where(
    messages.c.queue_id == queues.c.id,
    messages.c.visible_at <= bindparam("now"),
    messages.c.expires_at > bindparam("now"),
)

HAS_GROUPS = exists().where(groups.c.queue_id == queues.c.id, groups.c.available_at <= bindparam("now"))

FIND = select(
    queues.c.name,
    or_(and_(~queues.c.fifo, HAS_MESSAGES), and_(queues.c.fifo, HAS_GROUPS)).label("ready"),
).where(queues.c.name.in_(bindparam("names", expanding=True)))
