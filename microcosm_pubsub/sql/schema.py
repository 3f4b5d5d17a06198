"""
Our own tables in the user's database: handled messages, messages to publish, and the ledger of tasks.

Times are whole milliseconds since the epoch. `migrations/` creates and upgrades the tables; a test keeps the two the
same.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Table, Text, false, text

from microcosm_pubsub.sql.base import NAMING_CONVENTION


#: SQLite numbers rows by itself only if the key is an INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")


@dataclass(frozen=True, slots=True)
class Tables:
    """
    Our tables.

    :param inbox: a row for each message that a handler has handled
    :param outbox: a row for each message to publish
    :param tasks: a row for each task that is remembered
    :param cursors: a row for each key that tasks take turns at
    :param schedules: a row for each task that is sent again and again
    """

    metadata: MetaData
    inbox: Table
    outbox: Table
    tasks: Table
    cursors: Table
    schedules: Table


def make_tables(schema: str | None) -> Tables:
    """Return our tables in a schema; SQLite has none."""
    metadata = MetaData(schema=schema, naming_convention=NAMING_CONVENTION)
    return Tables(
        metadata,
        inbox=make_inbox(metadata),
        outbox=make_outbox(metadata),
        tasks=make_tasks(metadata),
        cursors=make_cursors(metadata),
        schedules=make_schedules(metadata),
    )


def make_inbox(metadata: MetaData) -> Table:
    """Return the table of messages that were handled."""
    return Table(
        "pubsub_inbox",
        metadata,
        Column("handler", Text, primary_key=True),
        Column("message_key", Text, primary_key=True),
        Column("handled_at", BigInteger, nullable=False),
        # The answer, if the message was a request.
        Column("answer", Text),
        Index("ix_pubsub_inbox_handled_at", "handled_at"),
    )


def make_outbox(metadata: MetaData) -> Table:
    """Return the table of messages to publish."""
    ordered = text("is_ordered")
    return Table(
        "pubsub_outbox",
        metadata,
        Column("id", RowId, primary_key=True),
        # The message's own id, `x-message-id`.
        Column("identity", Text, nullable=False),
        Column("media_type", Text, nullable=False),
        Column("topic_arn", Text, nullable=False),
        Column("group_id", Text),
        Column("deduplication_id", Text),
        # Whether it must keep its place in its group: on FIFO topics.
        Column("is_ordered", Boolean, nullable=False),
        Column("body", Text, nullable=False),
        # JSON
        Column("attributes", Text, nullable=False),
        Column("opaque_data", Text, nullable=False),
        Column("created_at", BigInteger, nullable=False),
        # When to publish it; 0 is at once.
        Column("due_at", BigInteger, nullable=False),
        # The time from which any relay may publish it: until then one does, or the message waits.
        Column("free_at", BigInteger, nullable=False),
        Column("attempts", Integer, nullable=False, server_default="0"),
        # The error of the last attempt.
        Column("error", Text),
        Index("ix_pubsub_outbox_free_at", "free_at"),
        Index(
            "ix_pubsub_outbox_group_id",
            "topic_arn",
            "group_id",
            "id",
            postgresql_where=ordered,
            sqlite_where=ordered,
        ),
        # The id of a row that was published is not given to another row.
        sqlite_autoincrement=True,
    )


def make_tasks(metadata: MetaData) -> Table:
    """Return the ledger of tasks."""
    return Table(
        "pubsub_task",
        metadata,
        Column("seq", RowId, primary_key=True),
        Column("id", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("queue", Text, nullable=False),
        Column("state", Text, nullable=False),
        # JSON: the call as it travels
        Column("call", Text, nullable=False),
        Column("group_id", Text),
        Column("cursor_key", Text),
        Column("created_at", BigInteger, nullable=False),
        # The earliest time to run it; 0 is at once.
        Column("due_at", BigInteger, nullable=False),
        Column("published_at", BigInteger),
        Column("started_at", BigInteger),
        Column("finished_at", BigInteger),
        # When a sweeper must treat the row: publish it, find it lost, or remove it.
        Column("look_at", BigInteger),
        # The number of times that it was published since it was last begun, and that it was begun.
        Column("publishes", Integer, nullable=False, server_default="0"),
        Column("attempts", Integer, nullable=False, server_default="0"),
        Column("max_attempts", Integer),
        # The attempts before it failed and was sent back out of a dead-letter queue.
        Column("attempts_before", Integer, nullable=False, server_default="0"),
        # Whether it is to stop.
        Column("is_cancelled", Boolean, nullable=False, server_default=false()),
        # The host and process that runs it, or ran it last.
        Column("worker", Text),
        Column("trace_id", Text),
        Column("retried_from", Text),
        # JSON
        Column("result", Text),
        Column("error", Text),
        *make_task_indexes(),
        sqlite_autoincrement=True,
    )


def make_task_indexes() -> list[Index]:
    """Return the indexes of the ledger, by which tasks are listed, found waiting, and treated."""
    waits = text("cursor_key IS NOT NULL AND state IN ('scheduled', 'pending')")
    keyed = text("cursor_key IS NOT NULL")
    return [
        Index("uq_pubsub_task_id", "id", unique=True),
        Index("uq_pubsub_task_waiting", "cursor_key", "name", unique=True, postgresql_where=waits, sqlite_where=waits),
        Index("ix_pubsub_task_look_at", "look_at"),
        Index("ix_pubsub_task_created_at", "created_at", "seq"),
        Index("ix_pubsub_task_name", "name", "created_at", "seq"),
        Index("ix_pubsub_task_state", "state", "created_at", "seq"),
        Index(
            "ix_pubsub_task_cursor_key",
            "cursor_key",
            "created_at",
            "seq",
            postgresql_where=keyed,
            sqlite_where=keyed,
        ),
    ]


def make_cursors(metadata: MetaData) -> Table:
    """Return the cursors, at which tasks take turns."""
    return Table(
        "pubsub_cursor",
        metadata,
        Column("key", Text, primary_key=True),
        # The id of the task whose turn it is; NULL if it is nobody's.
        Column("task_id", Text),
        # JSON
        Column("value", Text, nullable=False, server_default="{}"),
        Column("updated_at", BigInteger, nullable=False),
    )


def make_schedules(metadata: MetaData) -> Table:
    """Return the tasks that are sent again and again."""
    return Table(
        "pubsub_schedule",
        metadata,
        # The name of the task.
        Column("name", Text, primary_key=True),
        # The times, as the task declares them.
        Column("spec", Text, nullable=False),
        Column("next_at", BigInteger, nullable=False),
        # When it was sent last.
        Column("last_at", BigInteger),
        Column("is_paused", Boolean, nullable=False, server_default=false()),
    )
