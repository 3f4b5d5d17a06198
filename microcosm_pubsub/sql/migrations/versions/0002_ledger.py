"""
The ledger of tasks, their cursors and their schedules, and the answers to requests.
"""

import sqlalchemy as sa
from alembic import context, op


revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables."""
    schema = context.config.attributes["schema"]
    op.add_column("pubsub_inbox", sa.Column("answer", sa.Text), schema=schema)
    create_tasks(schema)
    create_task_indexes(schema)
    op.create_table(
        "pubsub_cursor",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("task_id", sa.Text),
        sa.Column("value", sa.Text, nullable=False, server_default="{}"),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_pubsub_cursor"),
        schema=schema,
    )
    op.create_table(
        "pubsub_schedule",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("next_at", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger),
        sa.Column("is_paused", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("name", name="pk_pubsub_schedule"),
        schema=schema,
    )


def create_tasks(schema: str | None) -> None:
    """Create the ledger."""
    op.create_table(
        "pubsub_task",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("call", sa.Text, nullable=False),
        sa.Column("group_id", sa.Text),
        sa.Column("cursor_key", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("published_at", sa.BigInteger),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("look_at", sa.BigInteger),
        sa.Column("publishes", sa.Integer, nullable=False, server_default="0"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("max_attempts", sa.Integer),
        sa.Column("attempts_before", sa.Integer, nullable=False, server_default="0"),
        sa.Column("is_cancelled", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("worker", sa.Text),
        sa.Column("trace_id", sa.Text),
        sa.Column("retried_from", sa.Text),
        sa.Column("result", sa.Text),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("seq", name="pk_pubsub_task"),
        schema=schema,
        sqlite_autoincrement=True,
    )


def create_task_indexes(schema: str | None) -> None:
    """Create its indexes."""
    waits = sa.text("cursor_key IS NOT NULL AND state IN ('scheduled', 'pending')")
    keyed = sa.text("cursor_key IS NOT NULL")
    op.create_index("uq_pubsub_task_id", "pubsub_task", ["id"], unique=True, schema=schema)
    op.create_index(
        "uq_pubsub_task_waiting",
        "pubsub_task",
        ["cursor_key", "name"],
        unique=True,
        schema=schema,
        postgresql_where=waits,
        sqlite_where=waits,
    )
    op.create_index("ix_pubsub_task_look_at", "pubsub_task", ["look_at"], schema=schema)
    op.create_index("ix_pubsub_task_created_at", "pubsub_task", ["created_at", "seq"], schema=schema)
    op.create_index("ix_pubsub_task_name", "pubsub_task", ["name", "created_at", "seq"], schema=schema)
    op.create_index("ix_pubsub_task_state", "pubsub_task", ["state", "created_at", "seq"], schema=schema)
    op.create_index(
        "ix_pubsub_task_cursor_key",
        "pubsub_task",
        ["cursor_key", "created_at", "seq"],
        schema=schema,
        postgresql_where=keyed,
        sqlite_where=keyed,
    )
