"""
The tables as they were first made.
"""

import sqlalchemy as sa
from alembic import op


revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "pubsub_deduplications",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("deduplication_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "deduplication_id", name=op.f("pk_pubsub_deduplications")),
    )
    op.create_index(op.f("ix_pubsub_deduplications_expires_at"), "pubsub_deduplications", ["expires_at"], unique=False)
    op.create_table(
        "pubsub_move_tasks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("source_arn", sa.Text(), nullable=False),
        sa.Column("destination_arn", sa.Text(), nullable=True),
        sa.Column("messages_per_second", sa.Integer(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("to_move", sa.BigInteger(), nullable=False),
        sa.Column("moved", sa.BigInteger(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pubsub_move_tasks")),
        sa.UniqueConstraint("handle", name=op.f("uq_pubsub_move_tasks_handle")),
    )
    op.create_index(op.f("ix_pubsub_move_tasks_source_arn"), "pubsub_move_tasks", ["source_arn"], unique=False)
    op.create_table(
        "pubsub_queues",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fifo", sa.Boolean(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pubsub_queues")),
        sa.UniqueConstraint("name", name=op.f("uq_pubsub_queues_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "pubsub_topics",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fifo", sa.Boolean(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pubsub_topics")),
        sa.UniqueConstraint("name", name=op.f("uq_pubsub_topics_name")),
    )
    op.create_table(
        "pubsub_groups",
        sa.Column("queue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("available_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["queue_id"], ["pubsub_queues.id"], name=op.f("fk_pubsub_groups_queue_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("queue_id", "group_id", name=op.f("pk_pubsub_groups")),
    )
    op.create_index("ix_pubsub_groups_available", "pubsub_groups", ["queue_id", "available_at"], unique=False)
    op.create_table(
        "pubsub_messages",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("queue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("md5_of_body", sa.Text(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=True),
        sa.Column("md5_of_attributes", sa.Text(), nullable=True),
        sa.Column("trace_header", sa.Text(), nullable=True),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("visible_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("receive_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("first_received_at", sa.BigInteger(), nullable=True),
        sa.Column("received_at", sa.BigInteger(), nullable=True),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("group_id", sa.Text(), nullable=True),
        sa.Column("deduplication_id", sa.Text(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("dead_letter_source", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["queue_id"], ["pubsub_queues.id"], name=op.f("fk_pubsub_messages_queue_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pubsub_messages")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_pubsub_messages_expires", "pubsub_messages", ["expires_at"], unique=False)
    op.create_index("ix_pubsub_messages_group", "pubsub_messages", ["queue_id", "group_id", "id"], unique=False)
    op.create_index("ix_pubsub_messages_visible", "pubsub_messages", ["queue_id", "visible_at", "id"], unique=False)
    op.create_table(
        "pubsub_subscriptions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("topic_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["topic_id"], ["pubsub_topics.id"], name=op.f("fk_pubsub_subscriptions_topic_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pubsub_subscriptions")),
        sa.UniqueConstraint("name", name=op.f("uq_pubsub_subscriptions_name")),
        sa.UniqueConstraint("topic_id", "endpoint", name="uq_pubsub_subscriptions_endpoint"),
    )
    op.create_index(op.f("ix_pubsub_subscriptions_topic_id"), "pubsub_subscriptions", ["topic_id"], unique=False)
