"""
`pubsub schedules`: tasks that are sent again and again.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich.markup import escape

from microcosm_pubsub.cli.calls.ledger import add_database_flags, to_datetime
from microcosm_pubsub.cli.calls.session import add_graph_flags, import_tasks, opening_graph
from microcosm_pubsub.cli.dlq.session import print_json
from microcosm_pubsub.cli.run import DAEMON
from microcosm_pubsub.cli.sql.session import require_database
from microcosm_pubsub.cli.table import make_table, print_table


def add_flags(parser: ArgumentParser) -> None:
    """Add the commands, with their flags."""
    commands = parser.add_subparsers(dest="schedules_command", required=True, metavar="COMMAND")
    for name, call, text in (
        ("list", list_schedules, "show the schedules of a database, and when each is next"),
        ("run", run, "send a task now, beside its times"),
        ("pause", pause, "leave a task out until it is resumed"),
        ("resume", resume, "send a task again, from now on"),
        ("forget", forget, "delete the schedule of a task that no daemon declares any more"),
    ):
        command = commands.add_parser(name, help=text, description=text[:1].upper() + text[1:] + ".")
        command.set_defaults(call=call)
        command.add_argument("--daemon", metavar=DAEMON, help="the database and tasks of a daemon")
        command.add_argument(
            "--import", dest="imports", action="append", metavar="MODULE", help="a module that declares tasks"
        )
        add_database_flags(command)
        add_graph_flags(command)
        if name != "list":
            command.add_argument("name", metavar="NAME", help="of the task, such as package.module.function")


def list_schedules(args: Namespace) -> int:
    """Show the schedules of a database."""
    with opening_schedules(args) as schedules:
        found = schedules.list()
    if args.json:
        print_json(
            [
                {
                    "name": each.name,
                    "spec": each.spec,
                    "next_at": to_datetime(each.next_at).isoformat(),
                    "last_at": None if each.last_at is None else to_datetime(each.last_at).isoformat(),
                    "is_paused": each.is_paused,
                }
                for each in found
            ]
        )
        return 0
    table = make_table("task", "when", "next", "last")
    for each in found:
        upcoming = "paused" if each.is_paused else tell(each.next_at)
        cells = [each.name, each.spec, upcoming, "" if each.last_at is None else tell(each.last_at)]
        table.add_row(*map(escape, cells))
    print_table(table)
    return 0


def run(args: Namespace) -> int:
    """Send a task now, and print its id."""
    with opening_schedules(args) as schedules:
        task_id = schedules.run(args.name)
    print_json({"id": task_id}) if args.json else print(task_id)
    return 0


def pause(args: Namespace) -> int:
    """Leave a task out until it is resumed."""
    with opening_schedules(args) as schedules:
        schedules.pause(args.name)
    return tell_state(args, "paused")


def resume(args: Namespace) -> int:
    """Send a task again from now on."""
    with opening_schedules(args) as schedules:
        schedules.resume(args.name)
    return tell_state(args, "resumed")


def forget(args: Namespace) -> int:
    """Delete a schedule."""
    with opening_schedules(args) as schedules:
        schedules.forget(args.name)
    return tell_state(args, "forgotten")


def tell_state(args: Namespace, state: str) -> int:
    """Print the change that was made."""
    print_json({"name": args.name, "state": state}) if args.json else print(f"{args.name} is {state}")
    return 0


@contextmanager
def opening_schedules(args: Namespace) -> Iterator[Any]:
    """
    Give the schedules that the flags choose.

    :raises ConfigurationError: if they choose no database
    """
    # The module of a task that is gone, or cannot be imported any more, is no reason to keep sending it.
    declared = args.name if args.schedules_command in ("run", "resume") else None
    import_tasks(args.imports, declared)
    with opening_graph(args, "pubsub_tasks", "pubsub_ledger_schedules") as graph:
        require_database(graph.pubsub_ledger_schedules)
        yield graph.pubsub_ledger_schedules


def tell(millis: int) -> str:
    """Return a time for people."""
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
