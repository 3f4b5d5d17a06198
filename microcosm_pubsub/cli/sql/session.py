"""
The database that these commands share.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from os import environ
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microcosm.api import create_object_graph, load_from_dict

from microcosm_pubsub.cli.run import DAEMON, find_daemon
from microcosm_pubsub.errors import ConfigurationError


if TYPE_CHECKING:
    from microcosm_pubsub.sql.database import Database


#: The database, if no flag names it.
URL_VARIABLE = "PUBSUB_DATABASE_URL"


def add_database_flags(parser: ArgumentParser) -> None:
    """Add the flags that choose a database."""
    parser.add_argument(
        "--database-url", metavar="URL", help=f"such as postgresql+psycopg://user@host/database; or {URL_VARIABLE}"
    )
    parser.add_argument("--schema", metavar="S", help="of our tables, on PostgreSQL; pubsub by default")
    parser.add_argument("--daemon", metavar=DAEMON, help="the database and the topics of a daemon")
    parser.add_argument("--json", action="store_true", help="print the result for a machine")


@contextmanager
def open_graph(args: Namespace, is_made: bool = True) -> Iterator[Any]:
    """
    Give an object graph with the database that the flags choose.

    :param is_made: whether its file must be there
    :raises ConfigurationError: if they choose none, or it is not there
    """
    if args.daemon:
        graph = find_daemon(args).create_for_lambda(broker_url=getattr(args, "broker_url", None)).graph
    else:
        graph = create_object_graph("pubsub", loader=load_from_dict(make_config(args)))
        graph.use("opaque", "sns_producer", "pubsub_database", "pubsub_outbox")
        graph.lock()
    require_database(graph.pubsub_database)
    if is_made and not args.daemon:
        require_file(graph.pubsub_database)
    try:
        yield graph
    finally:
        graph.pubsub_database.close()


def require_database(found: object) -> None:
    """
    Do nothing if there is a database, and raise otherwise.

    :raises ConfigurationError: if there is none
    """
    if found is None:
        raise ConfigurationError(
            f"No database: give --database-url, or set {URL_VARIABLE}, or name a --daemon that has one"
        )


def require_file(database: Database | None) -> None:
    """
    Do nothing if a database is there, or is none, and raise otherwise: who mistypes its file is not to make one.

    :raises ConfigurationError: if its file is not there
    """
    if database is not None and database.url is not None and (path := database.url.find_absent_file()) is not None:
        raise ConfigurationError(
            f"There is no database in the file {path}, seen from {Path.cwd()}: see --database-url and {URL_VARIABLE}, "
            "or make it with `pubsub db upgrade`"
        )


@contextmanager
def open_database(args: Namespace) -> Iterator[Database]:
    """
    Give the database that the flags choose, which may be made by that.

    :raises ConfigurationError: if they choose none
    """
    with open_graph(args, is_made=False) as graph:
        yield graph.pubsub_database


def make_config(args: Namespace) -> dict[str, Any]:
    """Return the configuration that the flags stand for."""
    url = args.database_url or environ.get(URL_VARIABLE)
    given = {
        "pubsub_database": {"url": url, "schema": args.schema},
        "pubsub_broker": {"url": getattr(args, "broker_url", None)},
        "sns_producer": {
            "profile_name": getattr(args, "profile", None),
            "region_name": getattr(args, "region", None),
            "endpoint_url": getattr(args, "endpoint_url", None),
        },
    }
    return {
        section: {key: value for key, value in values.items() if value is not None} for section, values in given.items()
    }
