"""
The savepoints of transactions, whoever makes them: sessions, or handlers on their connection.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, event

from microcosm_pubsub.sql.outgoing import Outgoing
from microcosm_pubsub.sql.transaction import TRANSACTION


def follow_savepoints(engine: Engine) -> None:
    """Let the transactions of an engine know of their savepoints, whoever makes them."""

    def find(connection: Connection) -> Outgoing | None:
        transaction = TRANSACTION.get()
        return transaction.outgoing if transaction is not None and transaction.is_on(connection) else None

    def begin(connection: Connection, name: str) -> None:
        if (outgoing := find(connection)) is not None:
            outgoing.begin(name)

    def release(connection: Connection, name: str, context: Any) -> None:
        if (outgoing := find(connection)) is not None:
            outgoing.release(name)

    def roll_back(connection: Connection, name: str, context: Any) -> None:
        if (outgoing := find(connection)) is not None:
            outgoing.roll_back(name)

    event.listen(engine, "savepoint", begin)
    event.listen(engine, "release_savepoint", release)
    event.listen(engine, "rollback_savepoint", roll_back)
