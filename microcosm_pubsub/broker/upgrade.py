"""
Create and upgrade the broker's tables.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, inspect, text

from microcosm_pubsub.broker.schema import metadata
from microcosm_pubsub.errors import ConfigurationError


VERSION_TABLE = "pubsub_alembic_version"

#: The newest migration.
HEAD = "0003"

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(engine: Engine, is_memory: bool = False) -> None:
    """
    Bring the tables to the newest version.

    :param is_memory: whether the database is empty and ours alone
    :raises ConfigurationError: if the tables are newer than this package
    """
    if is_memory:
        with engine.begin() as connection:
            metadata.create_all(connection, checkfirst=False)
        return
    version = find_version(engine)
    if version == HEAD:
        return
    known = {path.name.split("_")[0] for path in MIGRATIONS.glob("versions/[0-9]*.py")}
    if version is not None and version not in known:
        raise ConfigurationError(
            f"The broker's database {engine.url.render_as_string(hide_password=True)} has schema version {version}, "
            f"but this package knows only up to {HEAD}: upgrade microcosm_pubsub"
        )
    run_migrations(engine)


def find_version(engine: Engine) -> str | None:
    """Return the version of the tables; None if there are none."""
    with engine.connect() as connection:
        if not inspect(connection).has_table(VERSION_TABLE):
            return None
        version: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
        return version


def run_migrations(engine: Engine) -> None:
    """Run the migrations that the database lacks; processes that start together take turns."""
    # Alembic takes a while to import, and is seldom needed.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('microcosm_pubsub'))"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
