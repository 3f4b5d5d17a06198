"""
Send messages of a dead-letter queue back, one by one.

Each is sent first and deleted after. On FIFO queues the order within a group is kept: when a message stays, for
whatever reason, the later ones of its group stay too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from microcosm_pubsub.constants import MAX_BATCH_ENTRIES
from microcosm_pubsub.dead_letters.letter import Letter
from microcosm_pubsub.dead_letters.rate import TokenBucket
from microcosm_pubsub.dead_letters.reason import remove_reason, without_reason
from microcosm_pubsub.dead_letters.scan import Scan
from microcosm_pubsub.dead_letters.sender import OutgoingMessage, QueueSender
from microcosm_pubsub.dead_letters.sources import Targets
from microcosm_pubsub.message import Groups
from microcosm_pubsub.message.raw import RawMessage


MAX_REDRIVES: Final = 3

#: While we wait, leases are looked after at this interval, in seconds.
MAX_PAUSE_SECONDS: Final = 1.0

FILTERED: Final = "not chosen by the filters"
BLOCKED: Final = "behind a message of its group that stays"
UNSENT: Final = "could not be sent"
LOST: Final = "hidden for too short a time, and perhaps received by somebody else"


@dataclass(slots=True)
class Tally:
    """
    The numbers of messages by their fate.

    :param sent: how many were sent to each queue
    :param kept: how many stay, for each reason
    :param failures: an error for each that could not be sent, or sent and not deleted
    """

    sent: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, for a machine."""
        return {"sent": dict(self.sent), "kept": dict(self.kept), "failures": self.failures}


class Redrive:
    """
    Send messages back.

    :param scan: gives them
    :param targets: knows whereto
    :param read: decodes a message
    :param choose: returns whether to send a message back
    :param max_redrives: a message that was sent back this many times stays; None for no limit
    :param max_messages: the most that are sent
    :param bucket: keeps to a rate
    :param pause: waits for the given number of seconds, and returns whether to stop
    :param dry_run: whether to count only
    """

    def __init__(
        self,
        scan: Scan,
        targets: Targets,
        read: Callable[[RawMessage], Letter],
        choose: Callable[[Letter], bool],
        pause: Callable[[float], bool],
        max_redrives: int | None = MAX_REDRIVES,
        max_messages: int | None = None,
        bucket: TokenBucket | None = None,
        dry_run: bool = False,
    ) -> None:
        self.scan = scan
        self.targets = targets
        self.read = read
        self.choose = choose
        self.pause = pause
        self.max_redrives = max_redrives
        self.max_messages = max_messages
        self.bucket = bucket or TokenBucket(None)
        self.dry_run = dry_run
        self.tally = Tally()
        self.guarded = f"sent back {max_redrives} times or more already"
        #: The targets of those that would be sent, by letter, of a dry run.
        self.planned: list[tuple[Letter, str]] = []
        #: Groups of which a message stays, and those of them of which one could not be sent or deleted.
        self._blocked = Groups(ordered=scan.fifo)
        self._failed = Groups(ordered=scan.fifo)
        self._senders: dict[str, QueueSender] = {}

    @property
    def count(self) -> int:
        """Return how many messages were sent, or would be."""
        return len(self.planned) if self.dry_run else self.tally.sent.total()

    @property
    def is_complete(self) -> bool:
        """Return whether all was sent that should be."""
        return not self.tally.failures and set(self.tally.kept) <= {FILTERED, BLOCKED, self.guarded}

    def run(self, progress: Callable[[int], None] = lambda count: None) -> Tally:
        """
        Send the messages back that are chosen, and return the numbers of all of them.

        :param progress: is told how many messages were looked at, as it goes on
        """
        while not self._is_done() and (messages := self.scan.receive()):
            chosen: list[tuple[Letter, str]] = []
            for message in messages:
                letter = self.read(message)
                url, why = self._decide(letter)
                if url is None:
                    self._keep(letter, why)
                else:
                    chosen.append((letter, url))
            if self.dry_run:
                self.planned.extend(chosen)
                if self.max_messages is not None:
                    del self.planned[self.max_messages :]
            else:
                self._send_all(chosen)
            progress(self.scan.seen)
        return self.tally

    def _is_done(self) -> bool:
        return self.max_messages is not None and self.count >= self.max_messages

    def _decide(self, letter: Letter) -> tuple[str | None, str]:
        if self._blocked.is_blocked(letter.group_id):
            return None, BLOCKED
        if not self.choose(letter):
            return None, FILTERED
        if self.max_redrives is not None and letter.redrives >= self.max_redrives:
            return None, self.guarded
        return self.targets.find(letter)

    def _keep(self, letter: Letter, why: str) -> None:
        self.tally.kept[why] += 1
        self._blocked.block(letter.group_id)

    def _send_all(self, chosen: Sequence[tuple[Letter, str]]) -> None:
        remaining = list(chosen)
        if self.max_messages is not None:
            del remaining[self.max_messages - self.count :]
        while remaining and not self.scan.stopped():
            allowed = self.bucket.take(min(len(remaining), MAX_BATCH_ENTRIES))
            self.scan.keep()
            if allowed:
                self._send_some(remaining[:allowed])
                del remaining[:allowed]
            elif self.pause(min(self.bucket.wait_seconds, MAX_PAUSE_SECONDS)):
                return

    def _send_some(self, chosen: Sequence[tuple[Letter, str]]) -> None:
        by_target: dict[str, list[Letter]] = {}
        for letter, url in chosen:
            if self._failed.is_blocked(letter.group_id):
                self._keep(letter, BLOCKED)
            elif not self.scan.holds(letter.raw):
                self._keep(letter, LOST)
                self._fail(letter)
            else:
                by_target.setdefault(url, []).append(letter)
        for url, letters in by_target.items():
            self._send_to(url, letters)

    def _send_to(self, url: str, letters: Sequence[Letter]) -> None:
        sender = self._senders.setdefault(url, QueueSender(self.targets.client, url))
        errors = sender.send([to_outgoing(letter.raw) for letter in letters])
        sent = [letter for letter, error in zip(letters, errors, strict=True) if error is None]
        for letter, error in zip(letters, errors, strict=True):
            if error is not None:
                self.tally.failures.append(str(error))
                self._fail(letter)
                self.tally.kept[UNSENT] += 1
        self.tally.sent[url] += len(sent)
        undeleted = {id(message) for message in self.scan.delete([letter.raw for letter in sent])} if sent else set()
        for letter in sent:
            if id(letter.raw) in undeleted:
                self.tally.failures.append(
                    f"Message {letter.message_id} was sent to {url}, but cannot be deleted: it is in both queues"
                )
                self._fail(letter)

    def _fail(self, letter: Letter) -> None:
        self._blocked.block(letter.group_id)
        self._failed.block(letter.group_id)


def to_outgoing(raw: RawMessage) -> OutgoingMessage:
    """Return a message as it is sent back: without its reason, and counted."""
    attributes = raw.get("MessageAttributes")
    return OutgoingMessage(raw, remove_reason(attributes), bare=without_reason(attributes))
