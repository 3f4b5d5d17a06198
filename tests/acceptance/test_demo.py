"""
The demonstration, as a newcomer runs it.
"""

import os
import sys
from json import dumps, loads
from signal import SIGKILL
from subprocess import PIPE, Popen, run

import pytest

from microcosm_pubsub.conventions import created


@pytest.fixture
def command(tmp_path):
    return [sys.executable, "-m", "microcosm_pubsub.cli", "demo", "--directory", str(tmp_path / "demo")]


@pytest.fixture
def demo(command):
    def run_demo(*arguments: str):
        return run([*command, *arguments], capture_output=True, text=True, check=False)

    return run_demo


def test_every_message_is_accounted_for(demo):
    answer = demo("--messages", "60", "--json")

    assert answer.returncode == 0, answer.stderr
    ledger = loads(answer.stdout)
    assert ledger["adds_up"]
    assert ledger["published"] == 60
    # the four malformed ones, and the one that always fails
    assert ledger["dead_lettered"] == 5
    assert ledger["queued"] == 0
    # one attempt at each malformed one, three at the other, and two at the one that then succeeds
    assert ledger["retried"] == 9
    assert ledger["handled"] + ledger["skipped"] == 55


def test_people_get_a_table(demo):
    answer = demo("--messages", "10")

    assert answer.returncode == 0, answer.stderr
    assert "dead-lettered" in answer.stdout


@pytest.mark.parametrize("progress", ["Publishing 2000 messages", "Handling them"])
def test_killed_in_the_middle_and_started_again_it_still_adds_up(command, demo, progress):
    # a session of its own, so that the daemon is killed too
    killed = Popen([*command, "--messages", "2000"], stderr=PIPE, text=True, start_new_session=True)
    while progress not in (line := killed.stderr.readline()):
        assert line, "the demonstration ended"
    os.killpg(killed.pid, SIGKILL)
    killed.wait()
    killed.stderr.close()

    answer = demo("--json")

    assert answer.returncode == 0, answer.stderr
    assert "An earlier run was interrupted" in answer.stderr
    ledger = loads(answer.stdout)
    assert ledger["adds_up"]
    assert ledger["published"] == 2000
    assert ledger["queued"] == 0
    assert demo("--messages", "10", "--json").returncode == 0


def test_a_daemon_that_outlived_its_demonstration_is_stopped(command, demo):
    killed = Popen([*command, "--messages", "300"], stderr=PIPE, text=True)
    while "runs as process" not in (line := killed.stderr.readline()):
        assert line, "the demonstration ended"
    killed.kill()
    killed.wait()
    killed.stderr.close()

    answer = demo("--json")

    assert answer.returncode == 0, answer.stderr
    assert loads(answer.stdout)["published"] == 300


def test_it_runs_on_messages_of_ones_own(demo, tmp_path):
    path = tmp_path / "events.jsonl"
    lines = [
        dumps({"mediaType": created("order"), "uri": "https://example.com/1"}),
        dumps({"mediaType": created("invoice"), "uri": "https://example.com/2"}),
        "broken",
    ]
    path.write_text("\n".join(lines))

    answer = demo("--input", str(path), "--json")

    assert answer.returncode == 0, answer.stderr
    ledger = loads(answer.stdout)
    expected = {"published": 3, "handled": 1, "unsubscribed": 1, "dead_lettered": 1, "skipped": 0, "queued": 0}
    assert {key: ledger[key] for key in expected} == expected


def test_a_missing_input_is_named(demo, tmp_path):
    answer = demo("--input", str(tmp_path / "missing.jsonl"))

    assert answer.returncode == 1
    assert answer.stderr.strip().endswith("missing.jsonl: No such file or directory")
