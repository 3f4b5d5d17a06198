"""
The demonstration's own sums and messages.
"""

import sys
from argparse import ArgumentTypeError
from dataclasses import fields as dataclass_fields
from io import StringIO
from json import dumps, loads

import pytest

from microcosm_pubsub.cli.demo import orders
from microcosm_pubsub.cli.demo.command import at_least_ten
from microcosm_pubsub.cli.demo.ledger import Ledger, count_outcomes, count_retries
from microcosm_pubsub.errors import ConfigurationError


PARTS = [field.name for field in dataclass_fields(Ledger) if field.name not in ("published", "retried")]


def make_ledger(**more):
    """Make a ledger with two messages of each kind."""
    return Ledger(**{**dict.fromkeys(PARTS, 2), "published": 2 * len(PARTS), "retried": 7, **more})


def test_every_message_is_accounted_for_once():
    assert make_ledger().adds_up
    assert make_ledger(retried=0).adds_up
    assert not make_ledger(published=2 * len(PARTS) + 1).adds_up
    for part in PARTS:
        assert not make_ledger(**{part: 1}).adds_up
        assert not make_ledger(**{part: 3}).adds_up


def test_for_a_machine_and_for_a_person():
    from rich.console import Console

    out = StringIO()
    Console(file=out, width=80).print(make_ledger().to_table())

    assert loads(dumps(make_ledger().to_dict())) == {
        **dict.fromkeys(PARTS, 2),
        "published": 2 * len(PARTS),
        "retried": 7,
        "adds_up": True,
    }
    lines = out.getvalue().splitlines()
    for label, number in (("published", 2 * len(PARTS)), ("handled", 2), ("dead-lettered", 2), ("retried", 7)):
        assert any(label in line and str(number) in line for line in lines)


def test_outcomes_and_retries():
    lines = [dumps({"message_id": message_id, "outcome": outcome}) for message_id, outcome in OUTCOMES]

    assert count_outcomes(lines) == {"SUCCEEDED": 2, "SKIPPED": 1}
    assert count_outcomes([]) == {}
    assert count_retries("no line of a result") == 0


# handled twice is one message
OUTCOMES = [("1", "SUCCEEDED"), ("2", "SUCCEEDED"), ("2", "SUCCEEDED"), ("3", "SKIPPED")]


class TestOrders:
    @pytest.mark.parametrize("count", [10, 11, 500])
    def test_texts(self, count):
        texts = orders.make_texts(count)

        assert len(texts) == count
        assert texts == orders.make_texts(count)
        assert texts != orders.make_texts(count, seed=1)
        for text in orders.MALFORMED:
            assert texts.count(text) == 1
        for name in ("flaky", "broken"):
            assert sum(f"/{name}" in text for text in texts) == 1

    def test_the_daemon_is_found(self, monkeypatch, tmp_path):
        assert orders.find_daemon().read_text().startswith('"""')

        monkeypatch.setattr(orders, "__file__", str(tmp_path / "a" / "b" / "c" / "orders.py"))
        monkeypatch.setattr(sys, "prefix", str(tmp_path))
        with pytest.raises(ConfigurationError, match="clone"):
            orders.find_daemon()

    def test_a_file_of_messages(self, tmp_path):
        path = tmp_path / "messages.jsonl"
        path.write_text('{"a": 1}\n\n  \nnot json\n')
        assert orders.read_texts(str(path)) == ['{"a": 1}', "not json"]

        path.write_text("\n")
        with pytest.raises(ConfigurationError, match="holds no messages"):
            orders.read_texts(str(path))
        with pytest.raises(ConfigurationError, match="No such file"):
            orders.read_texts(str(tmp_path / "missing"))


def test_a_number_of_messages():
    assert at_least_ten("10") == 10
    for text in ("9", "-10", "ten", "10.5", ""):
        with pytest.raises(ArgumentTypeError):
            at_least_ten(text)
