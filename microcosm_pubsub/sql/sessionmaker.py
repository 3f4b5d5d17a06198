"""
The database of a `sessionmaker` that somebody else made, as microcosm-postgres does.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import sessionmaker

from microcosm_pubsub.errors import ConfigurationError, article


def read_sessionmaker(maker: Any) -> dict[str, Any]:
    """
    Return the engine and the options of a session factory, as a `Database` needs them.

    :raises ConfigurationError: if it has no engine, or one of SQLite, whose transactions begin too late
    """
    if not isinstance(maker, sessionmaker):
        raise ConfigurationError(
            f"The graph's `sessionmaker` is {article(maker)}, but must be a sqlalchemy.orm.sessionmaker; or "
            "set pubsub_database.url"
        )
    options = dict(maker.kw)
    engine = options.pop("bind", None)
    if not isinstance(engine, Engine):
        raise ConfigurationError("The graph's `sessionmaker` has no engine: bind one, or set pubsub_database.url")
    if engine.dialect.name == "sqlite":
        raise ConfigurationError(
            "The graph's `sessionmaker` is of SQLite, whose driver begins transactions too late for savepoints: set "
            "pubsub_database.url to its URL"
        )
    return {"engine": engine, "session_cls": maker.class_, "session_options": options}
