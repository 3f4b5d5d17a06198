"""The examples run, and print what the file beside them says."""

import sys
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_prints_what_is_expected(path, run_command):
    finished = run_command([sys.executable, str(path.relative_to(ROOT))])

    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == path.with_suffix(".out").read_text()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short_and_in_the_index(path):
    assert len(path.read_text().splitlines()) <= 60
    assert f"](../examples/{path.name}): " in (ROOT / "docs" / "index.md").read_text()


def test_example_tests_pass_under_pytest(run_command, tmp_path):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "examples/test_your_handler.py"]
    finished = run_command(command)

    assert finished.returncode == 0, finished.stdout
    assert "2 passed" in finished.stdout


def test_orders_daemon_replays_its_events(run_command):
    command = [sys.executable, "examples/orders/daemon.py", "--sqs-queue-url", "examples/orders/events.jsonl"]
    finished = run_command(command, AWS_DEFAULT_REGION="us-east-1")

    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.endswith("Stopped daemon orders: 4 FAILED, 1 IGNORED, 1 SKIPPED, 3 SUCCEEDED\n")


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.py")), ids=lambda path: path.stem)
def test_example_is_short(path):
    assert len(path.read_text().splitlines()) <= 60


def test_every_example_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text()

    assert [path.name for path in EXAMPLES if f"examples/{path.name})" not in index] == []
