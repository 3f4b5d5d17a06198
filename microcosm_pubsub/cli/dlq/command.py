"""
The command `pubsub dlq`, and the flags of its commands.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from microcosm_pubsub.cli.dlq.files import export, import_
from microcosm_pubsub.cli.dlq.flags import (
    add_decoding_flags,
    add_filter_flags,
    add_json_flag,
    add_queue_flags,
    positive_integer,
    positive_number,
)
from microcosm_pubsub.cli.dlq.purge import purge
from microcosm_pubsub.cli.dlq.redrive import redrive
from microcosm_pubsub.cli.dlq.run import run
from microcosm_pubsub.cli.dlq.show import list_queues, peek, print_groups
from microcosm_pubsub.cli.flags import add_client_flags
from microcosm_pubsub.cli.run import DAEMON
from microcosm_pubsub.dead_letters.redrive import MAX_REDRIVES


#: `peek` looks among at most this many messages by default.
PEEKED = 100


def add_flags(parser: ArgumentParser) -> None:
    """Add the commands, with their flags."""
    commands = parser.add_subparsers(dest="dlq_command", required=True, metavar="COMMAND")

    def add(name: str, call: Callable[[Namespace], int], text: str) -> ArgumentParser:
        command = commands.add_parser(name, help=text, description=text[:1].upper() + text[1:] + ".")
        command.set_defaults(call=main, dlq_call=call)
        add_client_flags(command)
        return command

    command = add("list", list_queues, "show queues with their dead-letter queues")
    command.add_argument("--prefix", default="", metavar="P", help="only queues whose names begin so")
    command.add_argument("--age", action="store_true", help="receive messages to find the oldest, and release them")
    add_json_flag(command)
    _add_look_flags(add("peek", peek, "show messages, and leave them"), PEEKED)
    _add_look_flags(add("groups", print_groups, "count messages by media type, handler and error"), None)
    _add_redrive_flags(add("redrive", redrive, "send messages back to where they came from"))
    _add_run_flags(add("run", run, "handle one message in this process"))
    command = add("export", export, "write messages to a file, as JSON lines")
    _add_receiving_flags(command)
    command.add_argument("--max", type=positive_integer, metavar="N", help="at most N")
    command.add_argument("--output", default="-", metavar="FILE", help="a new file; stdout by default")
    command.add_argument("--delete", action="store_true", help="delete them when they are safely in the file")
    command = add("import", import_, "send the JSON lines of a file to a queue")
    command.add_argument("file", metavar="FILE", help="- for stdin")
    command.add_argument("--to", required=True, metavar="Q", help="the queue's URL or name")
    add_json_flag(command)
    command = add("purge", purge, "delete all messages")
    add_queue_flags(command)
    command.add_argument("--yes", action="store_true", help="do not ask")
    add_json_flag(command)


def _add_receiving_flags(command: ArgumentParser) -> None:
    add_queue_flags(command)
    add_decoding_flags(command)
    add_filter_flags(command)


def _add_look_flags(command: ArgumentParser, default: int | None) -> None:
    _add_receiving_flags(command)
    text = f"at most N; {default} by default" if default else "at most N"
    command.add_argument("--max", type=positive_integer, default=default, metavar="N", help=text)
    add_json_flag(command)


def _add_redrive_flags(command: ArgumentParser) -> None:
    _add_receiving_flags(command)
    command.add_argument("--to", metavar="Q", help="another queue, its URL or name")
    command.add_argument("--dry-run", action="store_true", help="show what would be sent, and send nothing")
    command.add_argument(
        "--rate", type=positive_number, metavar="N", help="messages per second; as fast as it goes by default"
    )
    command.add_argument("--max", type=positive_integer, metavar="N", help="at most N")
    command.add_argument(
        "--max-redrives",
        type=positive_integer,
        default=MAX_REDRIVES,
        metavar="N",
        help=f"a message that was sent back N times stays; {MAX_REDRIVES} by default",
    )
    command.add_argument("--force", action="store_true", help="send back also what was sent back too often")
    command.add_argument("--copy", action="store_true", help="send one by one, and never by a move task of SQS")
    add_json_flag(command)


def _add_run_flags(command: ArgumentParser) -> None:
    command.add_argument("id", metavar="ID", help="the message's id, or that by which the daemon's log names it")
    add_queue_flags(command)
    command.add_argument("--daemon", required=True, metavar=DAEMON, help="whose handler it is")
    command.add_argument("--envelope", metavar="NAME", help="how bodies are read: the class of an envelope")
    command.add_argument("--debugger", action="store_true", help="stop at the handler's first line, in pdb")
    command.add_argument("--ack", action="store_true", help="delete the message if it is handled")
    add_json_flag(command)


def main(args: Namespace) -> int:
    """Run a command, and return its exit code."""
    if getattr(args, "delete", False) and args.output == "-":
        sys.stderr.write("pubsub dlq export: --delete needs --output FILE: nobody knows what becomes of stdout\n")
        return 2
    code: int = args.dlq_call(args)
    return code
