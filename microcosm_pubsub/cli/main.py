"""
The `pubsub` command: write and read messages by hand, run a daemon, see a demonstration.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from importlib import import_module
from logging import DEBUG, WARNING, basicConfig
from typing import Any

from microcosm_pubsub.cli.modules import migrations
from microcosm_pubsub.errors import ConfigurationError, PubSubError
from microcosm_pubsub.modules import find_config
from microcosm_pubsub.modules.commands import add_plugins, add_queue_commands
from microcosm_pubsub.version import VERSION


#: The exit code that shells give a program whose reader has gone.
BROKEN_PIPE = 141

#: What each command is for, and the function that adds its flags: a module below this one, and a name in it.
COMMANDS = {
    "write": ("publish a message about a resource", "write:add_flags"),
    "read": ("receive messages once, print and delete them", "read:add_flags"),
    "run": ("run a daemon", "run:add_flags"),
    "config": ("show a daemon's configuration, and where each value comes from", "config:add_flags"),
    "dlq": ("look into a dead-letter queue, and empty it", "dlq.command:add_flags"),
    "db": ("create and upgrade the tables of handlers' transactions", "sql.db:add_flags"),
    "outbox": ("look into the outbox, and publish what waits there", "sql.outbox:add_flags"),
    "tasks": ("show, send, run, cancel and wait for tasks", "calls.tasks:add_flags"),
    "schedules": ("show, run and pause tasks that are sent again and again", "calls.schedules:add_flags"),
    "rpc": ("call a service, and remove what callers left", "calls.rpc:add_flags"),
    "schemas": ("what messages hold, and whether a change breaks somebody", "schemas:add_flags"),
    "topology": ("what a daemon and its producers need in AWS, and whether it is there", "topology:add_flags"),
    "iam": ("the least that must be allowed in AWS", "topology:add_iam_flags"),
    "doctor": ("what is wrong with a daemon's set-up, and what to do", "doctor:add_flags"),
    "serve": ("serve SNS and SQS over HTTP, on this machine", "serve:add_flags"),
    "demo": ("watch a daemon handle messages, on this machine alone", "demo.command:add_flags"),
}


def make_arg_parser(argv: Sequence[str]) -> ArgumentParser:
    """
    Return the parser of a command line.

    :param argv: the command line; only the command that it names has its flags, and commands of other packages are
        there only if it names none of ours
    """
    parser = ArgumentParser(prog="pubsub", description="Pub/sub on AWS SNS and SQS.")
    add_file_flag(parser)
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    asked, config_file = find_command(argv)
    for name, (text, path) in COMMANDS.items():
        command = commands.add_parser(name, help=text)
        if name == asked:
            # To import what all commands need takes longer than most of them run.
            load(path)(command)
    migrations.add_flags(commands)
    # Importing users' modules takes time, and may fail: no command of ours waits for it.
    if asked not in commands.choices and "--version" not in argv:
        add_others(commands, config_file)
    return parser


def add_file_flag(parser: ArgumentParser) -> None:
    """Add the flag that names the configuration file."""
    parser.add_argument(
        "-c",
        dest="config_file",
        metavar="FILE",
        help="names the queues; pubsub.toml, or [tool.pubsub] in pyproject.toml",
    )


def find_command(argv: Sequence[str]) -> tuple[str | None, str | None]:
    """Return the command that a command line names, and the configuration file."""
    parser = ArgumentParser(add_help=False)
    add_file_flag(parser)
    known, rest = parser.parse_known_args(argv)
    return next((each for each in rest if not each.startswith("-")), None), known.config_file


def load(path: str) -> Any:
    """Return what a path names: a module of the commands, and a name in it."""
    module, _, name = path.partition(":")
    return getattr(import_module(f"microcosm_pubsub.cli.{module}"), name)


def add_others(commands: Any, path: str | None) -> None:
    """
    Add the commands of handler modules and of other packages.

    :param path: of the configuration file; by default the one in the current directory
    :raises ConfigurationError: if it cannot be read
    """
    add_plugins(commands)
    if config_file := find_config(path):
        add_queue_commands(commands, config_file)


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command, and exit non-zero with one clear line if it fails."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        if find_command(argv)[0] == "topology":
            argv = load("topology:complete")(argv)
        args: Namespace = make_arg_parser(argv).parse_args(argv)
    except ConfigurationError as error:
        sys.exit(f"pubsub: {error}")
    if args.command != "run":
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
