"""
A run: daemons, a proxy, an engine, and messages until there were enough of them and of faults.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from signal import SIGKILL, SIGTERM
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import monotonic, sleep

from tests.chaos.engine import Engine, depth, read_dead_letters
from tests.chaos.faults import Faults
from tests.chaos.fleet import Fleet, queue_of
from tests.chaos.ledger import Audit, Ledger
from tests.chaos.plan import plan
from tests.chaos.proxy import Proxy


#: So many messages wait at most; a queue that is deep shows less than one that is nearly empty.
BACKLOG = 1500

#: Without progress for so long, the run has failed.
PATIENCE_SECONDS = 60.0

#: A pause of this process for so long is a fault too: the daemons had it as well, and may have lost leases by it.
STALL_SECONDS = 0.7


@dataclass
class Outcome:
    """
    What became of a run.

    :param seconds: how long it took
    :param faults: how many there were of each kind
    """

    seed: int
    seconds: float = 0.0
    messages: int = 0
    handled: int = 0
    dead: int = 0
    duplicates: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, audit: Audit) -> Outcome:
        """Add what a ledger shows."""
        self.messages += len(audit.published)
        self.handled += len(audit.handled)
        self.dead += len(audit.dead)
        self.duplicates += audit.duplicates
        self.violations += audit.violations
        return self


@dataclass(frozen=True)
class Scale:
    """How big a run is."""

    messages: int
    faults: int
    rate: float = 0.09
    signal_rate: float = 0.003
    visibility_seconds: int = 3
    daemons_per_queue: int = 2


def run_chaos(seed: int, scale: Scale, tell: Callable[[str], None] = lambda text: None) -> Outcome:
    """Run daemons under faults, and return what came of it."""
    with TemporaryDirectory(prefix="chaos-") as directory:
        return Run(seed, scale, Path(directory), tell).run()


class Run:
    """
    One run.

    :param directory: for its files
    :param tell: is told how it goes
    """

    def __init__(self, seed: int, scale: Scale, directory: Path, tell: Callable[[str], None]) -> None:
        self.scale = scale
        self.tell = tell
        self.seed = seed
        self.ledger = Ledger(directory / "ledger")
        self.engine = Engine(self.ledger)
        self.faults = Faults(seed, scale.rate if scale.faults else 0.0, scale.signal_rate if scale.faults else 0.0)
        seconds = scale.visibility_seconds
        self.fleet = Fleet(
            directory,
            {
                # longer than a lease, so that it must be extended; without faults there is no need to take so long
                "CHAOS_SLOW_SECONDS": str(seconds + 0.5 if scale.faults else 0.1),
                "CHAOS__SQS_CONSUMER__WAIT_SECONDS": "1",
                "CHAOS__SQS_CONSUMER__MESSAGE_RETRY_VISIBILITY_TIMEOUT_SECONDS": "1",
                "CHAOS__PUBSUB_WORKER__CONCURRENCY": "6",
                "CHAOS__PUBSUB_WORKER__MAX_BUFFER": "60",
                "CHAOS__PUBSUB_WORKER__VISIBILITY_TIMEOUT_SECONDS": str(seconds),
            },
        )
        self.proxy = Proxy(self.engine, self.faults, self.fleet.kill, seconds, directory)
        self.sent = 0
        self._ended = Event()

    def run(self) -> Outcome:
        """Run it."""
        started = monotonic()
        Thread(target=self._watch_stalls, daemon=True).start()
        try:
            for _ in range(self.scale.daemons_per_queue):
                for letter in "sf":
                    self.fleet.add("--sqs-queue-url", queue_of(self.proxy.url, letter))
            self._feed()
            self.faults.stop()
            self.tell("faults end; draining")
            stranded = self._drain()
            self.fleet.stop()
            outcome = self._judge()
            outcome.seconds = monotonic() - started
            if stranded:
                outcome.violations.insert(0, stranded)
            return outcome
        finally:
            self._ended.set()
            self.fleet.destroy()
            self.proxy.close()
            self.engine.close()
            self.ledger.close()

    def _feed(self) -> None:
        """Publish, until there were enough messages and faults."""
        random = Random(f"{self.seed}/feed")
        told = patience = monotonic()
        deleted = 0
        while not self.fleet.failed and (self.sent < self.scale.messages or self.faults.total < self.scale.faults):
            if self.engine.deleted != deleted:
                deleted, patience = self.engine.deleted, monotonic()
            elif monotonic() > patience + PATIENCE_SECONDS:
                return
            if self.sent - deleted < BACKLOG:
                self._publish(100)
            else:
                sleep(0.02)
            self.fleet.tend()
            if self.scale.faults and random.random() < self.scale.signal_rate / 5:
                self._signal_somebody(random)
            if monotonic() > told + 5:
                told = monotonic()
                self.tell(f"{self.sent} published, {deleted} deleted, {self.faults.total} faults")

    def _publish(self, count: int) -> None:
        for letter in "sf":
            numbers = range(self.sent // 2, self.sent // 2 + count // 2)
            self.engine.publish([plan(self.seed, f"{letter}{number}") for number in numbers])
        self.sent += count

    def _signal_somebody(self, random: Random) -> None:
        """Send some daemon a signal, whatever it is doing."""
        daemon, number = random.choice(self.fleet.daemons), random.choice([SIGKILL, SIGTERM])
        if number == SIGKILL:
            self.ledger.write("fault", ["SIGKILL:_any_moment", "*s", "*f"])
        if self.fleet.kill(daemon.key, number):
            self.faults.count(f"{number.name}: any moment")

    def _drain(self) -> str | None:
        """Wait until the queues are empty, and return what is wrong if they stay as they are."""
        left, since = depth(self.engine.clients), monotonic()
        while any(left.values()) and not self.fleet.failed:
            sleep(0.1)
            self.fleet.tend()
            now = depth(self.engine.clients)
            if sum(now.values()) != sum(left.values()):
                left, since = now, monotonic()
            elif monotonic() > since + PATIENCE_SECONDS:
                return f"The queues are not emptied: {now['visible']} visible, {now['hidden']} hidden"
        return None

    def _judge(self) -> Outcome:
        audit = Audit(self.seed).read(self.ledger.read()).close(read_dead_letters(self.engine.clients))
        outcome = Outcome(self.seed, faults=self.faults.counts, violations=self.fleet.violations).add(audit)
        outcome.violations += [f"The proxy failed: {error}" for error in self.proxy.errors]
        return outcome

    def _watch_stalls(self) -> None:
        while not self._ended.is_set():
            before = monotonic()
            self._ended.wait(0.1)
            if monotonic() - before > STALL_SECONDS:
                self.ledger.write("fault", ["stall", "*s", "*f"])
