"""
Run chaos from the command line.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable
from random import randrange

from rich.console import Console
from rich.table import Table

from tests.chaos.calls import CallsOutcome, run_calls
from tests.chaos.effects import EffectsScale, run_effects
from tests.chaos.faults import KINDS, MOMENTS, SIGNALS
from tests.chaos.outages import can_mount, fill_disk, restart_postgres
from tests.chaos.poison import measure
from tests.chaos.run import Outcome, Scale, run_chaos
from tests.chaos.tasks import TasksOutcome, run_tasks


#: Of all messages, so many are handled on PostgreSQL and on a small disk; and so many of them between two outages.
OUTAGE_SHARE = 0.05
MESSAGES_PER_OUTAGE = 400

MOST_SHOWN = 20

#: With the ledger's plan, one fault in so many is a restart of PostgreSQL, and the others are kills.
RESTART_SHARE = 16

console = Console()


def parse() -> Namespace:
    parser = ArgumentParser(prog="python -m tests.chaos", description="Break daemons on purpose, and see what it costs")
    parser.add_argument("--seed", type=int, help="which faults befall which calls; a new one by default")
    parser.add_argument("--messages", type=int, default=100_000, help="handle at least so many (100000)")
    parser.add_argument("--faults", type=int, default=2_000, help="inject at least so many; 0 injects none (2000)")
    parser.add_argument("--no-outages", action="store_true", help="leave PostgreSQL and the disk alone")
    parser.add_argument(
        "--poison", action="store_true", help="measure what poison costs its neighbours, and that alone"
    )
    parser.add_argument(
        "--plan",
        choices=["delivery", "ledger", "calls", "tasks"],
        default="delivery",
        help="what is broken: the way of messages, or daemons whose effects must happen once (--messages 20000, "
        "--faults 320: one in sixteen is a restart of PostgreSQL), or callers and services (--messages 20000 calls, "
        "--faults 200 kills), or daemons and the tasks that they run (--messages 10000 tasks, --faults 200 kills)",
    )
    parser.add_argument("--twice", action="store_true", help="with --plan ledger, handlers do not say once=True")
    return parser.parse_args()


def main() -> None:
    """Run, print what came of it, and exit 1 if anything does not add up."""
    arguments = parse()
    if arguments.poison:
        print_latency()
        return
    seed = randrange(10**6) if arguments.seed is None else arguments.seed
    if arguments.plan == "ledger":
        count_effects(seed, arguments)
        return
    if arguments.plan == "calls":
        kill(seed, arguments, run_calls)
        return
    if arguments.plan == "tasks":
        kill(seed, arguments, run_tasks)
        return
    console.print(f"Chaos, seed {seed}: {arguments.messages} messages, {arguments.faults} faults")
    outcomes = {"HTTP": run_chaos(seed, choose_scale(arguments), console.print)}
    if arguments.faults and not arguments.no_outages:
        messages = int(arguments.messages * OUTAGE_SHARE)
        outages = max(1, messages // MESSAGES_PER_OUTAGE)
        console.print("PostgreSQL is restarted")
        outcomes["PostgreSQL"] = restart_postgres(seed, messages, outages)
        if can_mount():
            console.print("A disk is full")
            outcomes["SQLite, small disk"] = fill_disk(seed, messages, outages)
        else:
            console.print("No disk is filled: mounting a small one takes root")
    report(outcomes)
    if any(outcome.violations for outcome in outcomes.values()):
        command = f"make chaos SEED={seed} MESSAGES={arguments.messages} FAULTS={arguments.faults}"
        sys.exit(f"Seed {seed} does not add up; again: {command}")


def count_effects(seed: int, arguments: Namespace) -> None:
    """Run daemons with effects, print what came of it, and exit 1 if anything does not add up."""
    restarts = arguments.faults // RESTART_SHARE
    scale = EffectsScale(arguments.messages, arguments.faults - restarts, restarts, once=not arguments.twice)
    console.print(f"Effects, seed {seed}: {scale}")
    outcomes = {"effects" if scale.once else "effects, without once": run_effects(seed, scale, console.print)}
    report(outcomes)
    if any(outcome.violations for outcome in outcomes.values()):
        sys.exit(f"Seed {seed} does not add up")


def kill(seed: int, arguments: Namespace, run: Callable[..., CallsOutcome | TasksOutcome]) -> None:
    """Kill what calls and is called, print what came of it, and exit 1 if anything does not add up."""
    plan = arguments.plan
    console.print(f"{plan.title()}, seed {seed}: {arguments.messages} {plan}, {arguments.faults} kills")
    outcome = run(seed, arguments.messages, arguments.faults, say=console.print)
    table = Table(f"{plan} and kills", "times", title=f"{outcome.seconds:.0f} s")
    for name, times in sorted(outcome.counts.items()):
        table.add_row(name, str(times))
    console.print(table)
    for violation in outcome.violations[:MOST_SHOWN]:
        console.print(violation, style="red", markup=False)
    if outcome.violations:
        sys.exit(f"Seed {seed} does not add up")


def choose_scale(arguments: Namespace) -> Scale:
    """Return a run in which as many faults happen as are wanted, while so many messages are handled."""
    # about three calls for ten messages, and more while they are few
    share = min(0.15, 2.0 * arguments.faults / max(1, arguments.messages))
    return Scale(arguments.messages, arguments.faults, rate=share, signal_rate=share / 30)


def report(outcomes: dict[str, Outcome]) -> None:
    """Print what was survived, and what not."""
    survived: Counter[str] = sum((outcome.faults for outcome in outcomes.values()), Counter())
    table = Table("fault", "times", title="Survived")
    table.columns[1].justify = "right"
    known = [*KINDS, *(f"{name}: {moment}" for name in SIGNALS for moment in [*MOMENTS, "any moment"])]
    for kind in [*known, *sorted(survived.keys() - set(known))]:
        if survived[kind]:
            table.add_row(kind, str(survived[kind]))
    table.add_section()
    table.add_row("all", str(sum(survived.values())))
    console.print(table)
    table = Table("", *outcomes)
    rows = {
        "seed": lambda outcome: str(outcome.seed),
        "messages": lambda outcome: str(outcome.messages),
        "handled": lambda outcome: str(outcome.handled),
        "in the dead-letter queue, with reason": lambda outcome: str(outcome.dead),
        "faults": lambda outcome: str(sum(outcome.faults.values())),
        "handled again, explained by faults": lambda outcome: str(outcome.duplicates),
        "lost, out of order, or unexplained": lambda outcome: str(len(outcome.violations)),
        "seconds": lambda outcome: f"{outcome.seconds:.0f}",
    }
    for name, value in rows.items():
        table.add_row(name, *map(value, outcomes.values()))
    console.print(table)
    for where, outcome in outcomes.items():
        for violation in outcome.violations[:MOST_SHOWN]:
            console.print(f"{where}: {violation}", style="red", markup=False)


def print_latency() -> None:
    """Measure, and print."""
    without, beside = measure()
    table = Table("healthy messages", "p50 ms", "p99 ms", title="From the queue to the end of the handler")
    for name, latency in (("without poison", without), ("one poison in ten beside them", beside)):
        table.add_row(f"{latency.count} {name}", f"{latency.p50_ms:.1f}", f"{latency.p99_ms:.1f}")
    console.print(table)


if __name__ == "__main__":
    main()
