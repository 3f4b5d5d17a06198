"""
`pubsub db` and `pubsub outbox`, over the databases of a test.
"""

from json import loads

import pytest

from microcosm_pubsub.cli.main import main
from microcosm_pubsub.conventions import created
from tests.unit.sql.app import App


INVOICE = created("invoice")


@pytest.fixture
def run(url, capsys, monkeypatch):
    """Run a command on the database of the test, and return its exit code and what it printed."""
    monkeypatch.setenv("PUBSUB_DATABASE_URL", url)
    monkeypatch.setenv("COLUMNS", "300")

    def call(*words):
        with pytest.raises(SystemExit) as raised:
            main(words)
        return raised.value.code, capsys.readouterr().out

    return call


@pytest.fixture
def app(make_app, url, tmp_path):
    broker = {"url": f"sqlite:///{tmp_path}/broker.db"}
    app = make_app(url, pubsub_database={"auto_upgrade": True}, pubsub_broker=broker)
    app.graph.pubsub_outbox.relay.publish_soon = lambda rows: None
    app.broker_url = broker["url"]
    yield app
    app.graph.pubsub_broker.close()


def publish(app: App, *names, **options):
    with app.database.transaction():
        return [app.graph.sns_producer.produce(INVOICE, uri=name, **options) for name in names]


def test_db_creates_the_tables_and_tells_their_version(run):
    assert run("db", "current") == (1, "none (this package needs 0002)\n")
    code, text = run("db", "upgrade")
    assert (code, "is at 0002, before at none" in text) == (0, True)
    assert "as before" in run("db", "upgrade")[1]
    assert run("db", "current")[0] == 0
    assert run("db", "history") == (
        0,
        "  0001 The inbox and the outbox.\n"
        "* 0002 The ledger of tasks, their cursors and their schedules, and the answers to requests.\n",
    )


def test_db_makes_no_file_to_look_into(run, tmp_path):
    url = f"sqlite:///{tmp_path}/orders.bd"
    assert run("db", "current", "--database-url", url) == (1, "none (this package needs 0002)\n")
    assert "*" not in run("db", "history", "--database-url", url)[1]
    assert not (tmp_path / "orders.bd").exists()


def test_db_tells_machines(run):
    assert loads(run("db", "upgrade", "--json")[1])["version"] == "0002"
    assert loads(run("db", "current", "--json")[1]) == {"version": "0002", "needed": "0002"}
    _, revision = loads(run("db", "history", "--json")[1])
    assert revision["is_current"]


def test_a_database_must_be_named(run, monkeypatch):
    monkeypatch.delenv("PUBSUB_DATABASE_URL")

    assert "--database-url" in run("db", "current")[0]


def test_what_waits_is_listed_and_shown(app, run):
    one, _ = publish(app, "one", "two")

    code, text = run("outbox", "list")
    assert (code, text.count(INVOICE)) == (0, 2)
    first, second = loads(run("outbox", "list", "--json")[1])
    assert (first["message_id"], first["attempts"], second["error"]) == (one, 0, None)
    shown = loads(run("outbox", "show", str(first["id"]))[1])
    assert loads(shown["body"])["uri"] == "one"
    assert loads(run("outbox", "show", one)[1])["id"] == first["id"]
    assert "no message nothing" in run("outbox", "show", "nothing")[0]
    assert loads(run("outbox", "list", "--failed", "--json")[1]) == []


def test_what_waits_is_discarded(app, run):
    one, two = publish(app, "one", "two")

    assert run("outbox", "discard", one) == (0, "1 discarded\n")
    assert run("outbox", "discard", one) == (1, "0 discarded\n")
    assert [row["message_id"] for row in loads(run("outbox", "list", "--json")[1])] == [two]
    assert "Name the ids" in run("outbox", "discard")[0]


def test_a_relay_publishes_what_is_due(app, run):
    publish(app, "one", "two")
    (later,) = publish(app, "three", delay_seconds=3600)
    flags = ["--broker-url", app.broker_url]

    assert run("outbox", "relay", "--once", *flags) == (0, "0 published, 3 waiting, 0 failed\n")
    assert run("outbox", "retry", *(row["message_id"] for row in loads(run("outbox", "list", "--json")[1])[:2]))[0] == 0
    assert loads(run("outbox", "relay", "--once", "--json", *flags)[1]) == {"published": 2, "waiting": 1, "failed": 0}
    assert run("outbox", "retry", later, "--json")[0] == 0
    assert run("outbox", "relay", "--once", *flags) == (0, "1 published, 0 waiting, 0 failed\n")
