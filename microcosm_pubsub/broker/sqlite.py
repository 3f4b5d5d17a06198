"""
SQLite: how a connection is set up, and how it gets its turn at the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from os import stat
from threading import local
from time import monotonic, sleep
from typing import Any

from sqlalchemy import Connection, Engine


#: A call waits at most this many seconds for its turn at the database.
BUSY_TIMEOUT_SECONDS = 30.0

#: While it waits, it first asks again at once this many times, for a transaction takes a fraction of a millisecond, and
#: then later and later; SQLite's own wait begins at a millisecond. https://www.sqlite.org/c3ref/busy_timeout.html
EAGER_TRIES = 30
MIN_BUSY_INTERVAL_SECONDS = 0.00005
MAX_BUSY_INTERVAL_SECONDS = 0.005

#: A call that is under way when the program ends has this many seconds to end.
END_SECONDS = 1.0


class Busy(Exception):
    """Raised when another program has the database just now; nothing of the transaction was done."""


class _Haste(local):
    on = False


_haste = _Haste()


def is_hasty() -> bool:
    """Return whether this thread is in a block of `hasty`."""
    return _haste.on


@contextmanager
def hasty() -> Iterator[None]:
    """
    Let transactions of this thread that would have to wait for the database raise `Busy`, for the length of a block.

    On PostgreSQL every call waits for the network; it is not for that.
    """
    _haste.on = True
    try:
        yield
    finally:
        _haste.on = False


def set_up(connection: Any, record: Any, synchronous: str | None) -> None:
    """Prepare a new connection to SQLite, to a file if `synchronous` says how."""
    # Transactions begin where we say, not where the driver guesses:
    # https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#enabling-non-legacy-sqlite-transactional-modes-with-the-sqlite3-or-aiosqlite-driver
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    if synchronous is not None:
        wait_for_turn(lambda: cursor.execute("PRAGMA journal_mode = WAL"))
        cursor.execute(f"PRAGMA synchronous = {synchronous}")
        cursor.execute("PRAGMA wal_autocheckpoint = 0")
    cursor.close()


def begin_immediate(connection: Connection) -> None:
    """Begin a transaction that may write, as soon as no other one does."""
    # Go past SQLAlchemy, which takes its time to wrap an error that we expect.
    driver: Any = connection.connection.driver_connection
    wait_for_turn(lambda: driver.execute("BEGIN IMMEDIATE"))


def find_inode(path: str) -> int | None:
    """Return what the file of a name is to the system; None if there is none, or it is no plain file."""
    try:
        return stat(path).st_ino
    except OSError:
        return None


def wait_for_turn(call: Any) -> None:
    """Make a call, again and again while another process has the database."""
    deadline = monotonic() + BUSY_TIMEOUT_SECONDS
    interval = MIN_BUSY_INTERVAL_SECONDS
    tries = 0
    while True:
        try:
            call()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or monotonic() > deadline:
                raise
            tries += 1
            if _haste.on:
                raise Busy from None
            if tries <= EAGER_TRIES:
                # This lets other threads run.
                sleep(0)
                continue
            sleep(interval)
            interval = min(2 * interval, MAX_BUSY_INTERVAL_SECONDS)
        else:
            return


def dispose_in_turn(engine: Engine, turn: Any) -> None:
    """
    Close the connections of a store that nobody uses any more, be it that the program ends.

    Threads may be at it then, and SQLite does not stand that a connection is closed during a call. So they get no turn
    any more; one that does not end its own in time keeps its connection, and SQLite finds all that was committed.

    :param turn: the lock of those that use the connection; None if each has one of its own
    """
    if turn is None or turn.acquire(timeout=END_SECONDS):
        engine.dispose()


class Shared:
    """A transaction that several calls have together."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.has_failed = False

    @contextmanager
    def join(self) -> Iterator[Connection]:
        """Give the connection to one of the calls."""
        try:
            yield self.connection
        except BaseException:
            self.has_failed = True
            raise
