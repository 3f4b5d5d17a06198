"""
`pubsub db`: the versions of our tables.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from microcosm_pubsub.cli.dlq.session import print_json
from microcosm_pubsub.cli.sql.session import add_database_flags, open_database


def add_flags(parser: ArgumentParser) -> None:
    """Add the commands, with their flags."""
    commands = parser.add_subparsers(dest="db_command", required=True, metavar="COMMAND")

    def add(name: str, call: Callable[[Namespace], int], text: str) -> None:
        command = commands.add_parser(name, help=text, description=text[:1].upper() + text[1:] + ".")
        command.set_defaults(call=call, debug=False)
        add_database_flags(command)

    add("upgrade", upgrade, "create our tables, or bring them to the version of this package")
    add("current", current, "print the version of our tables")
    add("history", history, "print all versions, and where the database stands")


def upgrade(args: Namespace) -> int:
    """Create our tables, or bring them to the version of this package."""
    from microcosm_pubsub.sql.upgrade import HEAD

    with open_database(args) as database:
        before = database.find_version()
        database.upgrade()
    if args.json:
        print_json({"database": str(database), "before": before, "version": HEAD})
    else:
        print(f"{database} is at {HEAD}" + (", as before" if before == HEAD else f", before at {before or 'none'}"))
    return 0


def current(args: Namespace) -> int:
    """Print the version of our tables, and return 1 if it is not this package's."""
    from microcosm_pubsub.sql.upgrade import HEAD

    with open_database(args) as database:
        version = database.find_version()
    if args.json:
        print_json({"version": version, "needed": HEAD})
    else:
        print(version or "none", "" if version == HEAD else f"(this package needs {HEAD})")
    return 0 if version == HEAD else 1


def history(args: Namespace) -> int:
    """Print all versions, and where the database stands."""
    from microcosm_pubsub.sql.upgrade import history_of

    with open_database(args) as database:
        version = database.find_version()
    revisions = history_of(database.tables).list_revisions()
    if args.json:
        print_json([{"version": each.id, "text": each.text, "is_current": each.id == version} for each in revisions])
        return 0
    for each in revisions:
        print("*" if each.id == version else " ", each.id, each.text)
    return 0
