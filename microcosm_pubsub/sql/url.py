"""
The URL of a database, and the drivers that reach it, from threads and from coroutines.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from microcosm_pubsub.errors import ConfigurationError


EXAMPLES = "sqlite:///orders.db or postgresql+psycopg://user@host/database"

#: The driver that threads use beside an asynchronous one.
SYNC_DRIVERS = {"postgresql+asyncpg": "postgresql+psycopg", "sqlite+aiosqlite": "sqlite"}

#: psycopg is both. https://docs.sqlalchemy.org/en/20/dialects/postgresql.html#module-sqlalchemy.dialects.postgresql.psycopg
ASYNC_DRIVERS = {*SYNC_DRIVERS, "postgresql+psycopg"}


@dataclass(frozen=True, slots=True)
class DatabaseURL:
    """
    A database, and how to reach it.

    :param sync: for threads
    :param coroutines: for coroutines; None if its driver is for threads alone
    """

    sync: URL
    coroutines: URL | None

    def __str__(self) -> str:
        return self.sync.render_as_string(hide_password=True)

    @property
    def is_sqlite(self) -> bool:
        """Return whether it is SQLite's."""
        return self.sync.get_backend_name() == "sqlite"

    @property
    def is_memory(self) -> bool:
        """Return whether it is empty, and ends with its connection."""
        return self.is_sqlite and self.sync.database in (None, "", ":memory:")

    def find_absent_file(self) -> str | None:
        """Return the file of a database of SQLite that is not there: looking into it would make it."""
        path = str(self.sync.database)
        is_file = self.is_sqlite and not self.is_memory and not path.startswith("file:")
        return path if is_file and not Path(path).exists() else None


def parse_url(text: str) -> DatabaseURL:
    """
    Return the database of a URL.

    :raises ConfigurationError: if it is none, or one of a kind that is not supported
    """
    try:
        url = make_url(text)
        backend = url.get_backend_name()
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError):
        raise ConfigurationError(f"pubsub_database.url is no URL of a database; it must be like {EXAMPLES}") from None
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"pubsub_database.url needs the driver {error.name}: install it") from error
    if backend not in ("sqlite", "postgresql"):
        raise ConfigurationError(
            f"pubsub_database.url is of {backend}, but must be of SQLite or PostgreSQL, like {EXAMPLES}"
        )
    if backend == "sqlite" and any((url.host, url.port, url.username, url.password)):
        raise ConfigurationError(
            f"pubsub_database.url names a host, which SQLite has none of: a file has three slashes, like {EXAMPLES}"
        )
    if url.drivername == "postgresql":
        # The meaning of that differs between versions of SQLAlchemy.
        url = url.set(drivername="postgresql+psycopg")
    sync = url.set(drivername=SYNC_DRIVERS.get(url.drivername, url.drivername))
    return DatabaseURL(sync, url if url.drivername in ASYNC_DRIVERS else None)
