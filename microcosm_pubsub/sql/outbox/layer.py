"""
The publish layer that keeps messages from their topic until the transaction that publishes them is committed.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from microcosm_pubsub.constants import DEFAULT_TOPIC_SIZE_LIMIT_BYTES
from microcosm_pubsub.errors import PublishError
from microcosm_pubsub.producer import ProduceResult, PublishCall, PubsubMessage
from microcosm_pubsub.sql.outbox.relay import Relay
from microcosm_pubsub.sql.outbox.rows import Row, find_identity, is_ordered
from microcosm_pubsub.sql.outbox.store import OutboxStore
from microcosm_pubsub.sql.transaction import Transaction, current_transaction


class Outbox:
    """
    Keep messages that are published inside a transaction until that is committed.

    :param store: writes rows
    :param relay: publishes them
    :param size_limit_bytes: the most that a topic takes in one call
    """

    def __init__(
        self, store: OutboxStore, relay: Relay, size_limit_bytes: int = DEFAULT_TOPIC_SIZE_LIMIT_BYTES
    ) -> None:
        self.store = store
        self.relay = relay
        self.size_limit_bytes = size_limit_bytes

    def __call__(self, call_next: PublishCall, messages: Sequence[PubsubMessage]) -> list[ProduceResult]:
        """Publish messages: at their topic, or at the end of the transaction that is open here."""
        transaction = current_transaction()
        if transaction is not None and transaction.owner is self.store.database:
            return [self._keep(transaction, message) for message in messages]
        if all(message.due_at is None for message in messages):
            return call_next(messages)
        # The rows are published later, outside of any transaction.
        database = self.store.database
        with database.open(database.make_transaction()) as own:
            results = [self._keep(own, message) for message in messages]
            own.commit()
        return results

    def _keep(self, transaction: Transaction, message: PubsubMessage) -> ProduceResult:
        if message.size_bytes > self.size_limit_bytes:
            return ProduceResult(
                error=PublishError(
                    f"Cannot publish {message.media_type} to {message.topic_arn}: it has {message.size_bytes} bytes, "
                    f"and a topic takes {self.size_limit_bytes}"
                )
            )
        self._attend(transaction)
        transaction.outgoing.add(message)
        return ProduceResult(message_id=find_identity(message))

    def _attend(self, transaction: Transaction) -> None:
        """Have the messages of a transaction written with it, and published after it."""
        outgoing = transaction.outgoing
        if outgoing.is_attended:
            return
        outgoing.is_attended = True
        written: list[Row] = []

        def write(connection: Connection) -> None:
            if messages := outgoing.messages:
                ids = self.store.write(connection, messages)
                written.extend(Row(id, each, is_ordered(each)) for id, each in zip(ids, messages, strict=True))

        def publish() -> None:
            due = [row for row in written if row.message.due_at is None]
            if due:
                self.relay.publish_soon(due)

        transaction.before_commit.append(write)
        transaction.after_commit.append(publish)
