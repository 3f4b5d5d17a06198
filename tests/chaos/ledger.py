"""
What happened, in the order in which it happened: one file, one line per event, written by many processes.

    published IDS        a queue has them
    received IDS         an answer holds them
    handled ID ATTEMPT   a handler is done with it, and its outcome deletes it
    delete IDS           somebody asks to delete them
    deleted IDS          they are gone
    dead ID              the dead-letter queue has it
    fault KIND IDS       may cause a second delivery of these; `*` and a queue's letter: of all that are in flight there
    interrupted QUEUES   a daemon is told to stop, and hands back what it holds
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.plan import DOOMED, group_of, plan


class Ledger:
    """
    Write events into a file, to which other processes write too.

    :param path: of the file
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        # each write goes to the end in one piece, whoever else writes
        # https://man7.org/linux/man-pages/man2/open.2.html
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, verb: str, words: Iterable[str] = ()) -> None:
        """Write an event."""
        os.write(self._file, (" ".join((verb, *words)) + "\n").encode())

    def read(self) -> Iterator[list[str]]:
        """Iterate over the events so far."""
        with self.path.open() as lines:
            for line in lines:
                yield line.split()

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


@dataclass
class Audit:
    """
    Read a ledger, and say what does not add up.

    :param seed: of the messages
    :param explain_all: whether every second delivery counts as explained, where faults cannot be told apart
    """

    seed: int
    explain_all: bool = False
    violations: list[str] = field(default_factory=list)
    published: set[str] = field(default_factory=set)
    handled: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._in_flight: dict[str, set[str]] = {"s": set(), "f": set()}
        self._explained: set[str] = set()
        self._interrupted_ids: set[str] = set()
        self._last: dict[str, int] = {}
        self._history: dict[str, list[str]] = {}

    @property
    def duplicates(self) -> int:
        """Return how often messages were handled again after they had been."""
        return sum(count - 1 for count in self.handled.values())

    def read(self, events: Iterable[list[str]]) -> Audit:
        """Go through events in their order."""
        for number, (verb, *words) in enumerate(events):
            for word in words:
                if word in self._history or verb == "published":
                    self._history.setdefault(word, []).append(f"{number} {verb}")
            getattr(self, f"_{verb}")(words)
        return self

    def close(self, dead_letters: dict[str, list[tuple[str, str | None]]]) -> Audit:
        """
        Compare the ledger with what is in the dead-letter queues in the end.

        :param dead_letters: body, and error or outcome, of each message there, by id
        """
        for message_id in self.published:
            found = dead_letters.get(message_id, [])
            self._check_end(message_id, found)
            for body, reason in found:
                if body != plan(self.seed, message_id).body:
                    self._violate(message_id, "was changed on its way to the dead-letter queue")
                if not reason:
                    self._violate(message_id, "is in the dead-letter queue without a reason")
        for message_id in dead_letters.keys() - self.published:
            self._violate(message_id, "is in a dead-letter queue, but was never published")
        return self

    def _check_end(self, message_id: str, found: list[tuple[str, str | None]]) -> None:
        times = self.handled[message_id]
        kind = plan(self.seed, message_id).kind
        if not times and not found:
            self._violate(message_id, "is lost")
        if times and found and not self._is_explained(message_id):
            self._violate(message_id, "was handled, and is in the dead-letter queue")
        if kind in DOOMED and times:
            self._violate(message_id, "cannot have been handled")
        # of a FIFO group, what waits behind one that fails is received and released with it, and uses receives up
        excused = message_id[0] == "f" or message_id in self._interrupted_ids or self._is_explained(message_id)
        if found and kind not in DOOMED and not excused:
            self._violate(message_id, "was given up, and no fault explains it")
        if len(found) > 1 and (message_id[0] == "f" or not self._is_explained(message_id)):
            self._violate(message_id, f"is {len(found)} times in the dead-letter queue")

    # the events

    def _published(self, ids: list[str]) -> None:
        self.published.update(ids)

    def _received(self, ids: list[str]) -> None:
        for message_id in ids:
            self._in_flight[message_id[0]].add(message_id)

    def _handled(self, words: list[str]) -> None:
        message_id = words[0]
        self.handled[message_id] += 1
        if self.handled[message_id] > 1 and not self._is_explained(message_id):
            self._violate(message_id, "was handled twice, and no fault explains it")
        self._end(message_id)

    def _delete(self, ids: list[str]) -> None:
        for message_id in ids:
            if not self.handled[message_id] and not self.dead[message_id]:
                self._violate(message_id, "was deleted unhandled")

    def _deleted(self, ids: list[str]) -> None:
        for message_id in ids:
            self._in_flight[message_id[0]].discard(message_id)

    def _dead(self, ids: list[str]) -> None:
        for message_id in ids:
            self.dead[message_id] += 1
            self._end(message_id)

    def _fault(self, words: list[str]) -> None:
        _, *ids = words
        for message_id in ids:
            if message_id[0] == "*":
                self._explained |= self._in_flight[message_id[1]]
            else:
                self._explained.add(message_id)

    def _interrupted(self, queues: list[str]) -> None:
        for letter in queues:
            self._interrupted_ids |= self._in_flight[letter]

    def _end(self, message_id: str) -> None:
        if message_id[0] != "f" or self.handled[message_id] + self.dead[message_id] > 1:
            return
        group, number = group_of(message_id), int(message_id[1:])
        if number < self._last.get(group, -1):
            self._violate(message_id, f"of {group} ended after f{self._last[group]}")
        self._last[group] = max(number, self._last.get(group, -1))

    def _is_explained(self, message_id: str) -> bool:
        return self.explain_all or message_id in self._explained

    def _violate(self, message_id: str, text: str) -> None:
        kind = plan(self.seed, message_id).kind
        self.violations.append(f"{message_id} ({kind}) {text}: {', '.join(self._history.get(message_id, ()))}")
