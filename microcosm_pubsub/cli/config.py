"""
Show the configuration of a daemon, and where each value comes from.
"""

from __future__ import annotations

from argparse import REMAINDER, ArgumentParser, Namespace
from json import dumps

from rich.markup import escape

from microcosm_pubsub.cli.run import DAEMON, find_daemon
from microcosm_pubsub.cli.table import make_table, print_table
from microcosm_pubsub.daemon.origin import iter_settings


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--changed", action="store_true", help="leave out what is as it is by default")
    parser.add_argument("daemon", metavar=DAEMON)
    parser.add_argument("flags", nargs=REMAINDER, help="the daemon's own flags, such as --workers 3")
    parser.set_defaults(call=main, debug=False)


def main(args: Namespace) -> None:
    """Print every value in force, and where it came from."""
    daemon = find_daemon(args)()
    parser = daemon.make_arg_parser()
    parser.prog = f"pubsub config {args.daemon}"
    settings = [
        setting
        for setting in iter_settings(daemon, parser.parse_args(args.flags))
        if setting.origin != "default" or not args.changed
    ]
    if args.json:
        found = {each.key: {"value": each.value, "origin": each.origin} for each in settings}
        print(dumps(found, indent=2, default=str))
        return
    table = make_table("key", "value", "from")
    for setting in settings:
        style = "dim" if setting.origin == "default" else "bold"
        table.add_row(setting.key, escape(str(setting.value)), setting.origin, style=style)
    print_table(table)
