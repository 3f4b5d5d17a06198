"""
Chaos, bounded: a few seeds. The long form is `make chaos`.
"""

from __future__ import annotations

import pytest

from tests.chaos.effects import EffectsScale, run_effects
from tests.chaos.ledger import Audit
from tests.chaos.outages import can_mount, fill_disk, restart_postgres
from tests.chaos.plan import DOOMED, plan
from tests.chaos.run import Outcome, Scale, run_chaos


def check(outcome: Outcome) -> None:
    again = f"again: make chaos SEED={outcome.seed}"
    assert outcome.violations == [], "\n".join([again, *outcome.violations[:20]])


def test_without_faults_nothing_is_handled_twice():
    # long leases, so that a busy machine does not play the part of a fault
    outcome = run_chaos(1, Scale(messages=1500, faults=0, visibility_seconds=30, daemons_per_queue=1))

    check(outcome)
    assert outcome.messages == 1500
    assert outcome.duplicates == 0
    assert sum(outcome.faults.values()) == 0


@pytest.mark.parametrize("seed", [7, 8])
def test_faults_between_daemons_and_the_engine(seed):
    outcome = run_chaos(seed, Scale(messages=1500, faults=120, rate=0.2, signal_rate=0.006))

    check(outcome)
    assert outcome.messages >= 1500
    assert sum(outcome.faults.values()) >= 120
    assert len(outcome.faults) >= 10


def test_postgres_is_restarted():
    check(restart_postgres(3, messages=300, outages=1))


@pytest.mark.skipif(not can_mount(), reason="Mounting a small disk takes root")
def test_a_disk_is_full():
    check(fill_disk(3, messages=400, outages=2))


def id_of_kind(kind: str, letter: str = "s", after: int = -1) -> str:
    numbers = range(after + 1, after + 100_000)
    return next(f"{letter}{number}" for number in numbers if plan(1, f"{letter}{number}").kind == kind)


FINE, POISON = id_of_kind("fine"), id_of_kind("hopeless")
FIRST = id_of_kind("fine", "f")
SECOND = f"f{int(FIRST[1:]) + 60}"
DEAD = {POISON: [(plan(1, POISON).body, "FAILED Hopeless")]}


@pytest.mark.parametrize(
    ("events", "dead_letters", "what"),
    [
        ([f"published {FINE}"], {}, "is lost"),
        ([f"published {FINE}", f"delete {FINE}", f"handled {FINE} 1"], {}, "was deleted unhandled"),
        ([f"published {FINE}", f"handled {FINE} 1", f"handled {FINE} 2"], {}, "was handled twice"),
        ([f"published {POISON}", f"dead {POISON}"], {POISON: [("x", "FAILED")]}, "was changed on its way"),
        ([f"published {POISON}", f"dead {POISON}"], {POISON: [(plan(1, POISON).body, None)]}, "without a reason"),
        ([f"published {POISON}", f"handled {POISON} 1"], DEAD, "cannot have been handled"),
        ([f"published {POISON}"], {POISON: DEAD[POISON] * 2}, "is 2 times in the dead-letter queue"),
        ([f"published {FINE}"], {FINE: [(plan(1, FINE).body, "FAILED")]}, "was given up"),
        ([f"published {FINE}", f"handled {FINE} 1"], {FINE: [(plan(1, FINE).body, "x")]}, "and is in the dead-letter"),
        ([], DEAD, "was never published"),
        (
            [f"published {FIRST} {SECOND}", f"handled {SECOND} 1", f"handled {FIRST} 1"],
            {},
            f"ended after {SECOND}",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_ledger_tells(events, dead_letters, what):
    violations = Audit(1).read(line.split() for line in events).close(dead_letters).violations

    assert any(what in violation for violation in violations), violations


def test_a_ledger_that_adds_up():
    events = [
        f"published {FINE} {POISON} {FIRST} {SECOND}",
        f"received {FINE} {POISON}",
        f"fault clock_jumps *s {FIRST}",
        f"handled {FINE} 1",
        f"handled {FINE} 2",
        f"dead {POISON}",
        f"delete {FINE} {POISON}",
        f"handled {FIRST} 1",
        f"handled {SECOND} 1",
        f"handled {FIRST} 2",
    ]

    audit = Audit(1).read(line.split() for line in events).close(DEAD)

    assert audit.violations == []
    assert audit.duplicates == 2
    assert plan(1, POISON).kind in DOOMED


@pytest.mark.parametrize("once", [True, False])
def test_effects_happen_once(once):
    outcome = run_effects(5, EffectsScale(messages=600, kills=8, restarts=1, daemons=2, once=once))

    check(outcome)
    assert outcome.handled == 1200
    assert (outcome.duplicates > 0) == (not once)
