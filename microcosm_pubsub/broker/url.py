"""
The URL of a broker's database.
"""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from microcosm_pubsub.errors import ConfigurationError


def parse_url(text: str) -> URL:
    """
    Return the URL of a broker's database.

    :raises ConfigurationError: if it is none
    """
    expected = "sqlite:///pubsub.db, sqlite:// (in memory) or postgresql+psycopg://user@host/database"
    try:
        url = make_url(text)
        driver = url.get_dialect().driver
    except (ArgumentError, NoSuchModuleError):
        raise ConfigurationError(f"The broker's URL must be like {expected}") from None
    if (url.get_backend_name(), driver) not in (("sqlite", "pysqlite"), ("postgresql", "psycopg")):
        raise ConfigurationError(f"The broker does not run on {url.drivername}; its URL must be like {expected}")
    if url.get_backend_name() == "sqlite" and any((url.host, url.port, url.username, url.password)):
        raise ConfigurationError(
            "The broker's URL names a host, which SQLite has none of: a file has three slashes; it must be like "
            f"{expected}"
        )
    if url.database == "" and url.get_backend_name() == "sqlite":
        # Where a variable was meant to name the file, each process would have a database of its own.
        raise ConfigurationError(f"The broker's URL sqlite:/// names no file; it must be like {expected}")
    return url
