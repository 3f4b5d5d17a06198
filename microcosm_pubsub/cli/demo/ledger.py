"""
What became of every message, as the daemon's own log tells it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from json import loads

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Ledger:
    """
    What became of the published messages; all but `retried`, which counts further attempts, add up.

    :param published: how many there were
    :param handled: for how many a handler did its work
    :param skipped: how many a handler skipped
    :param ignored: how many no handler was interested in
    :param retried: how often a message was tried, and was to come again
    :param dead_lettered: how many were given up and are in the dead-letter queue
    :param queued: how many are still in the queue
    """

    published: int
    handled: int
    skipped: int
    ignored: int
    retried: int
    dead_lettered: int
    queued: int

    @property
    def adds_up(self) -> bool:
        """Tell whether every published message is accounted for, once."""
        return self.published == sum((self.handled, self.skipped, self.ignored, self.dead_lettered, self.queued))

    def to_dict(self) -> dict[str, int | bool]:
        """Return the ledger for a machine."""
        return {**asdict(self), "adds_up": self.adds_up}

    def to_table(self) -> Table:
        """Return the ledger for a person."""
        table = Table(title="What became of the messages")
        table.add_column("")
        table.add_column("messages", justify="right")
        rows = [
            ("published", self.published),
            ("handled", self.handled),
            ("skipped", self.skipped),
            ("ignored", self.ignored),
            ("dead-lettered", self.dead_lettered),
            ("still queued", self.queued),
        ]
        for label, count in rows:
            table.add_row(label, str(count), end_section=label in ("published", "still queued"))
        table.add_row("retried (further attempts)", str(self.retried))
        return table


def read_ledger(lines: Iterable[str], published: int, dead_lettered: int, queued: int) -> Ledger:
    """Return the ledger that a daemon's log, as JSON lines, and the depths of the queues tell."""
    outcomes: dict[str, str] = {}
    retried = ignored = 0
    for line in lines:
        try:
            entry = loads(line)
        except ValueError:
            continue
        if not isinstance(entry, dict):
            continue
        result = entry.get("result")
        if result in ("FAILED", "RETRIED"):
            retried += 1
        elif result:
            outcomes[entry["message_id"]] = result
        ignored += entry.get("counts", {}).get("IGNORED", 0)
    counts = Counter(outcomes.values())
    return Ledger(
        published=published,
        handled=counts["SUCCEEDED"],
        skipped=counts["SKIPPED"] + counts["EXPIRED"],
        ignored=ignored,
        retried=retried,
        dead_lettered=dead_lettered,
        queued=queued,
    )
