"""The reference of the command line names every flag that there is, and no other."""

import sys
from pathlib import Path
from re import MULTILINE, findall, split

import pytest


PAGE = Path(__file__).parents[2] / "docs" / "reference" / "command-line.md"

COMMANDS = {
    "A daemon": [sys.executable, "examples/orders/daemon.py"],
    "pubsub config": ["pubsub", "config"],
    "pubsub write": ["pubsub", "write"],
    "pubsub read": ["pubsub", "read"],
    "pubsub db": ["pubsub", "db", "upgrade"],
    "pubsub serve": ["pubsub", "serve"],
    "pubsub demo": ["pubsub", "demo"],
    "pubsub doctor": ["pubsub", "doctor"],
    "publish-naive": ["publish-naive"],
}


@pytest.mark.parametrize("heading", COMMANDS)
def test_documented_flags_are_those_that_exist(heading, run_command):
    help_text = run_command([*COMMANDS[heading], "--help"]).stdout
    sections = dict(section.split("\n", 1) for section in split(r"\n## ", PAGE.read_text())[1:])

    existing = set(findall(r"^  (--[a-z][a-z-]*)", help_text, flags=MULTILINE)) - {"--help"}
    documented = set(findall(r"\| `(--[a-z-]+)", sections[heading]))
    assert documented == existing


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["run"],
        ["config"],
        ["write"],
        ["read"],
        ["dlq"],
        ["serve"],
        ["demo"],
        ["doctor"],
        ["topology"],
        ["topology", "diff"],
        ["run", "daemon:OrdersDaemon"],
    ],
    ids=" ".join,
)
def test_every_command_answers_help(command, run_command):
    finished = run_command(["pubsub", *command, "--help"], PYTHONPATH="examples/orders")

    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("usage: pubsub")
