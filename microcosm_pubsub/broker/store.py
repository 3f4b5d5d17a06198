"""
The broker's database: connections, transactions, and what goes wrong with them.

One short transaction per call. On SQLite every transaction is immediate, so that a writer waits for its turn at the
beginning, and never fails half-way; on PostgreSQL rows are locked one by one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from logging import getLogger
from threading import RLock
from time import monotonic
from typing import Any
from weakref import finalize

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from microcosm_pubsub.broker import sqlite
from microcosm_pubsub.broker.postgresql import find_postgresql_advice, set_autocommit
from microcosm_pubsub.broker.sqlite import Busy, Shared, begin_immediate, dispose_in_turn, find_inode, is_hasty, set_up
from microcosm_pubsub.broker.upgrade import upgrade
from microcosm_pubsub.broker.url import parse_url
from microcosm_pubsub.config.fork import Lockable, hold_still_while_forking, keep_inherited, start_anew_in_child
from microcosm_pubsub.config.sqlite_advice import find_sqlite_advice
from microcosm_pubsub.errors import ConfigurationError, PubSubError


logger = getLogger(__name__)

#: The write-ahead log goes back into the file after this many transactions of a process. Left to itself, SQLite tries
#: that at every commit once the log is long, and with several busy processes does not get to begin the log anew.
#: https://www.sqlite.org/wal.html#avoiding_excessively_large_wal_files
CHECKPOINT_TRANSACTIONS = 250

#: A file that was deleted or replaced is noticed within this time.
CHECK_SECONDS = 1.0

#: That takes some milliseconds, so it is done by calls for whose end nobody waits, and after so many by any.
MAX_CHECKPOINT_TRANSACTIONS = 2 * CHECKPOINT_TRANSACTIONS


class StoreError(PubSubError):
    """
    Raised when the database failed; nothing of the call was done, but that a receive may have hidden messages already.

    :param full: whether it has no room any more
    :param invalid: whether it cannot hold a value of the call, such as text with a zero byte
    """

    def __init__(self, text: str, full: bool = False, invalid: bool = False) -> None:
        super().__init__(text)
        self.full = full
        self.invalid = invalid


class RolledBack(Exception):
    """Raised at the end of a transaction of several calls if one of them failed; nothing of any was done."""


class Store:
    """
    Hold the broker's database.

    :param url: `sqlite:///file`, `sqlite://` (in memory), or `postgresql+psycopg://...`
    :param synchronous: SQLite's setting. NORMAL survives the end of any process; FULL survives the loss of power
        too, at the price of a disk flush per call. https://www.sqlite.org/pragma.html#pragma_synchronous
    :raises ConfigurationError: if the URL is none of these, or the database cannot be used
    """

    def __init__(self, url: str, synchronous: str = "NORMAL") -> None:
        self.url = parse_url(url)
        self.synchronous = synchronous
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.is_memory = self.is_sqlite and self.url.database in (None, "", ":memory:")
        # Threads of this process take turns here, which is cheaper than at the file; so one connection does for all.
        self._turn = RLock() if self.is_sqlite else None
        self._connection: Connection | None = None
        self._shared: Shared | None = None
        # What the connection's file is to the system, and when it was last seen to be that which has its name.
        self._inode: int | None = None
        self._checked_at = 0.0
        self._transactions = 0
        self.engine = self._create_engine()
        driver = self.engine.dialect.loaded_dbapi
        # Statements that are prepared go past SQLAlchemy.
        self._errors, self._invalid = (DBAPIError, driver.Error), driver.DataError
        start_anew_in_child(self, Store.start_anew)
        if self.is_sqlite:
            # SQLite keeps the locks of a file in the memory of the process: a child would inherit those of a
            # transaction under way, which nobody would ever release. https://www.sqlite.org/howtocorrupt.html (2.6)
            hold_still_while_forking(self, Store._get_turn)
        self._end: finalize[[Engine, Any], Store] | None = None
        self._close_at_end()
        try:
            upgrade(self.engine, self.is_memory)
        except BaseException as error:
            # The connections would stay open otherwise.
            self.close()
            if isinstance(error, self._errors):
                raise ConfigurationError(
                    f"Cannot use the broker's database {self}: {self._explain(first_line(error))}"
                ) from error
            raise

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def begin(self, autocommit: bool = False) -> Iterator[Connection]:
        """
        Give a connection with a transaction, which is committed at a clean end of the block, and rolled back otherwise.

        :param autocommit: whether it begins with `ensure_transaction` on PostgreSQL, where each statement before that
            is a transaction of its own; on SQLite it begins with the block in any case
        :raises StoreError: if the database fails
        :raises Busy: in a block of `hasty`, if it would have to wait
        """
        if self._turn is None:
            with self._begin(autocommit) as connection:
                yield connection
            return
        if (hasty := is_hasty()) and not self._turn.acquire(blocking=False):
            raise Busy
        # An interrupt may come between a call and the next line, but not between a lock and its block.
        with self._turn:
            if hasty:  # this thread has it twice
                self._turn.release()
            if self._shared is not None:
                with self._shared.join() as connection:
                    yield connection
                return
            with self._begin() as connection:
                yield connection
            self._transactions += 1
            if self._transactions >= MAX_CHECKPOINT_TRANSACTIONS:
                self._checkpoint()

    @contextmanager
    def together(self) -> Iterator[None]:
        """
        Let the calls of this thread, for the length of a block, be one transaction of SQLite.

        :raises RolledBack: at its end, if one of them failed within its part of the transaction
        :raises StoreError: if the database fails
        :raises Busy: in a block of `hasty`, if it would have to wait
        """
        with self.begin() as connection:
            shared = self._shared = Shared(connection)
            try:
                yield
            finally:
                self._shared = None
            if shared.has_failed:
                raise RolledBack

    @contextmanager
    def _begin(self, autocommit: bool = False) -> Iterator[Connection]:
        try:
            if self._turn is None:
                with self.engine.begin() as connection:
                    set_autocommit(connection, autocommit)
                    yield connection
                return
            connection = self._connection or self._connect()
            self._check_file()
            try:
                with connection.begin():
                    yield connection
            except BaseException as error:
                if not self.is_memory and not isinstance(error, Exception):
                    # An interrupt may come when SQLite has begun, and SQLAlchemy does not know: this closes it.
                    self._connection = None
                    connection.invalidate()
                raise
        except self._errors as error:
            said = first_line(error)
            full = "is full" in said or "No space left" in said
            invalid = isinstance(said_by_driver(error), self._invalid)
            raise StoreError(f"The broker's database {self} failed: {self._explain(said)}", full, invalid) from error
        except UnicodeEncodeError as error:
            raise StoreError("Text must be UTF-8, without halves of surrogate pairs.", invalid=True) from error

    def _explain(self, said: str) -> str:
        """Return the text of a database's error, and what can be done about it."""
        advice: str | None = None
        if self.is_sqlite:
            advice = find_sqlite_advice(said, str(self.url.database), sqlite.BUSY_TIMEOUT_SECONDS)
        else:
            advice = find_postgresql_advice(said, self.url.username)
        return f"{said}; {advice}" if advice else said

    def _connect(self) -> Connection:
        connection = self._connection = self.engine.connect()
        self._inode = find_inode(str(self.url.database))
        return connection

    def _check_file(self) -> None:
        """
        See that the file is still there: others would open another one, and both would wait for messages in vain.

        :raises StoreError: if it was deleted or replaced
        """
        now = monotonic()
        if self._inode is None or now - self._checked_at < CHECK_SECONDS:
            return
        if find_inode(str(self.url.database)) != self._inode:
            raise StoreError(
                f"The file of the broker's database {self} was deleted or replaced while it was open: restart whatever "
                "has it open"
            )
        self._checked_at = now

    def tidy(self) -> None:
        """Do now what has to be done now and then, if it is due: whoever calls it keeps nobody waiting."""
        if self._turn is None or self._transactions < CHECKPOINT_TRANSACTIONS or self._shared is not None:
            return
        if self._turn.acquire(blocking=not is_hasty()):
            try:
                self._checkpoint()
            finally:
                self._turn.release()

    def _checkpoint(self) -> None:
        """Put the write-ahead log back into the file."""
        self._transactions = 0
        if self.is_memory or self._connection is None:
            return
        driver: Any = self._connection.connection.driver_connection
        try:
            # If other processes are in the way, the next time will do.
            driver.execute("PRAGMA wal_checkpoint(RESTART)")
        except sqlite3.OperationalError as error:
            logger.warning("Cannot put the write-ahead log back into %s: %s", self, error)

    def _get_turn(self) -> Lockable:
        assert self._turn is not None
        return self._turn

    def start_anew(self) -> None:
        """
        Use no connection of the parent's any more, in a forked child; a database in memory is a copy of the parent's.

        https://docs.sqlalchemy.org/en/20/core/pooling.html#using-connection-pools-with-multiprocessing-or-os-fork
        """
        if self._turn is not None:
            self._turn = RLock()
            self._close_at_end()
        if not self.is_memory:
            keep_inherited((self.engine.pool, self._connection))
            self._connection = None
            self.engine.dispose(close=False)

    def close(self) -> None:
        """Close the connections."""
        with self._turn or nullcontext():
            self._connection = None
            self.engine.dispose()

    def _close_at_end(self) -> None:
        """Have it closed when it is no longer used, or the program ends, if it is not before."""
        if self._end is not None:
            self._end.detach()
        self._end = finalize(self, dispose_in_turn, self.engine, self._turn)

    def _create_engine(self) -> Engine:
        if not self.is_sqlite:
            return create_engine(self.url, pool_size=10, max_overflow=40)
        # A database in memory is its connection; on a file, threads that take turns need no other.
        arguments = {"check_same_thread": False, "timeout": 0}
        engine = create_engine(self.url, connect_args=arguments, poolclass=StaticPool)
        event.listen(engine, "connect", partial(set_up, synchronous=None if self.is_memory else self.synchronous))
        event.listen(engine, "begin", begin_immediate)
        return engine


def said_by_driver(error: Exception) -> BaseException | None:
    """Return the error of a database's driver, which may be within one of SQLAlchemy."""
    return error.orig if isinstance(error, DBAPIError) else error


def first_line(error: Exception) -> str:
    """Return the text of a database's error."""
    said = said_by_driver(error)
    return (str(said).splitlines() or [type(said).__name__])[0]
