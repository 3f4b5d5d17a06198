"""
Which results of benchmarks are compared, and what is worse.
"""

import sys
from io import StringIO
from pathlib import Path
from subprocess import run

import pytest
from rich.console import Console

from benchmarks.results import BENCHMARKS, Ratio, add_run, compare, find_newest, print_comparison, read_file


def make_sql(daemon: float, statements: float) -> dict:
    return {"ratios": {"PostgreSQL: messages/s, daemon to by hand": daemon, "SQLite: statements": statements}}


def test_each_benchmark_can_be_imported():
    # By a process of its own: their schemas and handlers are not those of other tests.
    checks = [f"from benchmarks.bench_{name} import main" for name in BENCHMARKS]
    run([sys.executable, "-c", "\n".join(checks)], cwd=Path(__file__).parents[2], check=True)


def test_each_benchmark_is_known():
    found = {path.stem.removeprefix("bench_") for path in (Path(__file__).parents[2] / "benchmarks").glob("bench_*.py")}
    assert found == set(BENCHMARKS)


@pytest.mark.parametrize(
    ("before", "after", "is_more_better", "share"),
    [(2.0, 1.0, True, 1.0), (1.0, 2.0, True, -0.5), (1.0, 1.05, False, 0.05), (0.0, 1.0, False, 0.0)],
)
def test_which_way_is_worse(before, after, is_more_better, share):
    assert Ratio(after, is_more_better).worse_by(Ratio(before, is_more_better)) == pytest.approx(share)


def test_newest_two_with_the_same_arguments_are_compared(tmp_path):
    path = tmp_path / "results" / "machine.json"
    for daemon, arguments in ((1.0, []), (0.9, []), (5.0, ["--rounds", "9"]), (0.8, [])):
        add_run(path, "sql", arguments, make_sql(daemon, 1.0))
    add_run(path, "dispatch", [], {})

    before, after = find_newest(read_file(path), "sql")
    assert (before["result"], after["result"]) == (make_sql(0.9, 1.0), make_sql(0.8, 1.0))
    assert find_newest(read_file(path), "dispatch") is None
    assert find_newest(read_file(path), "worker") is None


def test_what_is_worse_is_told(tmp_path):
    path = tmp_path / "machine.json"
    output = StringIO()
    add_run(path, "sql", [], make_sql(1.0, 1.00))
    add_run(path, "sql", [], make_sql(1.1, 1.02))
    assert print_comparison(read_file(path), ["sql"], Console(file=output, width=200)) is False
    assert "better" in output.getvalue()
    assert "worse" not in output.getvalue()

    add_run(path, "sql", [], make_sql(1.1, 1.10))
    assert print_comparison(read_file(path), ["sql", "worker"], Console(file=output, width=200)) is True
    assert "7.8% worse" in output.getvalue()
    assert "worker: fewer than two runs" in output.getvalue()


def test_ratios_of_one_run_alone_are_left_out():
    run = {"benchmark": "sql", "result": make_sql(1.0, 1.0)}
    assert compare(run | {"result": {"ratios": {}}}, run) == []
