"""
Daemons on the broker's database itself, which is lost for a while: PostgreSQL is restarted, a disk is full.

There is no proxy between, so that a ledger can tell what was lost and what came out of order, but not which fault
caused which second delivery.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from random import Random
from signal import SIGKILL
from subprocess import DEVNULL, run
from tempfile import TemporaryDirectory
from time import monotonic, sleep

from botocore.exceptions import ClientError

from microcosm_pubsub.broker.clients import BrokerClients
from microcosm_pubsub.broker.factory import open_broker
from microcosm_pubsub.broker.names import topic_arn
from tests.chaos.engine import MAX_RECEIVE_COUNT, depth, publish, read_dead_letters
from tests.chaos.fleet import EXPECTED, LASTING, Fleet
from tests.chaos.ledger import Audit, Ledger
from tests.chaos.plan import QUEUES, plan
from tests.chaos.postgres import PostgresServer
from tests.chaos.run import PATIENCE_SECONDS, Outcome


#: How big a disk is that will be full; the write-ahead log alone takes some tens of megabytes now and then.
DISK_BYTES = 128 * 1024 * 1024

#: How much of a queue is handled between two outages, in messages.
PAUSE_MESSAGES = 150


class Outages:
    """
    Run daemons on a database that is lost now and then.

    :param outage: loses the database, waits, gives it back, and returns what to call that
    """

    def __init__(self, seed: int, url: str, directory: Path, outage: Callable[[Random], str]) -> None:
        self.seed = seed
        self.url = url
        self.outage = outage
        self.random = Random(f"{seed}/outages")
        self.ledger = Ledger(directory / "ledger")
        self.counts: Counter[str] = Counter()
        self.fleet = Fleet(
            directory,
            {
                "CHAOS__SQS_CONSUMER__WAIT_SECONDS": "1",
                "CHAOS__SQS_CONSUMER__MESSAGE_RETRY_VISIBILITY_TIMEOUT_SECONDS": "1",
                "CHAOS__PUBSUB_WORKER__CONCURRENCY": "4",
                "CHAOS__PUBSUB_WORKER__MAX_BUFFER": "60",
                "CHAOS__PUBSUB_WORKER__VISIBILITY_TIMEOUT_SECONDS": "3",
            },
            expected=frozenset({*EXPECTED, LASTING}),
        )

    def run(self, messages: int, outages: int) -> Outcome:
        """Run it."""
        started = monotonic()
        with closing(open_broker(self.url, max_receive_count=MAX_RECEIVE_COUNT)) as clients:
            try:
                for letter, name in QUEUES.items():
                    clients.provision_queue(name)
                    ids = [f"{letter}{number}" for number in range(messages // 2)]
                    publish(clients, self.ledger, [plan(self.seed, message_id) for message_id in ids])
                for letter, name in QUEUES.items():
                    topic = topic_arn("chaos.fifo" if letter == "f" else "chaos")
                    self.fleet.add(
                        "--broker-url", self.url, "--sqs-queue-url", name, CHAOS__SNS_TOPIC_ARNS__DEFAULT=topic
                    )
                for _ in range(outages):
                    self._break(clients)
                left = self._drain(clients)
                self.fleet.stop()
                dead_letters = read_dead_letters(clients)
                audit = Audit(self.seed, explain_all=True).read(self.ledger.read()).close(dead_letters)
                # nobody stands between, to tell
                audit.dead.update(dead_letters)
            finally:
                self.fleet.destroy()
                self.ledger.close()
        outcome = Outcome(self.seed, faults=self.counts, violations=self.fleet.violations).add(audit)
        if left:
            outcome.violations.insert(0, f"The queues are not emptied: {left} messages are left")
        outcome.seconds = monotonic() - started
        return outcome

    def _break(self, clients: BrokerClients) -> None:
        """Let some messages be handled, and then something happen."""
        goal, since = self._left(clients) - PAUSE_MESSAGES, monotonic()
        while self._left(clients) > max(0, goal) and not self.fleet.failed and monotonic() < since + PATIENCE_SECONDS:
            self.fleet.tend()
            sleep(0.05)
        if self.random.random() < 0.3 and self.fleet.kill(self.random.choice(self.fleet.daemons).key, SIGKILL):
            self.counts["SIGKILL: any moment"] += 1
        self.counts[self.outage(self.random)] += 1

    def _drain(self, clients: BrokerClients) -> int:
        left, since = self._left(clients), monotonic()
        while left and not self.fleet.failed and monotonic() < since + PATIENCE_SECONDS:
            sleep(0.1)
            self.fleet.tend()
            if (now := self._left(clients)) != left:
                left, since = now, monotonic()
        return left

    def _left(self, clients: BrokerClients) -> int:
        while True:
            # the database may need a moment
            with suppress(ClientError):
                return sum(depth(clients).values())
            sleep(0.1)


def restart_postgres(seed: int, messages: int, outages: int) -> Outcome:
    """Run daemons on PostgreSQL, which is restarted."""
    with ExitStack() as stack:
        server = PostgresServer(stack)
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="chaos-")))

        def restart(random: Random) -> str:
            how = random.choice(["fast", "immediate"])
            server.stop(how)
            sleep(random.uniform(0.1, 1.0))
            server.start()
            return f"PostgreSQL restarted ({how})"

        return Outages(seed, server.url, directory, restart).run(messages, outages)


def fill_disk(seed: int, messages: int, outages: int) -> Outcome:
    """Run daemons on a SQLite file whose disk is full now and then; of a small disk, if one can be mounted."""
    with TemporaryDirectory(prefix="chaos-") as directory, small_disk(Path(directory)) as disk:
        filler = disk / "filler"

        def fill(random: Random) -> str:
            with suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            sleep(random.uniform(0.5, 2.0))
            filler.unlink()
            return "disk full"

        return Outages(seed, f"sqlite:///{disk / 'pubsub.db'}", Path(directory), fill).run(messages, outages)


@contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """
    Give a disk of a few megabytes, which root alone may mount.

    :raises PermissionError: if it cannot be had
    """
    disk = directory / "disk"
    disk.mkdir()
    mounted = run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)],
        stdout=DEVNULL,
        stderr=DEVNULL,
        check=False,
    )
    if mounted.returncode:
        raise PermissionError("No small disk can be mounted here: that takes root")
    try:
        yield disk
    finally:
        run(["umount", "--lazy", str(disk)], check=True)


def can_mount() -> bool:
    """Return whether a small disk can be mounted here."""
    if os.geteuid() != 0:
        return False
    with TemporaryDirectory() as directory:
        try:
            with small_disk(Path(directory)):
                return True
        except (FileNotFoundError, PermissionError):
            return False
