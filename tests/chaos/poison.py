"""
What a poisoned message costs its neighbours: how long they take from the queue to the end of their handler, when one
in ten messages beside them is poison, and when none is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from time import monotonic, sleep

from tests.chaos.engine import Engine
from tests.chaos.faults import Faults
from tests.chaos.fleet import Fleet, queue_of
from tests.chaos.ledger import Ledger
from tests.chaos.plan import MALFORMED, MEDIA_TYPE, Planned
from tests.chaos.proxy import Proxy


#: Messages a second, far from what a daemon can do, and how many of a phase.
RATE = 200
PHASE_MESSAGES = 1000

#: With poison and without, in turn, so that what else the machine does befalls both.
PHASES = 10


@dataclass(frozen=True, slots=True)
class Latency:
    """The milliseconds that healthy messages took."""

    count: int
    p50_ms: float
    p99_ms: float


def measure(phases: int = PHASES, messages: int = PHASE_MESSAGES) -> tuple[Latency, Latency]:
    """Return how long healthy messages took without poison beside them, and with it."""
    with TemporaryDirectory(prefix="chaos-") as name:
        directory = Path(name)
        ledger = Ledger(directory / "ledger")
        engine = Engine(ledger)
        fleet = Fleet(
            directory, {"CHAOS_TIMED": "1", "CHAOS__PUBSUB_WORKER__CONCURRENCY": "6", "CHAOS__LOGGING__LEVEL": "ERROR"}
        )
        proxy = Proxy(engine, Faults(0, 0.0, 0.0), fleet.kill, 30, directory)
        try:
            fleet.add("--sqs-queue-url", queue_of(proxy.url, "s"))
            sent: dict[str, float] = {}
            # the first is for warming up
            for phase in range(-1, phases):
                publish_phase(engine, sent, phase, messages)
                wait_until_empty(engine)
            fleet.stop()
            return judge(ledger, sent)
        finally:
            fleet.destroy()
            proxy.close()
            engine.close()
            ledger.close()


def publish_phase(engine: Engine, sent: dict[str, float], phase: int, messages: int) -> None:
    """Publish at an even rate; of an odd phase, poison besides."""
    began = monotonic()
    for number in range(messages):
        batch = [healthy(f"s{(phase + 1) * 1_000_000 + number}")]
        if phase % 2 and number % 10 == 0:
            batch.append(poison(f"s{(phase + 1) * 1_000_000 + 500_000 + number}"))
        sleep(max(0.0, began + number / RATE - monotonic()))
        sent[batch[0].id] = monotonic()
        engine.publish(batch)


def healthy(message_id: str) -> Planned:
    """Return a message that a handler succeeds with."""
    return Planned(
        message_id, "fine", f'{{"mediaType": "{MEDIA_TYPE}", "id": "{message_id}", "kind": "fine", "times": 1}}'
    )


def poison(message_id: str) -> Planned:
    """Return a message that nothing can be done with: no JSON, against the schema, or given up by its handler."""
    number = int(message_id[1:])
    bodies = [
        MALFORMED[1],
        f'{{"mediaType": "{MEDIA_TYPE}"}}',
        f'{{"mediaType": "{MEDIA_TYPE}", "id": "{message_id}", "kind": "hopeless", "times": 1}}',
    ]
    return Planned(message_id, "poison", bodies[number // 10 % 3])


def wait_until_empty(engine: Engine) -> None:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    while True:
        answer = engine.sqs.get_queue_attributes(QueueUrl="chaos", AttributeNames=names)
        if not any(int(answer["Attributes"][name]) for name in names):
            return
        sleep(0.05)


def judge(ledger: Ledger, sent: dict[str, float]) -> tuple[Latency, Latency]:
    taken: dict[bool, list[float]] = {False: [], True: []}
    for verb, *words in ledger.read():
        if verb == "handled" and words[0] in sent:
            phase = int(words[0][1:]) // 1_000_000 - 1
            if phase >= 0:
                taken[bool(phase % 2)].append(1000 * (float(words[2]) - sent[words[0]]))
    return summarize(taken[False]), summarize(taken[True])


def summarize(milliseconds: Sequence[float]) -> Latency:
    """Return the percentiles."""
    cuts = quantiles(milliseconds, n=100)
    return Latency(len(milliseconds), cuts[49], cuts[98])
