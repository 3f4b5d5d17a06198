"""
The file that names queues and their handlers: `pubsub.toml`, or `[tool.pubsub]` in `pyproject.toml`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microcosm_pubsub.errors import ConfigurationError


if TYPE_CHECKING:
    from microcosm_pubsub.sql.database import Database

#: The files in which it is looked for, in this order.
FILE = "pubsub.toml"
PROJECT_FILE = "pyproject.toml"

#: The keys of each section, and the types of their values.
QUEUE_KEYS: dict[str, type] = {"handler": str, "url": str, "workers": int}
DATABASE_KEYS: dict[str, type] = {"url": str}

TYPES = {str: "a text", int: "a whole number from 1"}

FITS: dict[type, Callable[[Any], bool]] = {
    str: lambda value: isinstance(value, str) and bool(value),
    int: lambda value: isinstance(value, int) and not isinstance(value, bool) and value > 0,
}


@dataclass(frozen=True, slots=True)
class Queue:
    """
    A queue, and the module that handles its messages.

    :param name: of its daemon and of its commands
    :param handler: a module, or a daemon as `package.module:Daemon`
    :param url: its URL or name, if that is not `name`
    :param workers: how many messages are handled at a time
    """

    name: str
    handler: str
    url: str | None = None
    workers: int | None = None

    @property
    def is_daemon(self) -> bool:
        """Return whether it is handled by a daemon of its own."""
        return ":" in self.handler


@dataclass(frozen=True, slots=True)
class Config:
    """
    The content of the file.

    :param path: where it is
    :param queues: by name
    :param database_url: of the database of handler modules
    """

    path: Path
    queues: Mapping[str, Queue]
    database_url: str | None = None

    def open_database(self) -> Database:
        """
        Return the database: `with config.open_database().transaction() as session: ...`.

        :raises ConfigurationError: if none is named, or it cannot be used
        """
        if self.database_url is None:
            raise ConfigurationError(f'{self.path} names no database: add [database] with url = "..."')
        from microcosm_pubsub.sql.database import Database, Settings
        from microcosm_pubsub.sql.url import parse_url

        return Database.open_url(parse_url(self.database_url), Settings("pubsub", auto_upgrade=True))

    def get_queue(self, name: str) -> Queue:
        """
        Return a queue by its name.

        :raises ConfigurationError: if there is none
        """
        if name not in self.queues:
            near = get_close_matches(name, self.queues, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; it names {', '.join(self.queues) or 'none'}"
            raise ConfigurationError(f"{self.path} names no queue {name}{hint}")
        return self.queues[name]


def find_config(path: str | None = None) -> Config | None:
    """
    Return the content of the file, or None if there is none.

    :param path: the file; by default the one in the current directory
    :raises ConfigurationError: if it cannot be read, or says what cannot be
    """
    if path is not None:
        return load_config(Path(path))
    if Path(FILE).is_file():
        return load_config(Path(FILE))
    project = Path(PROJECT_FILE)
    if project.is_file() and "pubsub" in read_toml(project).get("tool", {}):
        return load_config(project)
    return None


def load_config(path: Path) -> Config:
    """
    Return the content of a file.

    :raises ConfigurationError: with all that is wrong, if it cannot be read or says what cannot be
    """
    document = read_toml(path)
    prefix = "tool.pubsub." if path.name == PROJECT_FILE else ""
    if prefix:
        document = document.get("tool", {}).get("pubsub", {})
    problems = list(iter_problems(document, prefix))
    if problems:
        raise ConfigurationError(f"{path}: {'; '.join(problems)}")
    queues = {name: Queue(name=name, **values) for name, values in document.get("queues", {}).items()}
    return Config(path, queues, document.get("database", {}).get("url"))


def read_toml(path: Path) -> dict[str, Any]:
    """
    Return the document of a TOML file.

    :raises ConfigurationError: if there is none
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"Cannot read {path}: {error}") from error


def iter_problems(document: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Iterate over the faults of a document, one sentence each."""
    yield from iter_unknown(document, {"queues": dict, "database": dict}, prefix.rstrip("."))
    queues = document.get("queues", {})
    if not isinstance(queues, dict):
        yield f"{prefix}queues must be a table of queues"
        return
    for name, values in queues.items():
        place = f"{prefix}queues.{name}"
        if not isinstance(values, dict):
            yield f"{place} must be a table"
            continue
        yield from iter_wrong(values, QUEUE_KEYS, place)
        if "handler" not in values:
            yield f"{place}.handler is missing: name a module, or a daemon as package.module:Daemon"
    database = document.get("database", {})
    if not isinstance(database, dict):
        yield f"{prefix}database must be a table"
        return
    yield from iter_wrong(database, DATABASE_KEYS, f"{prefix}database")


def iter_wrong(values: Mapping[str, Any], keys: Mapping[str, type], place: str) -> Iterator[str]:
    """Iterate over the faults of a table's values."""
    yield from iter_unknown(values, keys, place)
    for key, kind in keys.items():
        value = values.get(key)
        if value is not None and not FITS[kind](value):
            yield f"{place}.{key} is {value!r}, but must be {TYPES[kind]}"


def iter_unknown(values: Mapping[str, Any], keys: Mapping[str, type], place: str) -> Iterator[str]:
    """Iterate over keys that nobody reads."""
    for key in values.keys() - keys.keys():
        near = get_close_matches(key, keys, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(keys)}"
        yield f"nobody reads {f'{place}.' if place else ''}{key}; {hint}"
