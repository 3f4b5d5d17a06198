"""
`pubsub outbox`: what waits to be published.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from json import loads
from signal import SIGINT, SIGTERM, signal
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from microcosm_pubsub.cli.dlq.flags import positive_integer
from microcosm_pubsub.cli.dlq.session import print_json
from microcosm_pubsub.cli.dlq.tables import to_age
from microcosm_pubsub.cli.flags import add_client_flags
from microcosm_pubsub.cli.sql.session import add_database_flags, open_graph
from microcosm_pubsub.cli.table import make_table, print_table
from microcosm_pubsub.errors import ConfigurationError


if TYPE_CHECKING:
    from microcosm_pubsub.sql.outbox.relay import Relay


#: `list` looks among at most this many rows by default.
LISTED = 100

Row = Mapping[str, Any]


def add_flags(parser: ArgumentParser) -> None:
    """Add the commands, with their flags."""
    commands = parser.add_subparsers(dest="outbox_command", required=True, metavar="COMMAND")

    def add(name: str, call: Callable[[Namespace], int], text: str) -> ArgumentParser:
        command = commands.add_parser(name, help=text, description=text[:1].upper() + text[1:] + ".")
        command.set_defaults(call=call, debug=False)
        add_database_flags(command)
        return command

    command = add("list", list_rows, "show what waits to be published")
    command.add_argument("--failed", action="store_true", help="only what could not be published so far")
    command.add_argument("--max", type=positive_integer, default=LISTED, metavar="N", help=f"{LISTED} by default")
    command = add("show", show, "show one message, with its text")
    command.add_argument("id", metavar="ID", help="the id of its row, or the message's own")
    for name, call, text in (
        ("retry", retry, "let messages be published at once, also before their time"),
        ("discard", discard, "delete messages without publishing them"),
    ):
        command = add(name, call, text)
        command.add_argument("ids", nargs="*", metavar="ID", help="of rows, or of messages")
        command.add_argument("--failed", action="store_true", help="all that could not be published so far")
    command = add("relay", publish, "publish what waits, until told to stop")
    command.add_argument("--once", action="store_true", help="exit when nothing is due")
    add_client_flags(command)


def list_rows(args: Namespace) -> int:
    """Show the messages that wait to be published."""
    with open_graph(args) as graph:
        rows = graph.pubsub_outbox.store.list_rows(args.max, args.failed)
    if args.json:
        print_json([describe(row) for row in rows])
        return 0
    now = datetime.now(UTC)
    table = make_table("id", "media type", "group", "age", "due", "attempts", "error", numbers=["id", "attempts"])
    for row in rows:
        due = to_time(row["due_at"])
        cells = [
            row["id"],
            row["media_type"],
            row["group_id"] or "",
            to_age(to_time(row["created_at"]), now),
            "now" if due is None or due <= now else due.isoformat(timespec="seconds"),
            row["attempts"],
            row["error"] or "",
        ]
        table.add_row(*(escape(str(cell)) for cell in cells))
    print_table(table)
    return 0


def show(args: Namespace) -> int:
    """Show one message, with its text."""
    with open_graph(args) as graph:
        row = graph.pubsub_outbox.store.find(args.id)
    if row is None:
        raise ConfigurationError(f"The outbox has no message {args.id}: it was published, or discarded")
    print_json({**describe(row), "attributes": loads(row["attributes"]), "body": row["body"]})
    return 0


def retry(args: Namespace) -> int:
    """Let messages be published at once."""
    return change(args, "freed")


def discard(args: Namespace) -> int:
    """Delete messages without publishing them."""
    return change(args, "discarded")


def change(args: Namespace, what: str) -> int:
    """
    Free or discard messages, and return 1 if there were none.

    :raises ConfigurationError: if it does not say which
    """
    if bool(args.ids) == args.failed:
        raise ConfigurationError("Name the ids of messages, or give --failed")
    with open_graph(args) as graph:
        store = graph.pubsub_outbox.store
        count = (store.discard if what == "discarded" else store.free)(None if args.failed else args.ids)
    if args.json:
        print_json({what: count})
    else:
        print(f"{count} {what}")
    return 0 if count or args.failed else 1


def publish(args: Namespace) -> int:
    """Publish the messages that wait, until told to stop."""
    with open_graph(args) as graph:
        graph.pubsub_database.check()
        if graph.sns_producer.skip:
            raise ConfigurationError("The producer is set to publish nothing (sns_producer.skip): nothing is relayed")
        if not (args.json or args.once):
            print(f"Relaying the outbox of {graph.pubsub_database}", flush=True)
        run_relay(graph.pubsub_outbox.relay, args.once)
        counts = graph.pubsub_outbox.store.count()
        published = graph.pubsub_outbox.relay.published
    result = {"published": published, "waiting": counts["outbox_waiting"], "failed": counts["outbox_failed"]}
    if args.json:
        print_json(result)
    else:
        print(", ".join(f"{count:g} {name}" for name, count in result.items()))
    return 0


def run_relay(relay: Relay, once: bool) -> None:
    """Run a relay until nothing is due, or until a signal."""
    if once:
        while relay.relay_some():
            pass
        return
    for number in (SIGTERM, SIGINT):
        signal(number, lambda number, frame: relay.work.end())
    relay.work.run()


def describe(row: Row) -> dict[str, Any]:
    """Return the fields of a row, without the message's text."""
    due, free = to_time(row["due_at"]), to_time(row["free_at"])
    created = to_time(row["created_at"])
    return {
        "id": row["id"],
        "message_id": row["identity"],
        "media_type": row["media_type"],
        "topic_arn": row["topic_arn"],
        "group_id": row["group_id"] or None,
        "created_at": created.isoformat() if created else None,
        "due_at": due.isoformat() if due else None,
        "free_at": free.isoformat() if free else None,
        "attempts": row["attempts"],
        "error": row["error"],
    }


def to_time(milliseconds: int) -> datetime | None:
    """Return a time that a row says; None if it says 0."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
