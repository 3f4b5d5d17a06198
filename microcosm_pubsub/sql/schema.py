"""
Our own tables in the user's database: what was handled, and what is to be published.

Times are whole milliseconds since the epoch. `migrations/` creates and upgrades the tables; a test keeps the two the
same.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Table, Text, text

from microcosm_pubsub.sql.base import NAMING_CONVENTION


#: SQLite numbers rows by itself only if the key is an INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")


@dataclass(frozen=True, slots=True)
class Tables:
    """
    Our tables.

    :param inbox: a row for each message that a handler has handled
    :param outbox: a row for each message that is to be published
    """

    metadata: MetaData
    inbox: Table
    outbox: Table


def make_tables(schema: str | None) -> Tables:
    """Return our tables in a schema; SQLite has none."""
    metadata = MetaData(schema=schema, naming_convention=NAMING_CONVENTION)
    inbox = Table(
        "pubsub_inbox",
        metadata,
        Column("handler", Text, primary_key=True),
        Column("message_key", Text, primary_key=True),
        Column("handled_at", BigInteger, nullable=False),
        Index("ix_pubsub_inbox_handled_at", "handled_at"),
    )
    ordered = text("is_ordered")
    outbox = Table(
        "pubsub_outbox",
        metadata,
        Column("id", RowId, primary_key=True),
        # the message's own id, `x-message-id`
        Column("identity", Text, nullable=False),
        Column("media_type", Text, nullable=False),
        Column("topic_arn", Text, nullable=False),
        Column("group_id", Text),
        Column("deduplication_id", Text),
        # whether it must keep its place in its group: on FIFO topics
        Column("is_ordered", Boolean, nullable=False),
        Column("body", Text, nullable=False),
        # JSON
        Column("attributes", Text, nullable=False),
        Column("opaque_data", Text, nullable=False),
        Column("created_at", BigInteger, nullable=False),
        # when it is to be published: 0 is at once
        Column("due_at", BigInteger, nullable=False),
        # from when on anybody may publish it: until then somebody does, or it waits
        Column("free_at", BigInteger, nullable=False),
        Column("attempts", Integer, nullable=False, server_default="0"),
        # why the last attempt failed
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
        # an id that was published is not given to another row
        sqlite_autoincrement=True,
    )
    return Tables(metadata, inbox, outbox)
