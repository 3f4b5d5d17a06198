"""
Tasks that were sent: what the ledger knows of them, and what people do with them.
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from os import environ
from typing import Any

from rich.markup import escape

from microcosm_pubsub.calls.errors import CallError
from microcosm_pubsub.cli.calls.session import import_tasks, opening_graph
from microcosm_pubsub.cli.dlq.flags import positive_integer
from microcosm_pubsub.cli.dlq.session import print_json
from microcosm_pubsub.cli.dlq.tables import to_age
from microcosm_pubsub.cli.sql.session import URL_VARIABLE, require_database
from microcosm_pubsub.cli.table import make_table, print_table


#: At most this many tasks are listed by default.
LISTED = 50

#: A longer result, or error, is not shown whole in a table.
MAX_SHOWN = 200

#: Adds a command.
Add = Callable[[str, Callable[[Namespace], int], str], ArgumentParser]


def add_database_flags(parser: ArgumentParser) -> None:
    """Add the flags that choose the database with the ledger."""
    parser.add_argument("--database-url", metavar="URL", help=f"the database with the ledger; or {URL_VARIABLE}")
    parser.add_argument("--schema", metavar="S", help="of our tables, on PostgreSQL; pubsub by default")


def add_filters(parser: ArgumentParser) -> None:
    """Add the flags that choose among the tasks that were sent."""
    parser.add_argument("--task", metavar="NAME", help="only tasks of this name")
    parser.add_argument("--state", metavar="STATE", help="only tasks of this state, such as failed")
    parser.add_argument("--cursor-key", metavar="KEY", help="only tasks of this key")
    parser.add_argument("--since", metavar="TIME", type=parse_time, help="only tasks sent from then on; ISO 8601")
    parser.add_argument("--before", metavar="ID", help="only tasks before this one: the next page")
    parser.add_argument("--limit", type=positive_integer, metavar="N", help=f"at most N; {LISTED} by default")


def add_commands(add: Add) -> None:
    """Add the commands, with their flags."""
    for name, call, text in (
        ("show", show, "show all that the ledger has of a task"),
        ("cancel", cancel, "cancel a task that waits, or tell one that runs to stop"),
        ("retry", retry, "send a task that has ended once more, and print the id of the new one"),
        ("wait", wait, "wait until a task has ended, and print its result"),
    ):
        command = add(name, call, text)
        command.add_argument("id", metavar="ID", help="of the task")
        if name == "wait":
            command.add_argument(
                "--timeout-seconds", type=float, metavar="S", help="at most S seconds; no limit by default"
            )


def parse_time(text: str) -> datetime:
    """
    Return a time; one without a zone is of this machine.

    :raises ArgumentTypeError: if it is none
    """
    try:
        return datetime.fromisoformat(text).astimezone()
    except (OverflowError, ValueError):
        raise ArgumentTypeError(f"{text!r} is no time such as 2026-11-29 or 2026-11-29T20:00:00Z") from None


def is_asked(args: Namespace) -> bool:
    """Return whether flags ask for tasks that were sent, and not for those that are declared."""
    filters = (args.task, args.state, args.cursor_key, args.since, args.before, args.limit)
    if any(value is not None for value in (args.database_url, *filters)):
        return True
    return not (args.imports or args.daemon) and URL_VARIABLE in environ


@contextmanager
def opening_ledger(args: Namespace) -> Iterator[Any]:
    """
    Give the ledger that the flags choose.

    :raises ConfigurationError: if they choose none
    """
    import_tasks(args.imports)
    with opening_graph(args, "pubsub_tasks") as graph:
        require_database(graph.pubsub_ledger)
        yield graph.pubsub_ledger


def list_rows(args: Namespace) -> int:
    """Show tasks that were sent, the newest first."""
    with opening_ledger(args) as ledger:
        rows = ledger.list_rows(
            name=args.task,
            state=args.state,
            cursor_key=args.cursor_key,
            since=args.since,
            limit=args.limit or LISTED,
            before=args.before,
        )
    if args.json:
        print_json([row.to_dict() for row in rows])
        return 0
    now = datetime.now(UTC)
    table = make_table("id", "task", "state", "key", "age", "attempts", "result or error", numbers=["attempts"])
    for row in rows:
        found = row.to_dict()
        cells = [row.id, row.name, row.state, row.cursor_key or "", to_age(to_datetime(row.created_at), now)]
        cells += [row.attempts, summarize(found)]
        table.add_row(*(escape(str(cell)) for cell in cells))
    print_table(table)
    if len(rows) == (args.limit or LISTED):
        print(f"There may be more: --before {rows[-1].id}")
    return 0


def show(args: Namespace) -> int:
    """Show all that the ledger has of a task."""
    with opening_ledger(args) as ledger:
        print_json(ledger.read(args.id).to_dict())
    return 0


def cancel(args: Namespace) -> int:
    """Cancel a task, and return 1 if it has ended otherwise."""
    with opening_ledger(args) as ledger:
        state = ledger.cancel(args.id)
    if args.json:
        print_json({"id": args.id, "state": str(state)})
    else:
        print("it runs, and is told to stop" if state == "running" else state)
    return 0 if state in ("cancelled", "running") else 1


def retry(args: Namespace) -> int:
    """Send a task once more."""
    with opening_ledger(args) as ledger:
        handle = ledger.retry(args.id)
    print_json({"id": handle.task_id, "is_new": handle.is_new}) if args.json else print(handle.task_id)
    return 0


def wait(args: Namespace) -> int:
    """Wait until a task has ended, and print its result; return 1 if it has none."""
    try:
        with opening_ledger(args) as ledger:
            result = ledger.wait(args.id, args.timeout_seconds)
    except CallError as error:
        if not args.json:
            raise
        with opening_ledger(args) as ledger:
            row = ledger.read(args.id).to_dict()
        print_json({"id": args.id, "state": row["state"], "error": row["error"] or {"message": str(error)}})
        return 1
    print_json({"id": args.id, "state": "completed", "result": result} if args.json else result)
    return 0


def summarize(found: dict[str, Any]) -> str:
    """Return the end of a task, for a table."""
    error = found["error"]
    text = "" if found["result"] is None else repr(found["result"])
    if error is not None:
        text = f"{error['type']}: {error['message']}"
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def to_datetime(millis: int) -> datetime:
    """Return a time of the ledger."""
    return datetime.fromtimestamp(millis / 1000, UTC)
