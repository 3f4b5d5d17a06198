"""
Show the configuration of a daemon, and where each value comes from.
"""

from __future__ import annotations

from argparse import REMAINDER, ArgumentError, ArgumentParser, Namespace
from contextlib import suppress
from json import dumps

from rich.markup import escape

from microcosm_pubsub.cli.run import DAEMON, find_daemon
from microcosm_pubsub.cli.table import make_table, print_table
from microcosm_pubsub.daemon.origin import iter_settings


#: The flags of the command, which may stand behind the daemon's name too.
FLAGS = {"json": "print JSON", "changed": "leave out what is as it is by default"}


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of the command."""
    for name, text in FLAGS.items():
        parser.add_argument(f"--{name}", action="store_true", help=text)
    parser.add_argument("daemon", metavar=DAEMON)
    parser.add_argument("flags", nargs=REMAINDER, help="the daemon's own flags, such as --workers 3")
    parser.set_defaults(call=main, debug=False)


def main(args: Namespace) -> None:
    """Print every value in force, and where it came from."""
    daemon = find_daemon(args)()
    parser = daemon.make_arg_parser()
    parser.prog = f"pubsub config {args.daemon}"
    for name, text in FLAGS.items():
        # A flag that the daemon has too is the daemon's there.
        with suppress(ArgumentError):
            parser.add_argument(f"--{name}", dest=f"config_{name}", action="store_true", help=text)
    flags = parser.parse_args(args.flags)
    as_json, only_changed = (getattr(args, name) or getattr(flags, f"config_{name}", False) for name in FLAGS)
    settings = [each for each in iter_settings(daemon, flags) if each.origin != "default" or not only_changed]
    if as_json:
        found = {each.key: {"value": each.value, "origin": each.origin} for each in settings}
        print(dumps(found, indent=2, default=str))
        return
    table = make_table("key", "value", "from")
    for setting in settings:
        style = "dim" if setting.origin == "default" else "bold"
        table.add_row(setting.key, escape(str(setting.value)), setting.origin, style=style)
    print_table(table)
