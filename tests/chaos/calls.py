"""
Callers and services that are killed while they call each other.

No caller may wait for longer than it said, no answer may come to another call, and nothing may be left of callers that
are gone, once `pubsub rpc clean` was called.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from random import Random
from signal import SIGKILL
from subprocess import DEVNULL, PIPE, Popen
from tempfile import TemporaryDirectory
from threading import Thread
from time import monotonic, sleep

from microcosm_pubsub.broker.factory import open_broker
from microcosm_pubsub.calls.cleaning import ReplyQueues


#: How many of each run at a time.
SERVICES = 2
CALLERS = 2

TIMEOUT_SECONDS = 5.0

#: A thread may be put off for so long on a machine that is busy.
GRACE_SECONDS = 5.0

#: With as many calls between two kills as there are, but no faster than this.
PAUSE_SECONDS = 0.5


@dataclass
class CallsOutcome:
    """
    What came of a run.

    :param counts: calls that were answered right, timed out, or went wrong; and kills
    :param violations: what must not have been
    """

    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Fleet:
    """The processes, of which any may be killed."""

    def __init__(self, url: str, outcome: CallsOutcome) -> None:
        self.url = url
        self.outcome = outcome
        self.names = count()
        self.readers: list[Thread] = []
        self.services = [self.start("service") for _ in range(SERVICES)]
        self.callers = [self.start_caller() for _ in range(CALLERS)]

    def start(self, *words: str) -> Popen[str]:
        command = [sys.executable, "-m", "tests.chaos.call_programs", words[0], self.url, *words[1:]]
        return Popen(command, stdout=PIPE if words[0] == "caller" else DEVNULL, text=True)

    def start_caller(self) -> Popen[str]:
        process = self.start("caller", str(next(self.names)), str(TIMEOUT_SECONDS))
        self.readers.append(Thread(target=self.read, args=(process,)))
        self.readers[-1].start()
        return process

    def read(self, process: Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            self.take(lines)

    def take(self, lines: Iterable[str]) -> None:
        for line in lines:
            # the last line of one that was killed may be half of one
            outcome, _, seconds = line.rstrip().rpartition(" ")
            if not line.endswith("\n") or not outcome:
                continue
            self.outcome.counts[outcome.partition(":")[0]] += 1
            if outcome.startswith("wrong"):
                self.outcome.violations.append(f"an answer of another call, or another error: {outcome}")
            if float(seconds) > TIMEOUT_SECONDS + GRACE_SECONDS:
                self.outcome.violations.append(f"a call took {seconds} s, and was to wait for {TIMEOUT_SECONDS}")

    def kill_one(self, random: Random) -> None:
        """Kill a process, and start another in its place."""
        group = random.choice([self.services, self.callers])
        index = random.randrange(len(group))
        group[index].send_signal(SIGKILL)
        group[index].wait()
        self.outcome.counts["killed"] += 1
        group[index] = self.start("service") if group is self.services else self.start_caller()

    def end(self) -> None:
        for process in (*self.callers, *self.services):
            process.kill()
            process.wait()
        for reader in self.readers:
            reader.join()


def run_calls(seed: int, calls: int, kills: int, say: Callable[[str], None] = lambda text: None) -> CallsOutcome:
    """Run callers and services until there were so many calls and kills, and return what came of it."""
    outcome = CallsOutcome(seed)
    random = Random(seed)
    start = monotonic()
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/broker.db"
        fleet = Fleet(url, outcome)
        try:
            wait_for(outcome, 1)
            for number in range(1, kills + 1):
                wait_for(outcome, calls * number // (kills + 1))
                fleet.kill_one(random)
                sleep(PAUSE_SECONDS)
                if number % 20 == 0:
                    say(f"{number} kills, {dict(outcome.counts)}")
            wait_for(outcome, calls)
        finally:
            fleet.end()
        broker = open_broker(url)
        queues = ReplyQueues(broker.queue_client, "pubsub-reply-")
        outcome.counts["removed"] = len(queues.clean())
        outcome.violations += [f"a reply queue is left: {queue.name}" for queue in queues.find()]
        broker.close()
    if not outcome.counts["right"]:
        outcome.violations.append("no call was answered")
    outcome.seconds = monotonic() - start
    return outcome


def wait_for(outcome: CallsOutcome, calls: int) -> None:
    """Wait until there were so many calls."""
    deadline = monotonic() + 120
    while sum(outcome.counts[each] for each in ("right", "timeout", "wrong")) < calls:
        if monotonic() > deadline:
            raise AssertionError(f"For 120 s there were fewer than {calls} calls: {outcome.counts}")
        sleep(0.05)
