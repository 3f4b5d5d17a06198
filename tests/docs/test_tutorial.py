"""The tutorial works, step by step, on the engine that it names."""

import sys
from pathlib import Path
from re import DOTALL, findall
from signal import SIGTERM
from subprocess import PIPE, STDOUT, Popen

import pytest

from tests.engines import run_ministack


PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"


@pytest.fixture
def directory(tmp_path):
    """Give a directory with the tutorial's files."""
    for name, code in findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", PAGE.read_text(), flags=DOTALL):
        (tmp_path / name).write_text(code)
    return tmp_path


@pytest.fixture
def settings(tmp_path):
    """Run the engine, and give the environment variables that the tutorial exports."""
    exported = dict(findall(r"(\w+)=(\S+)", "\n".join(findall(r"^\$ export (.*)$", PAGE.read_text(), flags=8))))
    with run_ministack(tmp_path / "engine.log") as url:
        yield {**exported, "AWS_ENDPOINT_URL": url}


def test_tutorial_greets_the_world(directory, settings, clean_environment, run_command):
    created = run_command("python create_queue.py", cwd=directory, **settings)
    assert created.stdout.strip() == settings["GREETING__SNS_TOPIC_ARNS__DEFAULT"], created.stderr

    published = run_command("python publish.py world", cwd=directory, **settings)
    assert published.returncode == 0, published.stderr

    with Popen(
        [sys.executable, "greeting.py", "--sqs-queue-url", "greetings"],
        cwd=directory,
        env={**clean_environment, **settings, "GREETING__SQS_CONSUMER__WAIT_SECONDS": "1"},
        stdout=PIPE,
        stderr=STDOUT,
        text=True,
    ) as daemon:
        log = []
        while not any("SUCCEEDED" in line for line in log) and (line := daemon.stdout.readline()):
            log.append(line)
        daemon.send_signal(SIGTERM)
        log += daemon.stdout.readlines()

    assert "Hello, world!\n" in log
    assert log[-1].endswith("Stopped daemon greeting: 1 SUCCEEDED\n")
    assert daemon.returncode == 0
