"""
The savepoints of transactions, made by sessions, or by handlers on their connection.

A session makes one only when it is used, so that its own beginnings and ends count, too.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session, SessionTransaction

from microcosm_pubsub.sql.outgoing import TransactionMessages
from microcosm_pubsub.sql.session import TRANSACTION_KEY
from microcosm_pubsub.sql.transaction import TRANSACTION


def follow_connections(engine: Engine) -> None:
    """Let transactions know of the savepoints on connections of an engine."""

    def find(connection: Connection) -> TransactionMessages:
        transaction = TRANSACTION.get()
        # A connection that is in no transaction of ours has nothing to forget.
        return (
            transaction.outgoing if transaction is not None and transaction.is_on(connection) else TransactionMessages()
        )

    def begin(connection: Connection, name: str | None) -> None:
        outgoing = find(connection)
        outgoing.savepoints += 1
        # A savepoint without a name gets one after this event: its number on its connection.
        outgoing.begin(name or f"sa_savepoint_{outgoing.savepoints}")

    def release(connection: Connection, name: str, context: Any) -> None:
        find(connection).release(name)

    def roll_back(connection: Connection, name: str, context: Any) -> None:
        find(connection).roll_back(name)

    event.listen(engine, "savepoint", begin)
    event.listen(engine, "release_savepoint", release)
    event.listen(engine, "rollback_savepoint", roll_back)


def follow_sessions(session_cls: type[Session]) -> None:
    """Let transactions know of the beginnings and ends of sessions of a class."""

    def find(session: Session) -> TransactionMessages:
        outgoing: TransactionMessages = session.info[TRANSACTION_KEY].outgoing
        return outgoing

    def begin(session: Session, transaction: SessionTransaction) -> None:
        find(session).begin(transaction)

    def end(session: Session, transaction: SessionTransaction) -> None:
        find(session).release(transaction)

    def roll_back(session: Session, previous: SessionTransaction) -> None:
        find(session).roll_back(previous)
        if previous.parent is None:
            session.info[TRANSACTION_KEY].begin_again()

    def stand_in_savepoints(session: Session) -> None:
        # A later rollback must not undo what has been committed so far.
        session.join_transaction_mode = "create_savepoint"

    event.listen(session_cls, "after_commit", stand_in_savepoints)
    event.listen(session_cls, "after_transaction_create", begin)
    event.listen(session_cls, "after_transaction_end", end)
    event.listen(session_cls, "after_soft_rollback", roll_back)
