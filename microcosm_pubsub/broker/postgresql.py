"""
PostgreSQL: what spares round trips to it, and what can be done when it refuses.

A call whose only change is one statement needs no transaction around that, nor around what it reads before: each
statement of PostgreSQL sees what is committed by then, within a transaction as well.
https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, func


#: On which processes are told which queues have messages. https://www.postgresql.org/docs/current/sql-notify.html
CHANNEL = "pubsub_messages"

#: A column that lets the end of a transaction not wait for the disk, if a row is returned.
#:
#: What is lost of a receive, if the database's machine fails just then, is that there was one: the messages are still
#: there, and are received again. A delete that comes after it is not written before it.
#: https://www.postgresql.org/docs/current/wal-async-commit.html
NOBODY_WAITS_FOR_THE_DISK: ColumnElement[Any] = func.set_config("synchronous_commit", "off", True)

#: What an operator can do about an error, by what PostgreSQL or its driver says.
ADVICE = {
    "permission denied": "grant {user} CREATE on its schema, once, and all rights on its tables pubsub_*",
    "Connection refused": "see that PostgreSQL runs there",
    "failed to resolve host": "correct the host of the URL",
    "timeout expired": "see that it runs, and that no firewall is in the way",
    "authentication failed": "correct the user or the password of the URL",
    "no password supplied": "add the password to the URL, or to ~/.pgpass",
    'relation "pubsub_': "its tables were dropped while it was open: restart whatever has it open",
    "does not exist": "create it, or correct the URL",
    "too many clients": "raise its max_connections, or run fewer processes",
}


def find_postgresql_advice(said: str, user: str | None) -> str | None:
    """
    Return what can be done about an error; None if nobody knows.

    :param said: by the database or its driver
    :param user: of the URL
    """
    advice = next((advice for text, advice in ADVICE.items() if text in said), None)
    return None if advice is None else advice.format(user=user or "its user")


def tell_of(queue_name: Any) -> ColumnElement[Any]:
    """Return the column that tells other processes, at the end of its transaction, that a queue has messages."""
    return func.pg_notify(CHANNEL, queue_name)


def set_autocommit(connection: Connection, on: bool) -> None:
    """Let each statement be a transaction of its own, or not: the driver's matter, for which it asks nobody."""
    driver: Any = connection.connection.driver_connection
    if driver.autocommit != on:
        driver.autocommit = on


def ensure_transaction(connection: Connection) -> None:
    """Let all that follows be one transaction; on SQLite it is so already."""
    if connection.dialect.name == "postgresql":
        # The driver says BEGIN before the next statement.
        set_autocommit(connection, False)
