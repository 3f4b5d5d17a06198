"""
The demonstration's account of every message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from json import loads
from re import findall

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Ledger:
    """
    The numbers of published messages by their end; all but `retried`, which counts further attempts, add up.

    :param published: how many there were
    :param handled: for how many a handler did its work
    :param skipped: how many a handler skipped
    :param unsubscribed: how many the daemon did not subscribe to
    :param retried: how often a message was tried, and was to come again
    :param dead_lettered: how many were given up and are in the dead-letter queue
    :param queued: how many are still in the queue
    """

    published: int
    handled: int
    skipped: int
    unsubscribed: int
    retried: int
    dead_lettered: int
    queued: int

    @property
    def adds_up(self) -> bool:
        """Return whether every published message is accounted for, once."""
        parts = (self.handled, self.skipped, self.unsubscribed, self.dead_lettered, self.queued)
        return self.published == sum(parts)

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
            ("not subscribed to", self.unsubscribed),
            ("dead-lettered", self.dead_lettered),
            ("still queued", self.queued),
        ]
        for label, count in rows:
            table.add_row(label, str(count), end_section=label in ("published", "still queued"))
        table.add_row("retried (further attempts)", str(self.retried))
        return table


def count_outcomes(lines: Iterable[str]) -> Counter[str]:
    """Return how many messages came to each outcome, from a ledger's lines; one handled twice counts once."""
    outcomes: dict[str, str] = {}
    for line in lines:
        entry = loads(line)
        outcomes[entry["message_id"]] = entry["outcome"]
    return Counter(outcomes.values())


def count_retries(log: str) -> int:
    """Return how often a message was to come again, from a daemon's log."""
    return len(findall(r" - \[(?:ERROR|INFO)\] - (?:FAILED|RETRIED): ", log))
