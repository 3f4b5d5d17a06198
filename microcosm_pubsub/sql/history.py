"""
A history of migrations, and where a database stands in it: Alembic, for some tables in a schema.

Processes that upgrade together take turns, and each migration is done whole or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from logging import WARNING, getLogger
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, inspect, text
from sqlalchemy.schema import CreateSchema

from microcosm_pubsub.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Revision:
    """
    A migration.

    :param down: those that it comes after
    """

    id: str
    text: str
    down: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class History:
    """
    The migrations of some tables.

    :param folder: holds `env.py` and `versions/`
    :param version_table: says which of them were run
    :param schema: of that table; None is the database's own
    :param metadata: of the tables
    """

    folder: Path
    version_table: str
    schema: str | None
    metadata: MetaData

    def find_current(self, connection: Connection) -> tuple[str, ...]:
        """Return the revisions at which a database stands; none if none was run."""
        if not inspect(connection).has_table(self.version_table, schema=self.schema):
            return ()
        quote = connection.dialect.identifier_preparer
        name = quote.quote(self.version_table)
        if self.schema is not None:
            name = f"{quote.quote_schema(self.schema)}.{name}"
        return tuple(sorted(connection.scalars(text(f"SELECT version_num FROM {name}"))))

    def upgrade(self, connection: Connection, revision: str = "heads") -> None:
        """
        Run the migrations that a database lacks, within its transaction.

        :raises ConfigurationError: if Alembic is not installed
        """
        take_turn(connection, f"{self.schema}.{self.version_table}")
        if self.schema is not None and connection.dialect.name == "postgresql":
            connection.execute(CreateSchema(self.schema, if_not_exists=True))
        command, config = self._prepare(connection)
        command.upgrade(config, revision)

    def list_revisions(self) -> list[Revision]:
        """Return the migrations, the first one first."""
        from alembic.script import ScriptDirectory

        _, config = self._prepare(None)
        scripts = ScriptDirectory.from_config(config)
        found = [
            Revision(script.revision, (script.doc or "").strip(), tuple(script._normalized_down_revisions))
            for script in scripts.walk_revisions()
        ]
        return found[::-1]

    def _prepare(self, connection: Connection | None) -> tuple[Any, Any]:
        # The caller says which migrations were run; Alembic also logs when it is imported.
        getLogger("alembic").setLevel(WARNING)
        require_alembic()
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(self.folder))
        config.set_main_option("path_separator", "os")
        config.attributes.update(
            connection=connection,
            metadata=self.metadata,
            schema=self.schema,
            version_table=self.version_table,
        )
        return command, config


def require_alembic() -> None:
    """
    Do nothing if Alembic is installed, which takes a while to import, and is seldom needed.

    :raises ConfigurationError: if it is not
    """
    try:
        import alembic  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"Migrations need {error.name}: pip install 'microcosm_pubsub[sql]'") from error


def take_turn(connection: Connection, name: str) -> None:
    """
    Wait until no other process migrates, and let none begin before the end of this transaction.

    Alembic itself does not see to that; SQLite has one writer at a time.

    :param name: of what is migrated
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": name})
