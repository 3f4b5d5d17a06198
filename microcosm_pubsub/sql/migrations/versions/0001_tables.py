"""
The inbox and the outbox.
"""

import sqlalchemy as sa
from alembic import context, op


revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    schema = context.config.attributes["schema"]
    ordered = sa.text("is_ordered")
    op.create_table(
        "pubsub_inbox",
        sa.Column("handler", sa.Text, nullable=False),
        sa.Column("message_key", sa.Text, nullable=False),
        sa.Column("handled_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("handler", "message_key", name="pk_pubsub_inbox"),
        schema=schema,
    )
    op.create_index("ix_pubsub_inbox_handled_at", "pubsub_inbox", ["handled_at"], schema=schema)
    op.create_table(
        "pubsub_outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("topic_arn", sa.Text, nullable=False),
        sa.Column("group_id", sa.Text),
        sa.Column("deduplication_id", sa.Text),
        sa.Column("is_ordered", sa.Boolean, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("attributes", sa.Text, nullable=False),
        sa.Column("opaque_data", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("free_at", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_pubsub_outbox"),
        schema=schema,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_pubsub_outbox_free_at", "pubsub_outbox", ["free_at"], schema=schema)
    op.create_index(
        "ix_pubsub_outbox_group_id",
        "pubsub_outbox",
        ["topic_arn", "group_id", "id"],
        schema=schema,
        postgresql_where=ordered,
        sqlite_where=ordered,
    )
