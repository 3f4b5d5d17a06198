"""
`pubsub dlq list`, `peek` and `groups`: see what is there.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rich.markup import escape

from microcosm_pubsub.cli.dlq.flags import make_filter
from microcosm_pubsub.cli.dlq.session import Session, make_reader, open_session, print_json
from microcosm_pubsub.cli.dlq.tables import make_group_table, make_letter_table, to_age
from microcosm_pubsub.cli.table import make_table, print_table
from microcosm_pubsub.clients import CLIENT_ERRORS
from microcosm_pubsub.dead_letters.filters import UNKNOWN
from microcosm_pubsub.dead_letters.groups import group_letters
from microcosm_pubsub.dead_letters.letter import Letter
from microcosm_pubsub.dead_letters.sources import QueueInfo, describe_queue, iter_queues, name_of


#: The oldest message is looked for among at most this many.
MAX_AGED = 1000


def list_queues(args: Namespace) -> int:
    """Print the queues with their dead-letter queues."""
    with open_session(args) as session:
        queues = list(iter_queues(session.client, args.prefix))
        targets = {queue.target_arn for queue in queues}
        rows = [_to_row(session, queue) for queue in queues if queue.target_arn is not None or queue.arn not in targets]
        if args.age:
            _add_ages(session, rows)
        if session.interrupts.is_set:
            return session.interrupts.exit_code
    if args.json:
        print_json(rows)
        return 0
    table = make_table(
        "queue", "waiting", "dead-letter queue", "dead", "hidden", "oldest", numbers=["waiting", "dead", "hidden"]
    )
    now = datetime.now(UTC)
    for row in rows:
        oldest = to_age(datetime.fromisoformat(row["oldest_time"]) if row["oldest_time"] else None, now)
        cells = [row["queue"], row["waiting"], row["dead_letter_queue"], row["dead"], row["hidden"], oldest]
        table.add_row(*(UNKNOWN if cell is None else escape(str(cell)) for cell in cells))
    print_table(table)
    return 0


def _to_row(session: Session, queue: QueueInfo) -> dict[str, Any]:
    row: dict[str, Any] = {
        "queue": queue.name,
        "queue_url": queue.url,
        "waiting": queue.visible + queue.hidden + queue.delayed,
        "dead_letter_queue": None,
        "dead_letter_queue_url": None,
        "dead": None,
        "hidden": None,
        "oldest_time": None,
    }
    if queue.target_arn is None:
        return row
    row["dead_letter_queue"] = name_of(queue.target_arn)
    try:
        url = session.client.get_queue_url(QueueName=name_of(queue.target_arn))["QueueUrl"]
        target = describe_queue(session.client, url)
    except CLIENT_ERRORS as error:
        session.note(f"Cannot look at {row['dead_letter_queue']}, the dead-letter queue of {queue.name}: {error}")
        return row
    return {**row, "dead_letter_queue_url": url, "dead": target.visible + target.delayed, "hidden": target.hidden}


def _add_ages(session: Session, rows: Iterable[dict[str, Any]]) -> None:
    ages: dict[str, str | None] = {}
    for row in rows:
        url = row["dead_letter_queue_url"]
        if url is not None and url not in ages:
            queue = describe_queue(session.client, url)
            with session.scan(queue, limit=MAX_AGED) as scan:
                times = [int((raw.get("Attributes") or {}).get("SentTimestamp", 0)) for raw in scan]
            session.note_unreleased(scan)
            oldest = min(filter(None, times), default=None)
            ages[url] = None if oldest is None else datetime.fromtimestamp(oldest / 1000, UTC).isoformat()
        row["oldest_time"] = ages.get(url)
    session.note("Ages are those of the oldest messages seen; each look adds 1 to a message's receive count")


def collect(session: Session, limit: int | None) -> list[Letter]:
    """Return the messages that are wanted, having released them all."""
    read, wanted = make_reader(session.args), make_filter(session.args)
    queue = session.find_queue_to_receive_from()
    letters: list[Letter] = []
    # Messages that were not asked for are not touched.
    with session.scan(queue, limit=limit if wanted.is_empty else None) as scan:
        for raw in scan:
            letter = read(raw)
            if wanted(letter):
                letters.append(letter)
            if limit is not None and len(letters) >= limit:
                break
    if limit is not None and len(letters) >= limit and (scan.expected is None or scan.expected > scan.seen):
        session.note(f"These are the first {limit}; --max N shows more")
    session.note_scan(scan, queue)
    session.note_unreleased(scan)
    return letters


def peek(args: Namespace) -> int:
    """Print messages."""
    with open_session(args) as session:
        letters = collect(session, args.max)
        interrupts = session.interrupts
    if args.json:
        for letter in letters:
            print_json(letter.to_dict())
    else:
        print_table(make_letter_table(letters, datetime.now(UTC)))
    return interrupts.exit_code if interrupts.is_set else 0


def print_groups(args: Namespace) -> int:
    """Print how many messages there are of each kind."""
    with open_session(args) as session:
        groups = group_letters(collect(session, args.max))
        interrupts = session.interrupts
    if args.json:
        print_json([group.to_dict() for group in groups])
    else:
        print_table(make_group_table(groups, datetime.now(UTC)))
    return interrupts.exit_code if interrupts.is_set else 0
