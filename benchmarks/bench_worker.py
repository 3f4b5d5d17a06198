"""
How fast a daemon consumes, beside what one writes by hand with boto3, in one run on one machine.

    python -m benchmarks.bench_worker [--messages N] [--rounds N] [--json] [--png FILE]

Every consumer runs in a process of its own against an endpoint in another, which answers at once or after a while.
A consumer that is too slow for all the messages gets fewer of them. CPU is user and system time of the consumer. A
machine that others use too is slower at times: in every round each consumer runs once, and the median of its rounds
counts.
"""

from __future__ import annotations

import platform
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from json import dumps, loads
from os import cpu_count, environ
from pathlib import Path
from statistics import median
from subprocess import PIPE, Popen

import boto3
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.endpoint import serve
from tests.engines import ENVIRONMENT


@dataclass(frozen=True)
class Case:
    """One measurement: who consumes what, and how."""

    name: str
    consumer: str
    #: share of the messages that it gets
    share: float = 1.0
    latency_seconds: float = 0.0
    wait_seconds: float = 0.0
    workers: int = 1
    transport: str = "auto"
    extras: bool = True
    processes: int = 1
    slow_seconds: float = 0.0
    looks_on: str = ""


#: Who looks on at a daemon.
LOOKING_ON = {"traced": "traces", "traces sampled out": "sampled-out", "Sentry": "sentry"}


def make_cases() -> list[Case]:
    cases = []
    for latency, label in ((0.0, "no latency"), (0.01, "10 ms latency")):
        slow = 1.0 if latency == 0 else 0.25
        cases += [
            Case(f"daemon, {label}", "daemon", latency_seconds=latency),
            Case(f"daemon without extras, {label}", "daemon", latency_seconds=latency, extras=False),
            Case(f"daemon over plain boto3, {label}", "daemon", latency_seconds=latency, transport="botocore"),
            *(
                Case(f"daemon, {who}, {label}", "daemon", latency_seconds=latency, looks_on=looks_on)
                for who, looks_on in LOOKING_ON.items()
                if latency == 0
            ),
            Case(f"batch loop, 1 thread, {label}", "batch-1", slow, latency),
            Case(f"batch loop, 8 threads, {label}", "batch-8", 1.0, latency),
            Case(f"one delete per message, {label}", "single-1", slow / 10, latency),
        ]
    cases += [
        Case("daemon, 10 slots, 10 ms handler", "daemon", 0.5, 0.01, 0.01, workers=10),
        Case("daemon, 10 slots, 10 ms handler, one of 10 s", "daemon", 0.5, 0.01, 0.01, workers=10, slow_seconds=10),
        Case("batch loop, 8 threads, 10 ms handler", "batch-8", 0.25, 0.01, 0.01),
        Case("two daemons, no latency", "daemon", 2.0, processes=2),
        Case("daemon, ten times the messages", "daemon", 10.0),
    ]
    return cases


def run_case(case: Case, messages: int) -> dict[str, float]:
    """Run the consumers of a case to the end of their queue, and return what they took."""
    count = max(100, int(messages * case.share) // 10 * 10)
    with serve(case.latency_seconds) as endpoint, ExitStack() as stack:
        command = [
            sys.executable, "-m", "benchmarks.consumers", case.consumer, endpoint.queue_url,
            str(count // case.processes), "--wait-seconds", str(case.wait_seconds),
            "--workers", str(case.workers), "--slow-seconds", str(case.slow_seconds),
            *([] if case.extras else ["--without-extras"]),
            *(["--looks-on", case.looks_on] if case.looks_on else []),
        ]  # fmt: skip
        environment = {
            **environ,
            **ENVIRONMENT,
            "BENCH__SQS_CLIENT__TRANSPORT": case.transport,
            "BENCH__SNS_CLIENT__TRANSPORT": case.transport,
        }
        running = [
            stack.enter_context(Popen(command, stdout=PIPE, text=True, env=environment)) for _ in range(case.processes)
        ]
        answers = [loads(process.communicate()[0].strip().splitlines()[-1]) for process in running]
        calls = sum(number for name, number in endpoint.counts().items() if name[0].isupper())
    seconds = max(answer["seconds"] for answer in answers)
    cpu = sum(answer["cpu_seconds"] for answer in answers)
    figures = {
        "messages": count,
        "per_second": count / seconds,
        "per_cpu_second": count / cpu,
        "cpu_us_per_message": cpu / count * 1e6,
        "calls_per_message": calls / count,
        "max_rss_mib": max(answer["max_rss_kib"] for answer in answers) / 1024,
    }
    if answers[0]["p99_seconds"] is not None:
        figures["p99_ms"] = answers[0]["p99_seconds"] * 1000
    return figures


def run_rounds(cases: list[Case], messages: int, rounds: int) -> dict[str, dict[str, float]]:
    """Run all cases once a round, and return the median of each figure of each."""
    found: dict[str, list[dict[str, float]]] = {case.name: [] for case in cases}
    runs = [case for _ in range(rounds) for case in cases]
    for case in track(runs, "Measuring", console=Console(stderr=True), transient=True):
        found[case.name].append(run_case(case, messages))
    return {
        name: {key: median(figures[key] for figures in several) for key in several[0]}
        for name, several in found.items()
    }


def iter_ratios(figures: dict[str, dict[str, float]]) -> Iterator[tuple[str, float]]:
    """Iterate over what the figures say beside each other."""

    def ratio(name: str, other: str, key: str) -> float:
        return figures[name][key] / figures[other][key]

    late = "10 ms latency"
    single, batch_8 = f"one delete per message, {late}", f"batch loop, 8 threads, {late}"
    for ours in ("daemon", "daemon without extras", "daemon over plain boto3"):
        yield f"messages/s: {ours} to one delete per message, {late}", ratio(f"{ours}, {late}", single, "per_second")
        yield f"messages/s: {ours} to batch loop of 8 threads, {late}", ratio(f"{ours}, {late}", batch_8, "per_second")
        yield (
            f"messages/CPU s: {ours} to batch loop, no latency",
            ratio(f"{ours}, no latency", "batch loop, 1 thread, no latency", "per_cpu_second"),
        )
    for who in LOOKING_ON:
        ours = f"daemon, {who}, no latency"
        yield f"messages/CPU s: {ours} to without", ratio(ours, "daemon, no latency", "per_cpu_second")
        yield (
            f"messages/CPU s: {ours} to batch loop",
            ratio(ours, "batch loop, 1 thread, no latency", "per_cpu_second"),
        )
    plain = figures["daemon over plain boto3, no latency"]["cpu_us_per_message"]
    loop = figures["batch loop, 1 thread, no latency"]["cpu_us_per_message"]
    yield "our own CPU per message to the batch loop's (its two calls per ten messages)", (plain - loop) / loop
    fast, slow = "daemon, 10 slots, 10 ms handler", "daemon, 10 slots, 10 ms handler, one of 10 s"
    yield "p99 with one handler of 10 s to without", ratio(slow, fast, "p99_ms")
    yield "messages/s: two daemons to one", ratio("two daemons, no latency", "daemon, no latency", "per_second")
    yield (
        "memory: ten times the messages to the messages",
        ratio("daemon, ten times the messages", "daemon, no latency", "max_rss_mib"),
    )


def draw(figures: dict[str, dict[str, float]], path: Path) -> None:
    """Save a plot of the rates."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(14, 6), sharey=True, layout="constrained")
    names = list(figures)[::-1]
    for axis, key, title in zip(
        axes, ("per_second", "per_cpu_second"), ("messages per second", "messages per CPU second"), strict=True
    ):
        axis.barh(names, [figures[name][key] for name in names])
        axis.set_title(title)
        axis.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure, and print figures and ratios."""
    parser = ArgumentParser(description="Measure a daemon beside hand-written loops")
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--png", type=Path, default=Path("bench_worker.png"))
    parser.add_argument("--only", help="run the cases whose names hold this, and give no ratios")
    args = parser.parse_args()
    machine = {
        "python": platform.python_version(),
        "machine": platform.platform(),
        "cores": cpu_count(),
        "boto3": boto3.__version__,
        "messages": args.messages,
        "rounds": args.rounds,
    }
    console = Console(stderr=args.json)
    cases = [case for case in make_cases() if not args.only or args.only in case.name]
    figures = run_rounds(cases, args.messages, args.rounds)
    ratios = {} if args.only else dict(iter_ratios(figures))
    if not args.only:
        draw(figures, args.png)
    if args.json:
        print(dumps({"machine": machine, "figures": figures, "ratios": ratios}))
        return
    table = Table(title=", ".join(f"{key} {value}" for key, value in machine.items()))
    table.add_column("consumer")
    for name in ("messages", "messages/s", "messages/CPU s", "CPU us/message", "calls/message", "RSS MiB", "p99 ms"):
        table.add_column(name, justify="right")
    for name, values in figures.items():
        table.add_row(name, *(f"{value:,.2f}" if value < 10 else f"{value:,.0f}" for value in values.values()))
    console.print(table)
    for name, value in ratios.items():
        console.print(f"{value:8.2f}  {name}")
    if not args.only:
        console.print(f"plot: {args.png}")


if __name__ == "__main__":
    main()
