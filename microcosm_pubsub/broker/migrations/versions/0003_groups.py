"""
Indexes of message groups alone, so that a long group costs what a short one does, and other messages nothing.
"""

import sqlalchemy as sa
from alembic import op


revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.drop_index("ix_pubsub_messages_group", "pubsub_messages")
    for name, last, condition in (
        ("ix_pubsub_messages_group", "id", "group_id IS NOT NULL"),
        ("ix_pubsub_messages_received", "visible_at", "group_id IS NOT NULL AND receive_count > 0"),
    ):
        op.create_index(
            name,
            "pubsub_messages",
            ["queue_id", "group_id", last],
            unique=False,
            sqlite_where=sa.text(condition),
            postgresql_where=sa.text(condition),
        )
