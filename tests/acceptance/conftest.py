"""
Programs in processes of their own.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from subprocess import PIPE, STDOUT, Popen

import pytest


class Program:
    """A daemon in a process of its own, whose log lines are read as they come."""

    def __init__(self, *args: str, **environment: str) -> None:
        self.lines: list[str] = []
        self.process = Popen(
            [sys.executable, *map(str, args)],
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PARCELS__SQS_CONSUMER__WAIT_SECONDS": "1", **environment},
        )

    def read_until(self, pattern: str) -> str:
        """Read lines until one matches; fail if none does before the process ends."""
        for line in self.process.stdout:
            self.lines.append(line)
            if re.search(pattern, line):
                return line
        raise AssertionError(f"No line matches {pattern!r} in:\n{''.join(self.lines)}")

    def end(self) -> int:
        """Wait for the end, and return the exit code."""
        self.lines.extend(self.process.stdout)
        return self.process.wait()

    @property
    def text(self) -> str:
        return "".join(self.lines)

    @property
    def handled(self) -> list[int]:
        return [int(number) for number in re.findall(r"^handling (-?\d+)$", self.text, re.MULTILINE)]


@pytest.fixture
def start() -> Iterator[Callable[..., Program]]:
    programs = []

    def start_program(*args: str, **environment: str) -> Program:
        programs.append(Program(*args, **environment))
        return programs[-1]

    yield start_program
    for program in programs:
        program.process.kill()
        program.process.wait()
        program.process.stdin.close()
        program.process.stdout.close()
