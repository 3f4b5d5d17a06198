"""
`pubsub schemas`: what messages hold, and whether a change of it breaks somebody.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from importlib import import_module
from json import dumps
from pathlib import Path

from microcosm.api import create_object_graph, load_from_dict

from microcosm_pubsub.cli.calls.session import add_json_flag
from microcosm_pubsub.cli.dlq.session import print_json
from microcosm_pubsub.cli.run import load_daemon
from microcosm_pubsub.cli.table import make_table, print_table
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.gate.asyncapi import make_document
from microcosm_pubsub.gate.description import MessageDescription, describe_messages
from microcosm_pubsub.gate.lock import LOCK_FILE, compare, read_lock, write_lock
from microcosm_pubsub.graph import PubSubGraph


def add_flags(parser: ArgumentParser) -> None:
    """Add the commands, with their flags."""
    commands = parser.add_subparsers(dest="schemas_command", required=True, metavar="COMMAND")

    def add(name: str, call: Callable[[Namespace], int], text: str) -> ArgumentParser:
        command = commands.add_parser(name, help=text, description=text[:1].upper() + text[1:] + ".")
        command.set_defaults(call=call, debug=False)
        command.add_argument(
            "target", metavar="package.module[:Daemon]", help="a daemon, or a module that declares schemas"
        )
        return command

    add_json_flag(add("list", list_schemas, "show the messages that there are"))
    for name, call, text in (
        ("lock", lock, "write what messages hold into a file, to be compared with"),
        ("check", check, "compare what messages hold with the file, and exit 1 if that breaks somebody"),
    ):
        command = add(name, call, text)
        command.add_argument("--file", default=LOCK_FILE, metavar="FILE", help=f"{LOCK_FILE} by default")
        add_json_flag(command)
        if call is check:
            command.add_argument(
                "--allow",
                action="append",
                default=[],
                metavar="MEDIA_TYPE[:FIELD]",
                help="let this break; * stands for any text",
            )
    command = add("jsonschema", print_json_schema, "print what messages hold as JSON Schema")
    command.add_argument("media_type", nargs="?", metavar="MEDIA_TYPE", help="of these alone")
    command.add_argument("--writes", action="store_true", help="what is written, in the place of what is read")
    add("asyncapi", print_asyncapi, "print channels, operations and messages as an AsyncAPI document")


def list_schemas(args: Namespace) -> int:
    """Show the messages that there are."""
    messages = load(args.target).messages
    if args.json:
        print_json([{"media_type": name, **each.to_dict()} for name, each in messages.items()])
        return 0
    table = make_table("media type", "schema", "fields", "hash")
    for media_type, each in messages.items():
        required = set(each.reads.get("required", ()))
        names = [name if name in required else f"{name}?" for name in each.reads.get("properties", {})]
        table.add_row(media_type, each.schema, ", ".join(names), each.hash)
    print_table(table)
    return 0


def lock(args: Namespace) -> int:
    """Write the lock file."""
    messages = load(args.target).messages
    write_lock(Path(args.file), messages)
    if args.json:
        print_json({"file": args.file, "messages": len(messages)})
    else:
        print(f"wrote {args.file}, media types: {len(messages)}")
    return 0


def check(args: Namespace) -> int:
    """Compare with the lock file, and return 1 if something breaks."""
    changes = compare(read_lock(Path(args.file)), load(args.target).messages, args.allow)
    broken = [change for change in changes if change.breaks and not change.is_allowed]
    if args.json:
        print_json({"breaks": bool(broken), "changes": [change.to_dict() for change in changes]})
        return int(bool(broken))
    if not changes:
        print(f"nothing has changed since {args.file}")
        return 0
    table = make_table("media type", "field", "change", "breaks")
    for change in changes:
        whom = f"{change.breaks} not yet deployed" if change.breaks else "nobody"
        table.add_row(change.media_type, change.path, change.text, f"{whom} (allowed)" if change.is_allowed else whom)
    print_table(table)
    if broken:
        what = (
            "1 change breaks somebody: undo it"
            if len(broken) == 1
            else f"{len(broken)} changes break somebody: undo them"
        )
        print(f"{what}, use a new media type, or say --allow", file=sys.stderr)
    else:
        print(f"nobody breaks; `pubsub schemas lock {args.target}` takes note of it")
    return int(bool(broken))


def print_json_schema(args: Namespace) -> int:
    """Print JSON Schema, of one media type or by media type."""
    messages = load(args.target).messages
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    found = {name: {**dialect, **(each.writes if args.writes else each.reads)} for name, each in messages.items()}
    if args.media_type is None:
        print(dumps(found, indent=2))
        return 0
    if args.media_type not in found:
        raise ConfigurationError(
            f"{args.target} has no schema of {args.media_type}; it has {', '.join(found) or 'none'}"
        )
    print(dumps(found[args.media_type], indent=2))
    return 0


def print_asyncapi(args: Namespace) -> int:
    """Print an AsyncAPI document."""
    program = load(args.target)
    print(
        dumps(make_document(program.name, program.messages, program.handled, program.queue, program.topics), indent=2)
    )
    return 0


class Program:
    """
    A daemon, or a module, and its schemas.

    :param name: of the daemon or the module
    :param graph: has the schemas
    :param handled: the media types that it handles
    :param queue: the name of its queue, if it has one
    """

    def __init__(self, name: str, graph: PubSubGraph, handled: list[str], queue: str | None) -> None:
        self.name = name
        self.handled = handled
        self.queue = queue
        self.messages: dict[str, MessageDescription] = describe_messages(graph.pubsub_message_schema_registry, handled)
        arns = graph.sns_topic_arns
        self.topics = {media_type: arns.get(media_type) or arns.default for media_type in self.messages}


def load(target: str) -> Program:
    """
    Return the facts about a daemon, or about a module that declares schemas.

    :raises ConfigurationError: if it cannot be imported
    """
    module, colon, _ = target.partition(":")
    if colon:
        # Queues and topics in memory will do: content is the same everywhere.
        loader = load_from_dict(sns_producer={"mock_sns": True})
        daemon = load_daemon(target).create_for_testing(loader=loader)
        return Program(daemon.name, daemon.graph, sorted(daemon.bound_handlers), daemon.name)
    sys.path.insert(0, "")
    try:
        import_module(module)
    except Exception as error:
        # A module is user code, which runs here for the first time.
        raise ConfigurationError(f"Cannot import {module}: {type(error).__name__}: {error}") from error
    graph = create_object_graph("schemas", testing=True)
    graph.use("pubsub_message_schema_registry", "sns_topic_arns")
    graph.lock()
    return Program(module, graph, [], None)
