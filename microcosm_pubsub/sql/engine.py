"""
The engines that reach a database, and SQLite's settings under which transactions are what they are elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import StaticPool

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.sql.url import DatabaseURL


if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


#: A transaction on SQLite waits at most this many seconds for those of other processes.
BUSY_SECONDS = 30.0

#: On SQLite a transaction says at its beginning that it will write: one that reads first, and writes when another one
#: has written, fails. https://www.sqlite.org/lang_transaction.html#deferred_immediate_and_exclusive_transactions
BEGIN = "BEGIN IMMEDIATE"

#: Options of an engine whose transactions only read.
READING = {"pubsub_reading": True}


def make_engine(url: DatabaseURL, **options: Any) -> Engine:
    """
    Return an engine for threads.

    :param options: of its pool and its transactions, by SQLAlchemy's names
    :raises ConfigurationError: if its driver is not installed
    """
    try:
        engine = create_engine(url.sync, **choose_options(url, options))
    except ModuleNotFoundError as error:
        raise missing_driver(error) from error
    set_up(url, engine)
    return engine


def make_async_engine(url: DatabaseURL, **options: Any) -> AsyncEngine:
    """
    Return an engine for coroutines.

    :raises ConfigurationError: if its driver is not installed, or greenlet
    """
    assert url.coroutines is not None, "there is an engine for coroutines only if the URL's driver is for them"
    try:
        from sqlalchemy.ext.asyncio import create_async_engine

        engine = create_async_engine(url.coroutines, **choose_options(url, options))
    except ImportError as error:
        raise missing_driver(error) from error
    set_up(url, engine.sync_engine)
    return engine


def choose_options(url: DatabaseURL, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of an engine for a database."""
    if not url.is_sqlite:
        return {name: value for name, value in options.items() if value is not None}
    arguments = {"connect_args": {"timeout": BUSY_SECONDS, "check_same_thread": False}}
    if url.is_memory:
        # The database is the connection, so there is one.
        return {**arguments, "poolclass": StaticPool}
    # Transactions of SQLite are always serializable.
    return {**arguments, **{name: value for name, value in options.items() if name != "isolation_level"}}


def set_up(url: DatabaseURL, engine: Engine) -> None:
    """Make SQLite begin transactions where we say, and let others read meanwhile."""
    if not url.is_sqlite:
        return

    def connect(connection: Any, record: Any) -> None:
        # https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#enabling-non-legacy-sqlite-transactional-modes-with-the-sqlite3-or-aiosqlite-driver
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        if not url.is_memory:
            cursor.execute("PRAGMA journal_mode = WAL")
        cursor.close()

    def begin(connection: Connection) -> None:
        is_reading = connection.get_execution_options().keys() >= READING.keys()
        connection.exec_driver_sql("BEGIN" if is_reading else BEGIN)

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", begin)


def missing_driver(error: ImportError) -> ConfigurationError:
    """Return the error of a driver that is not installed."""
    if error.name == "psycopg":
        return ConfigurationError("pubsub_database.url needs psycopg: pip install 'microcosm_pubsub[sql,postgres]'")
    if error.name is None or "greenlet" in str(error):
        return ConfigurationError(
            f"Coroutine handlers need greenlet for their transactions: pip install 'microcosm_pubsub[sql]' ({error})"
        )
    return ConfigurationError(f"pubsub_database.url needs the driver {error.name}: install it")
