"""
Subscriptions of endpoints that are no queues, and what is on its way to them.
"""

import sqlalchemy as sa
from alembic import op


revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for column in (
        sa.Column("state", sa.Text(), server_default="confirmed", nullable=False),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("authenticated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("changed_at", sa.BigInteger(), nullable=True),
    ):
        op.add_column("pubsub_subscriptions", column)
    op.create_table(
        "pubsub_deliveries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("subscription_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["pubsub_subscriptions.id"],
            name=op.f("fk_pubsub_deliveries_subscription_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pubsub_deliveries")),
    )
    op.create_index(op.f("ix_pubsub_deliveries_due_at"), "pubsub_deliveries", ["due_at"], unique=False)
    op.create_index(
        op.f("ix_pubsub_deliveries_subscription_id"), "pubsub_deliveries", ["subscription_id"], unique=False
    )
