"""
The `pubsub` command: write and read messages by hand, run a daemon, see a demonstration.
"""

from __future__ import annotations

import sys
from argparse import REMAINDER, ArgumentParser, Namespace
from collections.abc import Sequence
from logging import DEBUG, WARNING, basicConfig

from microcosm_pubsub.cli import config, read, run, serve, write
from microcosm_pubsub.cli.demo import command as demo
from microcosm_pubsub.cli.dlq import command as dlq
from microcosm_pubsub.cli.sql import db, outbox
from microcosm_pubsub.errors import PubSubError
from microcosm_pubsub.version import VERSION


def make_arg_parser() -> ArgumentParser:
    """Return the parser of the command line."""
    parser = ArgumentParser(prog="pubsub", description="Pub/sub on AWS SNS and SQS.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = commands.add_parser("write", help="publish a message about a resource")
    command.add_argument("--topic-arn", required=True, metavar="A")
    command.add_argument("--uri", required=True, metavar="U", help="where the resource is")
    command.add_argument(
        "--media-type",
        required=True,
        metavar="M",
        help="a whole media type, or a resource's name, which means that it was created",
    )
    add_client_flags(command)
    command.set_defaults(call=write.main)

    command = commands.add_parser("read", help="receive messages once, print and delete them")
    command.add_argument("--queue-url", required=True, metavar="Q")
    command.add_argument("--nack", action="store_true", help="leave them in the queue")
    command.add_argument(
        "--nack-timeout",
        type=int,
        metavar="S",
        help="seconds until they are visible again, with --nack; 0 by default",
    )
    add_client_flags(command)
    command.set_defaults(call=read.main)

    command = commands.add_parser("run", help="run a daemon")
    command.add_argument("daemon", metavar="package.module:Daemon")
    command.add_argument("flags", nargs=REMAINDER, help="the daemon's own flags, such as --help")
    command.set_defaults(call=run.main, debug=False)

    command = commands.add_parser("config", help="show a daemon's configuration, and where each value comes from")
    config.add_flags(command)
    command.set_defaults(call=config.main, debug=False)

    command = commands.add_parser("dlq", help="look into a dead-letter queue, and empty it")
    dlq.add_flags(command, add_client_flags)

    command = commands.add_parser("db", help="create and upgrade the tables of handlers' transactions")
    db.add_flags(command)

    command = commands.add_parser("outbox", help="look into the outbox, and publish what waits there")
    outbox.add_flags(command, add_client_flags)

    command = commands.add_parser("serve", help="serve SNS and SQS over HTTP, on this machine")
    serve.add_flags(command)
    command.set_defaults(call=serve.main)

    command = commands.add_parser("demo", help="watch a daemon handle messages, on this machine alone")
    demo.add_flags(command)
    command.set_defaults(call=demo.main)
    return parser


def add_client_flags(parser: ArgumentParser) -> None:
    """Add the flags of commands that call AWS."""
    parser.add_argument("--profile", metavar="P", help="a profile of ~/.aws/config")
    parser.add_argument("--region", metavar="R")
    parser.add_argument("--endpoint-url", metavar="E", help="an engine other than AWS")
    parser.add_argument("--debug", action="store_true", help="log what is called")


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command, and exit non-zero with one clear line if it fails."""
    args: Namespace = make_arg_parser().parse_args(argv)
    if args.call is not run.main:
        basicConfig(level=DEBUG if args.debug else WARNING, stream=sys.stderr, format="%(levelname)s %(message)s")
    try:
        sys.exit(args.call(args))
    except PubSubError as error:
        sys.exit(f"pubsub {args.command}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
