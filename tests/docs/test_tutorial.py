"""The tutorial works, step by step, with a real daemon on a SQLite file."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from json import loads
from pathlib import Path
from re import DOTALL, MULTILINE, findall
from signal import SIGTERM
from subprocess import PIPE, STDOUT, Popen

import pytest


PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
COMMANDS = findall(r"^\$ (.*)$", PAGE.read_text(), flags=MULTILINE)

#: So that the test does not wait where its reader would.
SETTINGS = {
    "GREETING__SQS_CONSUMER__WAIT_SECONDS": "1",
    "GREETING__SQS_CONSUMER__MESSAGE_RETRY_VISIBILITY_TIMEOUT_SECONDS": "0",
}


def find_command(*words):
    [command] = {command for command in COMMANDS if all(word in command for word in words)}
    return command


@pytest.fixture
def directory(tmp_path):
    """Give a directory with the tutorial's files."""
    for name, code in findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", PAGE.read_text(), flags=DOTALL):
        (tmp_path / name).write_text(code)
    return tmp_path


@pytest.fixture
def second_terminal(directory, run_command):
    """Give a function that runs a command of the tutorial, where it has exported what it says."""
    exported = dict([find_command("export ").removeprefix("export ").split("=")])

    def run_it(*words):
        finished = run_command(find_command(*words), cwd=directory, **exported)
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    return run_it


@pytest.fixture
def run_daemon(directory, clean_environment):
    """Give a function that runs the daemon while a block runs; its lines are read from what the block gets."""

    @contextmanager
    def run_it() -> Iterator["Daemon"]:
        program, *arguments = find_command("--broker-url").split()
        assert program == "python"
        with Popen(
            [sys.executable, *arguments],
            cwd=directory,
            env={**clean_environment, **SETTINGS},
            stdout=PIPE,
            stderr=STDOUT,
            text=True,
        ) as process:
            daemon = Daemon(process)
            try:
                # it subscribes before it says so
                daemon.read_until("Starting daemon greeting")
                yield daemon
            finally:
                process.send_signal(SIGTERM)
                daemon.lines += process.stdout.readlines()
        assert process.returncode == 0, daemon.lines

    return run_it


class Daemon:
    """A daemon, and what it has printed."""

    def __init__(self, process):
        self.process = process
        self.lines = []

    def read_until(self, text):
        for line in self.process.stdout:
            self.lines.append(line)
            if text in line:
                return
        raise AssertionError(f"{text!r} is not in {self.lines}")


def test_tutorial_greets_the_world(second_terminal, run_daemon):
    with run_daemon() as daemon:
        second_terminal("publish.py", "world")
        daemon.read_until("Hello, world!")
        second_terminal("pubsub write")
        daemon.read_until("SUCCEEDED")

    assert daemon.lines[-1].endswith("Stopped daemon greeting: 1 SUCCEEDED\n")


def test_messages_of_the_tutorial_wait_for_the_daemon(second_terminal, run_daemon):
    with run_daemon():
        pass
    second_terminal("publish.py", "world")

    with run_daemon() as daemon:
        daemon.read_until("Hello, world!")


def test_nobody_is_greeted_once_the_handler_is_mended(directory, second_terminal, run_daemon):
    with run_daemon() as daemon:
        second_terminal("publish.py", "nobody")
        for _ in range(5):
            daemon.read_until("FAILED")
        # the next receive takes it away; each read waits for a second
        found = next(filter(None, (second_terminal("pubsub read") for _ in range(20))))
    assert loads(found)["content"]["name"] == "nobody"

    path = directory / "greeting.py"
    path.write_text(path.read_text().replace('== "nobody"', '== ""'))
    with run_daemon() as daemon:
        second_terminal("redrive.py")
        daemon.read_until("Hello, nobody!")
