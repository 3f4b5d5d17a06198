"""
The meaning of a database's errors: whether trying again helps, and what to say of them.
"""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from microcosm_pubsub.config.sqlite_advice import find_sqlite_advice
from microcosm_pubsub.sql.engine import BUSY_SECONDS
from microcosm_pubsub.sql.errors import TransactionError


#: serialization_failure, deadlock_detected, lock_not_available, admin_shutdown, crash_shutdown, cannot_connect_now,
#: idle_in_transaction_session_timeout: https://www.postgresql.org/docs/current/errcodes-appendix.html
PASSING_STATES = {"40001", "40P01", "55P03", "57P01", "57P02", "57P03", "25P03"}

#: States that stay until somebody changes something: wrong passwords, no rights, no such database.
LASTING_STATES = ("28", "3D", "42")
LASTING_TEXTS = ("authentication failed", "does not exist", "no password supplied", "unable to open database file")

#: SQLite's message while another process writes. https://www.sqlite.org/rescode.html#busy
BUSY = "database is locked"


def is_passing(error: BaseException | None) -> bool:
    """
    Return whether a transaction that failed so may succeed at once if it is tried again.

    That is so of a serialization failure, a deadlock, a lock that was not given, and a lost connection. It is found
    among the causes too, since handlers raise errors of their own.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, DBAPIError):
            return _is_passing(error)
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def _is_passing(error: DBAPIError) -> bool:
    state = find_state(error)
    return (
        error.connection_invalidated
        or state in PASSING_STATES
        or (state or "").startswith("08")
        or BUSY in str(error.orig)
    )


def is_lasting(error: Exception) -> bool:
    """Return whether an error while connecting will come again until somebody changes something."""
    state = find_state(error) if isinstance(error, DBAPIError) else None
    # libpq gives no SQLSTATE for a connection that it could not make, only the server's message:
    # https://github.com/psycopg/psycopg/issues/331
    said = str(error)
    return (state or "").startswith(LASTING_STATES) or any(text in said for text in LASTING_TEXTS)


def describe(database: str, error: Exception) -> TransactionError:
    """
    Return the meaning of a database's error for its operator.

    :param database: its URL, without the password
    """
    said = first_line(error)
    return TransactionError(f"Cannot use the database {database}: {said}; {_find_advice(database, error, said)}")


def _find_advice(database: str, error: Exception, said: str) -> str:
    if isinstance(error, PoolTimeoutError):
        return "all connections are in use: raise pubsub_database.pool_size, or lower pubsub_worker.concurrency"
    name, _, path = database.partition(":///")
    if name.startswith("sqlite") and (advice := find_sqlite_advice(said, path, BUSY_SECONDS)) is not None:
        return advice
    return "correct pubsub_database.url, or the rights of its user" if is_lasting(error) else "see that it runs"


def find_state(error: DBAPIError) -> str | None:
    """Return the SQLSTATE of an error, under the name that its driver has for it."""
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    return str(state) if state else None


def first_line(error: BaseException) -> str:
    """Return the text of a database's error, in one line, without the statement and its values."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return (str(said).strip().splitlines() or [type(said).__name__])[0]
