"""
Our tables, brought to the version that this package works with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError, ProgrammingError

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.sql.errors import TransactionError
from microcosm_pubsub.sql.history import History
from microcosm_pubsub.sql.passing import find_state, first_line
from microcosm_pubsub.sql.schema import Tables


VERSION_TABLE = "pubsub_database_version"

#: The newest migration.
HEAD = "0002"

MIGRATIONS = Path(__file__).parent / "migrations"

COMMAND = "pubsub db upgrade"


def history_of(tables: Tables) -> History:
    """Return the history of our tables."""
    return History(MIGRATIONS, VERSION_TABLE, tables.metadata.schema, tables.metadata)


def check(connection: Connection, tables: Tables, database: str) -> None:
    """
    Do nothing if our tables have the version of this package.

    :param database: its URL, without the password
    :raises ConfigurationError: if they have not, or there are none
    """
    found = history_of(tables).find_current(connection)
    if found == (HEAD,):
        return
    if not found:
        raise ConfigurationError(
            f"The database {database} has no tables of microcosm_pubsub: run `{COMMAND}`, or set "
            "pubsub_database.auto_upgrade"
        )
    version = ", ".join(found)
    if is_older(version):
        raise ConfigurationError(
            f"The tables of microcosm_pubsub in the database {database} have version {version}, and this package needs "
            f"{HEAD}: run `{COMMAND}`, or set pubsub_database.auto_upgrade"
        )
    raise_newer(version, database)


def upgrade(connection: Connection, tables: Tables, database: str) -> None:
    """
    Bring our tables to the version of this package.

    :raises ConfigurationError: if they are newer
    """
    history = history_of(tables)
    found = history.find_current(connection)
    if found == (HEAD,):
        return
    if found and not is_older(", ".join(found)):
        raise_newer(", ".join(found), database)
    history.upgrade(connection)


@contextmanager
def explaining(database: str) -> Iterator[None]:
    """
    Explain errors of the block about our tables, if they are missing: which command makes them.

    :param database: its URL, without the password
    :raises TransactionError: if they are missing
    """
    try:
        yield
    except (OperationalError, ProgrammingError) as error:
        if find_state(error) == "42P01" or "no such table" in str(error.orig):
            raise TransactionError(
                f"The database {database} has no tables of microcosm_pubsub, or old ones ({first_line(error)}): run "
                f"`{COMMAND}`, or set pubsub_database.auto_upgrade"
            ) from error
        raise


def is_older(version: str) -> bool:
    """Return whether a version is one of those before the newest."""
    known = {path.name.split("_")[0] for path in MIGRATIONS.glob("versions/[0-9]*.py")}
    return version in known - {HEAD}


def raise_newer(version: str, database: str) -> None:
    """
    Refuse tables of another package's version.

    :raises ConfigurationError: always
    """
    raise ConfigurationError(
        f"The tables of microcosm_pubsub in the database {database} have version {version}, but this package knows "
        f"only up to {HEAD}: upgrade microcosm_pubsub"
    )
