"""
What the tests of the documentation share: a process that knows no AWS account.

Each page and each example runs in processes of its own, because `@schema`, `@handles` and `@binding` register
for the whole process.
"""

import sys
from collections.abc import Callable
from os import environ, pathsep
from pathlib import Path
from subprocess import CompletedProcess, run

import pytest


ROOT = Path(__file__).parents[2]


@pytest.fixture
def clean_environment(tmp_path):
    """Give an environment without AWS, in which `python` and `pubsub` are those of the tests."""
    path = pathsep.join([str(Path(sys.executable).parent), environ["PATH"]])
    return {"PATH": path, "HOME": str(tmp_path), "COLUMNS": "120"}


@pytest.fixture
def run_command(clean_environment) -> Callable[..., CompletedProcess]:
    """Give a function that runs a command to its end; text is run by a shell."""

    def run_it(command, cwd=ROOT, **settings):
        return run(
            ["bash", "-c", command] if isinstance(command, str) else command,
            cwd=cwd,
            env={**clean_environment, **settings},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_it
