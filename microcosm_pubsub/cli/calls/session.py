"""
The object graph that sends, which these commands share.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from json import JSONDecodeError, loads
from os import environ
from typing import Any

from microcosm.api import create_object_graph, load_from_dict

from microcosm_pubsub.cli.flags import add_client_flags
from microcosm_pubsub.cli.run import find_daemon
from microcosm_pubsub.cli.sql.session import URL_VARIABLE, require_file
from microcosm_pubsub.errors import ConfigurationError


def add_graph_flags(parser: ArgumentParser) -> None:
    """Add the flags that choose where calls go, and how their result is printed."""
    parser.add_argument("--topic-arn", metavar="ARN", help="where calls are published; a broker has a topic for them")
    add_client_flags(parser)
    add_json_flag(parser)


def add_json_flag(parser: ArgumentParser) -> None:
    """Add the flag that has the result printed for a machine."""
    parser.add_argument("--json", action="store_true", help="print the result for a machine")


def open_graph(args: Namespace, *components: str) -> Any:
    """
    Return an object graph as the flags say, or that of the daemon that they name.

    :param components: the components that are used
    :raises ConfigurationError: if they choose a database that is not there
    """
    if getattr(args, "daemon", None):
        return find_daemon(args).create_for_lambda(broker_url=args.broker_url).graph
    client = {"profile_name": args.profile, "region_name": args.region, "endpoint_url": args.endpoint_url}
    given = {
        "pubsub_broker": {"url": args.broker_url},
        "pubsub_replies": {"prefix": getattr(args, "prefix", None)},
        "sns_producer": client,
        "sns_topic_arns": {"default": args.topic_arn},
        "sqs_consumer": client,
    }
    if hasattr(args, "database_url"):
        given["pubsub_database"] = {"url": args.database_url or environ.get(URL_VARIABLE), "schema": args.schema}
    config = {key: {name: value for name, value in values.items() if value} for key, values in given.items()}
    graph = create_object_graph("pubsub", loader=load_from_dict(config))
    graph.use("opaque", "pubsub_database", *components)
    graph.lock()
    require_file(graph.pubsub_database)
    return graph


@contextmanager
def opening_graph(args: Namespace, *components: str) -> Iterator[Any]:
    """Give an object graph as `open_graph` does, and close its database at the end of the block."""
    graph = open_graph(args, *components)
    try:
        yield graph
    finally:
        if graph.pubsub_database is not None:
            graph.pubsub_database.close()


def import_tasks(modules: list[str] | None, name: str | None = None) -> None:
    """
    Import the modules that declare tasks.

    :param modules: by name
    :param name: of a task, which by default begins with its module
    :raises ConfigurationError: if a module cannot be imported
    """
    sys.path.insert(0, "")
    for module in modules or []:
        import_user_module(module)
    parts = (name or "").split(".")[:-1]
    while parts:
        try:
            import_user_module(module := ".".join(parts))
            return
        except ConfigurationError as error:
            missing = error.__cause__
            # A module that is there, and imports one that is not, says so.
            if not (isinstance(missing, ModuleNotFoundError) and f"{module}.".startswith(f"{missing.name}.")):
                raise
            parts.pop()


def import_user_module(module: str) -> None:
    """
    Import a module.

    :raises ConfigurationError: if it cannot be imported
    """
    try:
        import_module(module)
    except ConfigurationError:
        # It says what is wrong with what the module declares.
        raise
    except Exception as error:
        # A module is user code, which runs here for the first time.
        raise ConfigurationError(f"Cannot import {module}: {type(error).__name__}: {error}") from error


def read_params(text: str | None) -> Any:
    """
    Return parameters that are written as JSON: a list, or an object.

    :raises ConfigurationError: if they are neither
    """
    try:
        params = loads(text) if text is not None else {}
    except JSONDecodeError as error:
        raise ConfigurationError(f"--args is no JSON: {error}") from error
    except RecursionError:
        raise ConfigurationError("--args is no JSON: it is too deep") from None
    if not isinstance(params, (list, dict)):
        raise ConfigurationError("--args must be a JSON list (by position) or a JSON object (by name)")
    return params
