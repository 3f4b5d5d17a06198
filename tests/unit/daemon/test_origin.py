"""
Where the values of a daemon's configuration come from.
"""

import sys
from json import loads
from textwrap import dedent

import pytest

from microcosm_pubsub import ConsumerDaemon, WorkerSettings
from microcosm_pubsub.cli import main as cli
from microcosm_pubsub.daemon.configuration import attributes_to_config
from microcosm_pubsub.daemon.origin import HIDDEN, EffectiveSetting, hide_secrets, iter_settings
from microcosm_pubsub.errors import ConfigurationError


class OrdersDaemon(ConsumerDaemon):
    name = "my-orders"
    settings = WorkerSettings(max_lease_seconds=600, concurrency=4, max_buffer=50)
    ignore = ["a/b"]
    defaults = {"sns_topic_arns": {"default": "from-defaults"}, "pubsub_worker": {"max_buffer": 60}}


def show(*flags, cls=OrdersDaemon):
    daemon = cls()
    args = daemon.make_arg_parser().parse_args(flags)
    return {setting.key: setting for setting in iter_settings(daemon, args)}


def test_each_value_says_where_it_comes_from(monkeypatch):
    monkeypatch.setenv("MY_ORDERS__SNS_TOPIC_ARNS__DEFAULT", "from-environment")

    found = show("--drain", "--sqs-queue-url", "orders")

    for expected in (
        EffectiveSetting("pubsub_worker.max_lease_seconds", 600.0, "class"),
        EffectiveSetting("pubsub_worker.concurrency", 4, "class"),
        EffectiveSetting("pubsub_worker.max_buffer", 60, "defaults"),
        EffectiveSetting("pubsub_worker.max_pollers", 8, "default"),
        EffectiveSetting("pubsub_worker.drain", True, "flag"),
        EffectiveSetting("pubsub_unhandled.ignore", ["a/b"], "class"),
        EffectiveSetting("pubsub_middleware.names", [], "default"),
        EffectiveSetting("sqs_consumer.sqs_queue_url", "orders", "flag"),
        EffectiveSetting("sns_topic_arns.default", "from-environment", "MY_ORDERS__SNS_TOPIC_ARNS__DEFAULT"),
    ):
        assert found[expected.key] == expected
    assert list(found) == sorted(found)


def test_the_broker_of_the_environment(monkeypatch):
    monkeypatch.setenv("PUBSUB_BROKER_URL", "postgresql+psycopg://user:secret@host/database")

    found = show()["pubsub_broker.url"]

    assert found.origin == "PUBSUB_BROKER_URL"
    assert found.value == "postgresql+psycopg://user:(hidden)@host/database"


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("password", "x", HIDDEN),
        ("dsn", "https://key@sentry", HIDDEN),
        ("aws_secret_access_key", "x", HIDDEN),
        ("password", "", ""),
        ("password", None, None),
        ("url", "sqlite:///orders.db", "sqlite:///orders.db"),
        ("url", "postgresql://u:p@h/d", "postgresql://u:(hidden)@h/d"),
        ("concurrency", 5, 5),
    ],
)
def test_secrets_are_hidden(key, value, shown):
    assert hide_secrets(("section", key), value) == shown


def test_workers_win_over_settings():
    class Daemon(ConsumerDaemon):
        name = "orders"
        workers = 1
        settings = WorkerSettings(concurrency=4, max_buffer=5)

    assert attributes_to_config(Daemon())["pubsub_worker"] == {"max_buffer": 5}


def test_settings_of_another_type_are_refused():
    class Daemon(ConsumerDaemon):
        name = "orders"
        settings = {"concurrency": 4}  # type: ignore[assignment]

    with pytest.raises(ConfigurationError, match=r"settings are .* but must be WorkerSettings"):
        attributes_to_config(Daemon())


@pytest.mark.parametrize("settings", [{"max_lease_seconds": -1}, {"concurrency": "many"}])
def test_settings_that_cannot_work_are_refused(settings):
    class Daemon(ConsumerDaemon):
        name = "orders"

    Daemon.settings = WorkerSettings(**settings)

    with pytest.raises(ConfigurationError, match=f"pubsub_worker.{next(iter(settings))}"):
        show(cls=Daemon)


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "orders_config.py").write_text(
        dedent(
            """
            from microcosm_pubsub import ConsumerDaemon, WorkerSettings

            class OrdersDaemon(ConsumerDaemon):
                name = "orders"
                settings = WorkerSettings(concurrency=4)

            class OddDaemon(OrdersDaemon):
                def make_arg_parser(self):
                    parser = super().make_arg_parser()
                    parser.add_argument("--json", action="store_true")
                    return parser
            """
        )
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    "words",
    [
        ["--json", "--changed", "orders_config:OrdersDaemon", "--workers", "5"],
        ["orders_config:OrdersDaemon", "--workers", "5", "--changed", "--json"],
        ["--changed", "orders_config:OrdersDaemon", "--json", "--workers", "5"],
        ["--json", "orders_config:OddDaemon", "--json", "--workers", "5", "--changed"],
    ],
    ids=" ".join,
)
def test_the_command_prints_json(capsys, words):
    with pytest.raises(SystemExit) as ended:
        cli.main(["config", *words])

    assert ended.value.code is None
    found = loads(capsys.readouterr().out)
    assert found["pubsub_worker.concurrency"] == {"value": 5, "origin": "flag"}
    assert "pubsub_worker.max_buffer" not in found


@pytest.mark.usefixtures("module")
def test_the_command_prints_a_table(capsys):
    with pytest.raises(SystemExit):
        # A flag that the daemon has too is the daemon's.
        cli.main(["config", "orders_config:OddDaemon", "--json"])

    lines = capsys.readouterr().out.splitlines()
    assert any("pubsub_worker.concurrency" in line and "4" in line and "class" in line for line in lines)
    assert any("pubsub_worker.max_buffer" in line and "default" in line for line in lines)
