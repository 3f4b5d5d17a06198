"""
Keep what the benchmarks measure on this machine, and say which ratios became worse.

    python -m benchmarks.results run worker dispatch [-- --rounds 5]
    python -m benchmarks.results compare [worker ...]

`run` runs each with `--json`, and adds its result to `benchmarks/results/<machine>.json`. `compare` takes the newest
two results of each that were run with the same arguments, and exits with 1 if a ratio is worse by more than 3 %.
Figures of two machines say nothing of each other, so the files are not shared.
"""

from __future__ import annotations

import platform
import re
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from json import dumps, loads
from os import cpu_count, environ, getloadavg
from pathlib import Path
from subprocess import PIPE, CalledProcessError, run
from typing import Any

from rich.console import Console
from rich.table import Table


ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("results")

#: A ratio that is worse by more than this share is told of.
TOLERANCE = 0.03


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure beside another one of the same run, so that the speed of the machine is not in it."""

    value: float
    #: Whether a larger one is better.
    is_more_better: bool

    def worse_by(self, before: Ratio) -> float:
        """Return by which share this is worse than it was before; below 0, it is better."""
        if not before.value or not self.value:
            return 0.0
        return (before.value / self.value if self.is_more_better else self.value / before.value) - 1


Ratios = Iterator[tuple[str, Ratio]]


def read_worker(result: Mapping[str, Any]) -> Ratios:
    for name, value in result["ratios"].items():
        yield name, Ratio(value, name.startswith("messages/"))


def read_clients(result: Mapping[str, Any]) -> Ratios:
    for title, calls in result["results"].items():
        for call, subjects in calls.items():
            for subject, figures in subjects.items():
                yield f"{title}: {call}, times cheaper than boto3: {subject}", Ratio(figures["ratio"], True)


def read_dispatch(result: Mapping[str, Any]) -> Ratios:
    figures = result["cpu_us_per_message"]
    for name, value in figures.items():
        if name != "body: JSON":
            yield f"{name}, to reading the body's JSON", Ratio(value / figures["body: JSON"], False)


def read_payloads(result: Mapping[str, Any]) -> Ratios:
    for row in result["payloads"]:
        for column in ("to marshmallow", "codec to library"):
            if row[column] is not None:
                yield f"{row['content']}, {column}", Ratio(row[column], False)


def read_python_calls(result: Mapping[str, Any]) -> Ratios:
    for message, counts in result.items():
        for name, count in counts.items():
            yield f"{message}, {name}", Ratio(count, False)


def read_broker(result: Mapping[str, Any]) -> Ratios:
    for subject, figures in result["results"].items():
        for name, value in figures.items():
            if " to " in name:
                yield f"{subject}: {name}", Ratio(value, True)


def read_sql(result: Mapping[str, Any]) -> Ratios:
    for name, value in result["ratios"].items():
        yield name, Ratio(value, "messages/" in name or "per second" in name)


def read_tasks(result: Mapping[str, Any]) -> Ratios:
    for name, value in result.items():
        if name.endswith("_ratio"):
            yield name, Ratio(value, True)


def read_calls(result: Mapping[str, Any]) -> Ratios:
    for name in ("cost", "cost_on_file"):
        yield f"{name}: task to message", Ratio(result[name]["task_us"] / result[name]["message_us"], False)
    http = result["http"]
    value = http["ours_calls_per_second"] / http["by_hand_calls_per_second"]
    yield "http: calls per second, ours to by hand", Ratio(value, True)


def read_latency(result: Mapping[str, Any]) -> Ratios:
    for name, figures in result.items():
        engine, _, mode = name.rpartition(", ")
        if mode == "noticed":
            looking = result[f"{engine}, looking"]
            for key in ("p50", "p99"):
                yield f"{engine}: {key}, noticed to looking", Ratio(figures[key] / looking[key], False)


#: What to compare of each benchmark, by the end of its module's name.
BENCHMARKS: dict[str, Callable[[Mapping[str, Any]], Ratios]] = {
    "worker": read_worker,
    "dispatch": read_dispatch,
    "clients": read_clients,
    "payloads": read_payloads,
    "python_calls": read_python_calls,
    "broker": read_broker,
    "sql": read_sql,
    "tasks": read_tasks,
    "calls": read_calls,
    "latency": read_latency,
}


def find_machine() -> str:
    """Return the name of this machine, which `BENCH_MACHINE` may give."""
    given = environ.get("BENCH_MACHINE") or f"{platform.node()}-{platform.system()}-{platform.machine()}-{cpu_count()}"
    return re.sub(r"[^a-z0-9_.-]+", "-", given.lower())


def find_commit() -> str:
    """Return the commit that is checked out, with a `+` if files differ from it."""
    answer = run(
        ["git", "describe", "--always", "--abbrev=10", "--dirty=+"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    return answer.stdout.strip() or "unknown"


def read_file(path: Path) -> list[dict[str, Any]]:
    """Return the runs that a file holds, the oldest first."""
    runs: list[dict[str, Any]] = loads(path.read_text()) if path.exists() else []
    return runs


def add_run(path: Path, name: str, arguments: Sequence[str], result: Any) -> None:
    """Add a result to a file."""
    added = {
        "benchmark": name,
        "arguments": list(arguments),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": find_commit(),
        "python": platform.python_version(),
        # of the last five minutes: what others did meanwhile
        "load": getloadavg()[1],
        "result": result,
    }
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(dumps([*read_file(path), added], indent=1) + "\n")
    part.replace(path)


def find_newest(runs: Sequence[dict[str, Any]], name: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the newest two runs of a benchmark with the same arguments, the older one first."""
    mine = [each for each in runs if each["benchmark"] == name]
    if not mine:
        return None
    alike = [each for each in mine if each["arguments"] == mine[-1]["arguments"]]
    return (alike[-2], alike[-1]) if len(alike) > 1 else None


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Ratio, Ratio, float]]:
    """Return the ratios that two runs of a benchmark have: before, after, and by which share they are worse."""
    read = BENCHMARKS[after["benchmark"]]
    known = dict(read(before["result"]))
    return [
        (name, known[name], ratio, ratio.worse_by(known[name]))
        for name, ratio in read(after["result"])
        if name in known
    ]


def describe(each: Mapping[str, Any]) -> str:
    """Return when a run was made, and how busy the machine was."""
    return f"{each['time'].removesuffix('+00:00').replace('T', ' ')} (load {each['load']:.1f})"


def print_comparison(runs: Sequence[dict[str, Any]], names: Sequence[str], console: Console) -> bool:
    """Print what has changed, and return whether anything is worse by more than it may be."""
    is_worse = False
    for name in names:
        pair = find_newest(runs, name)
        if pair is None:
            console.print(f"{name}: fewer than two runs with the same arguments")
            continue
        before, after = pair
        table = Table(
            "", before["commit"], after["commit"], "", title=f"{name}, {describe(before)} and {describe(after)}"
        )
        for label, old, new, share in compare(before, after):
            said = f"{share:.1%} worse" if share > TOLERANCE else f"{-share:.1%} better" if share < -TOLERANCE else ""
            is_worse |= share > TOLERANCE
            table.add_row(label, f"{old.value:.3f}", f"{new.value:.3f}", said, style="red" if share > TOLERANCE else "")
        console.print(table)
    return is_worse


def run_benchmarks(names: Sequence[str], arguments: Sequence[str], path: Path) -> None:
    """Run benchmarks, and keep their results."""
    for name in names:
        command = [sys.executable, "-m", f"benchmarks.bench_{name}", "--json", *arguments]
        answer = run(command, cwd=ROOT, check=True, stdout=PIPE, text=True)
        # some print what they are doing before it
        add_run(path, name, arguments, loads(answer.stdout[answer.stdout.index("{") :]))


def main() -> int:
    """Run or compare."""
    parser = ArgumentParser(prog="python -m benchmarks.results", description="Keep and compare results of benchmarks")
    commands = parser.add_subparsers(dest="command", required=True)
    for command, words in (
        ("run", "run benchmarks, and keep what they measure"),
        ("compare", "the newest two of each"),
    ):
        subparser = commands.add_parser(command, help=words)
        subparser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    ours, _, theirs = " ".join(sys.argv[1:]).partition(" -- ")
    options = parser.parse_args(ours.split())
    for name in options.names:
        if name not in BENCHMARKS:
            parser.error(f"no benchmark {name}: choose of {', '.join(BENCHMARKS)}")
    path = RESULTS / f"{find_machine()}.json"
    console = Console()
    if options.command == "compare":
        runs = read_file(path)
        known = [name for name in BENCHMARKS if any(each["benchmark"] == name for each in runs)]
        if not runs:
            console.print(f"{path} holds nothing yet: python -m benchmarks.results run")
        return int(print_comparison(runs, options.names or known, console))
    try:
        run_benchmarks(options.names or list(BENCHMARKS), theirs.split(), path)
    except CalledProcessError as error:
        console.print(f"{' '.join(error.cmd)} failed, with exit code {error.returncode}")
        return error.returncode
    console.print(f"kept in {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
