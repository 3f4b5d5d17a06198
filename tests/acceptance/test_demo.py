"""
The demonstration, as a newcomer runs it.
"""

import sys
from json import dumps, loads
from subprocess import run

from microcosm_pubsub.conventions import created


def demo(*arguments: str):
    return run(
        [sys.executable, "-m", "microcosm_pubsub.cli", "demo", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_message_is_accounted_for():
    answer = demo("--messages", "60", "--json")

    assert answer.returncode == 0, answer.stderr
    ledger = loads(answer.stdout)
    assert ledger["adds_up"]
    assert ledger["published"] == 60
    # the four malformed ones, and the one that always fails
    assert ledger["dead_lettered"] == 5
    assert ledger["queued"] == 0
    # three attempts at each of those, and two at the one that then succeeds
    assert ledger["retried"] == 17
    assert ledger["handled"] + ledger["skipped"] == 55


def test_people_get_a_table():
    answer = demo("--messages", "10")

    assert answer.returncode == 0, answer.stderr
    assert "dead-lettered" in answer.stdout


def test_it_runs_on_messages_of_ones_own(tmp_path):
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
    expected = {"published": 3, "handled": 1, "ignored": 1, "dead_lettered": 1, "skipped": 0, "queued": 0}
    assert {key: ledger[key] for key in expected} == expected


def test_a_missing_input_is_named(tmp_path):
    answer = demo("--input", str(tmp_path / "missing.jsonl"))

    assert answer.returncode == 1
    assert answer.stderr.strip().endswith("missing.jsonl: No such file or directory")
