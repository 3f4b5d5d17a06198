"""
The migrations of the models of handler modules: Alembic, with a folder of scripts beside each module.

All folders are one history, whose version table is `alembic_version`. Each queue has a branch in it, so that the heads
of one do not concern the others. All revisions are run in one transaction, or none.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.exc import DBAPIError

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.modules.config import Config
from microcosm_pubsub.sql.errors import TransactionError
from microcosm_pubsub.sql.history import require_alembic, take_turn
from microcosm_pubsub.sql.passing import first_line, is_passing


ENVIRONMENT = Path(__file__).parent / "migrations"

#: The folder of a module's scripts.
FOLDER = "migrations"

#: The table of the revisions that were run, by Alembic's own name.
VERSION_TABLE = "alembic_version"


class ModuleHistory:
    """
    The migrations of handler modules.

    :param config: names the database
    :param modules: by the name of their queue
    :raises ConfigurationError: if Alembic is not installed
    """

    def __init__(self, config: Config, modules: Mapping[str, ModuleType]) -> None:
        require_alembic()
        self.config = config
        self.modules = modules

    # Questions.

    def find_folder(self, name: str) -> Path:
        """
        Return where the scripts of a queue's module are.

        :raises ConfigurationError: if the module is no package, which could hold them
        """
        module = self.modules[name]
        paths = list(getattr(module, "__path__", ()))
        if not paths:
            raise ConfigurationError(
                f"Handler {module.__name__!r} of {name} is a single file: make it a package, "
                f"{module.__name__.rpartition('.')[2]}/__init__.py, whose {FOLDER}/ holds its migrations"
            )
        return Path(paths[0]).resolve() / FOLDER

    def find_heads(self) -> dict[str, list[str]]:
        """Return the newest migrations of each queue that has any."""
        scripts = self._read_scripts()
        found: dict[str, list[str]] = {}
        for head in scripts.get_heads():
            folder = Path(scripts.get_revision(head).path).resolve().parent
            for name in self._iter_names():
                if self.find_folder(name) == folder:
                    found.setdefault(name, []).append(head)
        return {name: sorted(heads) for name, heads in sorted(found.items())}

    # Commands.

    def make(self, name: str, message: str) -> Path | None:
        """
        Write a script that brings the database to the models of a queue's module, and return where it is.

        :returns: None if the database has what the models say
        :raises ConfigurationError: if the queue has several heads, or the database lacks migrations
        """
        folder = self.find_folder(name)
        folder.mkdir(exist_ok=True)
        heads = self.find_heads().get(name, [])
        if len(heads) > 1:
            raise ConfigurationError(
                f"{name} has {len(heads)} heads, {', '.join(heads)}, and none of them can be the parent of a "
                f"migration: run `pubsub merge-migrations {name}` first"
            )
        tables = find_tables(self.modules[name])
        with self._connect() as connection, translated_errors():
            from alembic import command

            script = command.revision(
                self._prepare(connection, tables),
                message=message,
                autogenerate=True,
                head=heads[0] if heads else "base",
                branch_label=None if heads else name,
                version_path=str(folder),
            )
        written = script if isinstance(script, list) else [script]
        return next((Path(each.path) for each in written if each), None)

    def migrate(self) -> tuple[list[str], list[str]]:
        """
        Run the revisions that were not run yet, and return the versions before and after.

        :raises ConfigurationError: if the scripts do not fit together
        :raises TransactionError: if the database does not take one; then none was run
        """
        self._read_scripts()
        with self._connect() as connection, translated_errors():
            from alembic import command

            before = self._find_current(connection)
            command.upgrade(self._prepare(connection, []), "heads")
            return before, self._find_current(connection)

    def merge(self, name: str, message: str) -> Path:
        """
        Write a script that makes one head of several, and return where it is.

        :raises ConfigurationError: if there is but one
        """
        heads = self.find_heads().get(name, [])
        if len(heads) < 2:
            raise ConfigurationError(f"{name} has {len(heads)} heads: there is nothing to merge")
        with translated_errors():
            from alembic import command

            script: Any = command.merge(self._prepare(None, []), heads, message=message)
        return Path(script.path)

    # Internals.

    def _iter_names(self) -> Iterator[str]:
        return (name for name, module in self.modules.items() if getattr(module, "__path__", None))

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        database = self.config.open_database()
        try:
            with database.connect() as connection:
                take_turn(connection, VERSION_TABLE)
                yield connection
        finally:
            database.close()

    def _find_current(self, connection: Connection) -> list[str]:
        from alembic.runtime.migration import MigrationContext

        return sorted(MigrationContext.configure(connection).get_current_heads())

    def _read_scripts(self) -> Any:
        from alembic.script import ScriptDirectory

        with translated_errors():
            scripts = ScriptDirectory.from_config(self._prepare(None, []))
            try:
                scripts.get_heads()
            except KeyError as error:
                raise ConfigurationError(
                    f"Migrations: a script comes after the revision {error}, of which there is no script: restore that "
                    "one, or correct down_revision"
                ) from error
            return scripts

    def _prepare(self, connection: Connection | None, tables: list[Table]) -> Any:
        from alembic.config import Config as AlembicConfig

        folders = [self.find_folder(name) for name in self._iter_names()]
        config = AlembicConfig(cmd_opts=Namespace(quiet=True))
        options = {
            "script_location": str(ENVIRONMENT),
            "path_separator": "newline",
            "version_locations": "\n".join(str(folder) for folder in folders if folder.is_dir()),
        }
        for key, value in options.items():
            # A percent sign would begin an interpolation.
            config.set_main_option(key, value.replace("%", "%%"))
        own = {(table.schema, table.name) for table in tables}

        def is_own(found: Any, name: str | None, kind: str, reflected: bool, compared: Any) -> bool:
            table = found if kind == "table" else found.table
            return (table.schema, table.name) in own

        config.attributes.update(
            connection=connection,
            metadata=list({id(table.metadata): table.metadata for table in tables}.values()) or MetaData(),
            include_object=is_own,
            process_revision_directives=leave_out_empty,
        )
        return config


def leave_out_empty(context: Any, revision: Any, directives: list[Any]) -> None:
    """Write no script that does nothing."""
    if directives and directives[0].upgrade_ops is not None and directives[0].upgrade_ops.is_empty():
        directives.clear()


def find_tables(module: ModuleType) -> list[Table]:
    """Return the tables that a module and those within it define."""
    prefix = f"{module.__name__}."
    modules = [found for name, found in sys.modules.items() if name == module.__name__ or name.startswith(prefix)]
    tables: dict[int, Table] = {}
    for value in (value for each in modules for value in vars(each).values()):
        is_model = isinstance(value, type) and f"{value.__module__}.".startswith(prefix)
        table = getattr(value, "__table__", None) if is_model else value
        if isinstance(table, Table):
            tables[id(table)] = table
    return list(tables.values())


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn errors of Alembic into errors that say what somebody can do about them."""
    from alembic.util.exc import CommandError

    try:
        yield
    except CommandError as error:
        hint = ": run `pubsub migrate` first" if "up to date" in str(error) else ""
        raise ConfigurationError(f"Migrations: {str(error).rstrip('.')}{hint}") from error
    except SyntaxError as error:
        # Alembic reads all scripts, whichever it runs.
        raise ConfigurationError(
            f"Migrations: {error.filename}, line {error.lineno}, is no Python: {error.msg}; correct it, or restore it"
        ) from error
    except DBAPIError as error:
        if is_passing(error):
            raise
        statement = " ".join((error.statement or "").split())
        raise TransactionError(
            f"Migrations: the database does not take `{statement}`: {first_line(error)}; correct the script with it; "
            "none was run"
        ) from error
