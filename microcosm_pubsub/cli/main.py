"""
The `pubsub` command: write and read messages by hand, run a daemon, see a demonstration.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from logging import DEBUG, WARNING, basicConfig
from typing import Any

from microcosm_pubsub.cli import config, doctor, read, run, schemas, serve, topology, write
from microcosm_pubsub.cli.calls import rpc, schedules, tasks
from microcosm_pubsub.cli.demo import command as demo
from microcosm_pubsub.cli.dlq import command as dlq
from microcosm_pubsub.cli.modules import migrations
from microcosm_pubsub.cli.sql import db, outbox
from microcosm_pubsub.errors import ConfigurationError, PubSubError
from microcosm_pubsub.modules import find_config
from microcosm_pubsub.modules.commands import add_plugins, add_queue_commands
from microcosm_pubsub.version import VERSION


#: What shells say of a program whose reader has gone.
BROKEN_PIPE = 141


def make_arg_parser(argv: Sequence[str] = ()) -> ArgumentParser:
    """
    Return the parser of the command line.

    :param argv: the command line; the commands of others are there only if it names none of ours
    """
    parser = ArgumentParser(prog="pubsub", description="Pub/sub on AWS SNS and SQS.")
    add_file_flag(parser)
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    for name, text, add in COMMANDS:
        add(commands.add_parser(name, help=text))
    migrations.add_flags(commands)
    add_others(commands, argv)
    return parser


def add_file_flag(parser: ArgumentParser) -> None:
    """Add the flag that names the configuration file."""
    parser.add_argument(
        "-c",
        dest="config_file",
        metavar="FILE",
        help="names the queues; pubsub.toml, or [tool.pubsub] in pyproject.toml",
    )


def add_others(commands: Any, argv: Sequence[str]) -> None:
    """
    Add the commands of handler modules and of other packages.

    :raises ConfigurationError: if the configuration file cannot be read
    """
    # Importing users' modules takes time, and may fail: no command of ours waits for it.
    parser = ArgumentParser(add_help=False)
    add_file_flag(parser)
    known, rest = parser.parse_known_args(argv)
    name = next((each for each in rest if not each.startswith("-")), None)
    if name in commands.choices or "--version" in rest:
        return
    add_plugins(commands)
    if config_file := find_config(known.config_file):
        add_queue_commands(commands, config_file)


def add_client_flags(parser: ArgumentParser) -> None:
    """Add the flags of commands that call AWS."""
    parser.add_argument("--profile", metavar="P", help="a profile of ~/.aws/config")
    parser.add_argument("--region", metavar="R")
    parser.add_argument("--endpoint-url", metavar="E", help="an engine other than AWS")
    parser.add_argument("--debug", action="store_true", help="log what is called")


#: The commands, what they are for, and what adds their flags.
COMMANDS: tuple[tuple[str, str, Callable[[ArgumentParser], None]], ...] = (
    ("write", "publish a message about a resource", lambda command: write.add_flags(command, add_client_flags)),
    ("read", "receive messages once, print and delete them", lambda command: read.add_flags(command, add_client_flags)),
    ("run", "run a daemon", run.add_flags),
    ("config", "show a daemon's configuration, and where each value comes from", config.add_flags),
    ("dlq", "look into a dead-letter queue, and empty it", lambda command: dlq.add_flags(command, add_client_flags)),
    ("db", "create and upgrade the tables of handlers' transactions", db.add_flags),
    (
        "outbox",
        "look into the outbox, and publish what waits there",
        lambda command: outbox.add_flags(command, add_client_flags),
    ),
    (
        "tasks",
        "show, send, run, cancel and wait for tasks",
        lambda command: tasks.add_flags(command, add_client_flags),
    ),
    (
        "schedules",
        "show, run and pause tasks that are sent again and again",
        lambda command: schedules.add_flags(command, add_client_flags),
    ),
    ("rpc", "call a service, and remove what callers left", lambda command: rpc.add_flags(command, add_client_flags)),
    ("schemas", "what messages hold, and whether a change breaks somebody", schemas.add_flags),
    (
        "topology",
        "what a daemon and its producers need in AWS, and whether it is there",
        lambda command: topology.add_flags(command, add_client_flags),
    ),
    ("iam", "the least that must be allowed in AWS", topology.add_iam_flags),
    (
        "doctor",
        "what is wrong with a daemon's set-up, and what to do",
        lambda command: doctor.add_flags(command, add_client_flags),
    ),
    ("serve", "serve SNS and SQS over HTTP, on this machine", serve.add_flags),
    ("demo", "watch a daemon handle messages, on this machine alone", demo.add_flags),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command, and exit non-zero with one clear line if it fails."""
    argv = topology.complete(sys.argv[1:] if argv is None else argv)
    try:
        args: Namespace = make_arg_parser(argv).parse_args(argv)
    except ConfigurationError as error:
        sys.exit(f"pubsub: {error}")
    if args.call is not run.main:
        # A plugin's command need not have the flag.
        level = DEBUG if getattr(args, "debug", False) else WARNING
        basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(message)s")
    try:
        code = args.call(args)
        sys.stdout.flush()
        sys.exit(code)
    except BrokenPipeError:
        # Otherwise Python complains once more when it flushes stdout in the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE)
    except PubSubError as error:
        sys.exit(f"pubsub {args.command}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
