"""
The tables of the broker.

Times are whole milliseconds since the epoch. `migrations/` creates and upgrades the tables; a test keeps the two
the same.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

#: SQLite numbers rows by itself only if the key is an INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")


def where(condition: str) -> Any:
    """Return the options of an index that has some rows alone."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


queues = Table(
    "pubsub_queues",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("fifo", Boolean, nullable=False),
    # The attributes that were set, and the tags, as JSON.
    Column("attributes", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    # The number of sequence numbers that a FIFO queue has given.
    Column("sequence", BigInteger, nullable=False, server_default="0"),
    # The id of a deleted queue stands in receipt handles and among the deduplication ids.
    sqlite_autoincrement=True,
)

messages = Table(
    "pubsub_messages",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("queue_id", ForeignKey("pubsub_queues.id", ondelete="CASCADE"), nullable=False),
    Column("message_id", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("md5_of_body", Text, nullable=False),
    # The message attributes as JSON, with their digest.
    Column("attributes", Text),
    Column("md5_of_attributes", Text),
    Column("trace_header", Text),
    Column("sent_at", BigInteger, nullable=False),
    Column("visible_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("receive_count", Integer, nullable=False, server_default="0"),
    Column("first_received_at", BigInteger),
    Column("received_at", BigInteger),
    # The name of the message's latest receive.
    Column("receipt", Text),
    Column("group_id", Text),
    Column("deduplication_id", Text),
    Column("sequence", BigInteger),
    # The ARN of the queue from which it went to this dead-letter queue.
    Column("dead_letter_source", Text),
    Index("ix_pubsub_messages_visible", "queue_id", "visible_at", "id"),
    Index("ix_pubsub_messages_group", "queue_id", "group_id", "id", **where("group_id IS NOT NULL")),
    # Those that were received at least once, of which few are left: which of a group are in flight, however long it is.
    Index(
        "ix_pubsub_messages_received",
        "queue_id",
        "group_id",
        "visible_at",
        **where("group_id IS NOT NULL AND receive_count > 0"),
    ),
    Index("ix_pubsub_messages_expires", "expires_at"),
    sqlite_autoincrement=True,
)

groups = Table(
    "pubsub_groups",
    metadata,
    Column("queue_id", ForeignKey("pubsub_queues.id", ondelete="CASCADE"), primary_key=True),
    Column("group_id", Text, primary_key=True),
    # The time from which messages of the group can be received: none is in flight, nor are all delayed.
    Column("available_at", BigInteger, nullable=False),
    Index("ix_pubsub_groups_available", "queue_id", "available_at"),
)

deduplications = Table(
    "pubsub_deduplications",
    metadata,
    # "queue:1" or "topic:1", with the group if the scope is the group
    Column("scope", Text, primary_key=True),
    Column("deduplication_id", Text, primary_key=True),
    Column("message_id", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

move_tasks = Table(
    "pubsub_move_tasks",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("handle", Text, nullable=False, unique=True),
    Column("source_arn", Text, nullable=False, index=True),
    # None: each message goes back to the queue that it came from.
    Column("destination_arn", Text),
    Column("messages_per_second", Integer),
    Column("status", Text, nullable=False),
    Column("to_move", BigInteger, nullable=False),
    Column("moved", BigInteger, nullable=False),
    # Messages with a higher id came after the task was started.
    Column("last_id", BigInteger, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("failure_reason", Text),
)

topics = Table(
    "pubsub_topics",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("fifo", Boolean, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False, server_default="0"),
)

subscriptions = Table(
    "pubsub_subscriptions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("topic_id", ForeignKey("pubsub_topics.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False, unique=True),
    Column("protocol", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("attributes", Text, nullable=False),
    # "confirmed", "pending" until the endpoint agrees, "deleted" until the row is swept
    Column("state", Text, nullable=False, server_default="confirmed"),
    # The token that confirms it, or makes it again after it was deleted.
    Column("token", Text),
    # Whether only signed calls may delete it.
    Column("authenticated", Boolean, nullable=False, server_default=text("false")),
    # The URL with which the subscriber called the server: URLs in messages to it begin with that.
    Column("url", Text),
    Column("changed_at", BigInteger),
    UniqueConstraint("topic_id", "endpoint", name="uq_pubsub_subscriptions_endpoint"),
)

deliveries = Table(
    "pubsub_deliveries",
    metadata,
    Column("id", RowId, primary_key=True),
    # None: a text message to a number that is subscribed to nothing.
    Column("subscription_id", ForeignKey("pubsub_subscriptions.id", ondelete="CASCADE"), index=True),
    Column("kind", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    # The published message, as JSON.
    Column("content", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at", BigInteger, nullable=False),
    # When it is tried next; while one server tries, when another may.
    Column("due_at", BigInteger, nullable=False, index=True),
)


def last_row_id(connection: Connection, table: Table) -> int:
    """Return the highest row id that a table ever gave."""
    if connection.dialect.name == "sqlite":
        statement = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
    else:
        statement = text("SELECT last_value FROM pg_sequences WHERE sequencename = :name || '_id_seq'")
    return connection.execute(statement, {"name": table.name}).scalar() or 0
