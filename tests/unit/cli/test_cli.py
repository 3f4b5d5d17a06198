"""
The command line tools.
"""

import os
import subprocess
import sys
from json import dumps, loads

import pytest
from microcosm import api

from microcosm_pubsub.broker.factory import open_broker
from microcosm_pubsub.cli import main as cli
from microcosm_pubsub.cli import publish_naive, read, write
from microcosm_pubsub.cli.run import load_daemon
from microcosm_pubsub.conventions import changed, created
from microcosm_pubsub.errors import ConfigurationError, PubSubError
from microcosm_pubsub.version import VERSION


TOPIC_ARN = "arn:aws:sns:eu-west-1:123456789012:orders"


@pytest.fixture
def graphs(monkeypatch, clock):
    """The graphs that a command makes, which are under test here, over one engine."""
    made = []

    def create_object_graph(name, loader):
        graph = api.create_object_graph(name, testing=True, loader=loader)
        if made:
            clients = made[0].pubsub_testing
            graph.assign("pubsub_testing", clients)
        graph.pubsub_testing.engine.clock = clock
        made.append(graph)
        return graph

    for module in (read, write):
        monkeypatch.setattr(module, "create_object_graph", create_object_graph)
    return made


@pytest.fixture(autouse=True)
def path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


def run(*argv):
    with pytest.raises(SystemExit) as raised:
        cli.main(argv)
    return raised.value.code


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("order", created("order")),
        ("Order.Line", created("order.line")),
        (changed("order"), changed("order")),
    ],
)
def test_write(graphs, capsys, name, media_type):
    assert not run("write", "--topic-arn", TOPIC_ARN, "--uri", "http://x", "--media-type", name)

    (graph,) = graphs
    publish = graph.pubsub_testing.sns_client.publish
    call = publish.call_args.kwargs
    assert call["TopicArn"] == TOPIC_ARN
    assert loads(call["Message"])["mediaType"] == media_type
    assert loads(call["Message"])["uri"] == "http://x"
    assert capsys.readouterr().out.strip()


def test_write_without_a_schema(graphs):
    code = run("write", "--topic-arn", TOPIC_ARN, "--uri", "http://x", "--media-type", "application/vnd.cli.unknown")

    assert code.startswith("pubsub write: Cannot produce application/vnd.cli.unknown")


def test_flags_become_configuration(graphs):
    flags = ["--profile", "p", "--region", "r", "--endpoint-url", "http://e"]

    run("write", "--topic-arn", TOPIC_ARN, "--uri", "u", "--media-type", "order", *flags)
    run("read", "--queue-url", "q", *flags)

    for config in (graphs[0].config.sns_producer, graphs[1].config.sqs_consumer):
        assert (config.profile_name, config.region_name, config.endpoint_url) == ("p", "r", "http://e")


class TestOnABroker:
    def test_what_is_written_is_read(self, tmp_path, capsys):
        url = f"sqlite:///{tmp_path}/broker.db"
        clients = open_broker(url)
        topic = clients.default_topic_arn
        clients.provision_queue("orders")
        clients.provision_subscriptions("orders", {created("order"): topic})
        clients.close()

        flags = ["--topic-arn", topic, "--uri", "http://x", "--media-type", "order"]
        assert not run("write", *flags, "--broker-url", url)
        capsys.readouterr()
        assert not run("read", "--queue-url", "orders", "--broker-url", url)
        assert loads(capsys.readouterr().out)["content"]["uri"] == "http://x"

    @pytest.mark.parametrize("flags", [["--broker-url", "sqlite:///pubsub.bd"], []])
    @pytest.mark.parametrize(
        "command",
        [["read", "--queue-url", "q"], ["write", "--topic-arn", TOPIC_ARN, "--uri", "u", "--media-type", "order"]],
    )
    def test_a_file_that_is_mistyped_is_told_and_not_made(self, tmp_path, monkeypatch, command, flags):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("PUBSUB_BROKER_URL", "sqlite:///pubsub.bd")

        source = "--broker-url" if flags else "PUBSUB_BROKER_URL"
        told = f"pubsub {command[0]}: There is no broker in the file pubsub.bd, seen from {tmp_path}: see {source}"
        assert run(*command, *flags) == told
        assert not list(tmp_path.iterdir())


UNKNOWN = {"mediaType": "application/vnd.cli.unknown", "secret": 1}
KNOWN = {"mediaType": created("order"), "uri": "http://x"}


@pytest.fixture
def sent(graphs, clock):
    """A queue with a message of each kind."""
    graph = api.create_object_graph(
        "pubsub", testing=True, loader=api.load_from_dict(sqs_consumer={"sqs_queue_url": "q"})
    )
    graphs.append(graph)
    engine = graph.pubsub_testing.engine
    engine.clock = clock
    for body in (KNOWN, UNKNOWN, "{not json"):
        text = body if isinstance(body, str) else dumps(body)
        engine.queue_client.send_message(QueueUrl="q", MessageBody=text)
    return engine


def test_read_prints_and_deletes(sent, capsys, clock):
    assert not run("read", "--queue-url", "q")

    known, unknown, bad = map(loads, capsys.readouterr().out.splitlines())
    assert (known["media_type"], known["content"]["uri"]) == (created("order"), "http://x")
    # nothing is deleted unseen
    assert unknown["content"] == UNKNOWN
    assert (bad["content"], bad["approximate_receive_count"]) == (None, 1)
    assert "not JSON" in bad["error"]
    (left,) = sent.messages("q")
    assert (left.body, left.visible_at) == ("{not json", clock())


@pytest.mark.parametrize(
    ("flags", "seconds"),
    [(["--nack"], 0), (["--nack", "--nack-timeout", "60"], 60), (["--nack-timeout", "7"], 7)],
)
def test_read_leaves_what_it_is_told_to(sent, capsys, clock, flags, seconds):
    assert not run("read", "--queue-url", "q", *flags)

    assert [message.visible_at - clock() for message in sent.messages("q")] == [seconds] * 3
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_read_an_empty_queue(graphs, capsys):
    assert not run("read", "--queue-url", "q")

    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        ([], "COMMAND"),
        (["nope"], "invalid choice"),
        (["write"], "--topic-arn"),
        (["read"], "--queue-url"),
        (["read", "--queue-url", "q", "--nack-timeout", "soon"], "--nack-timeout"),
        (["run"], "package.module:Daemon"),
        (["demo", "--messages", "9"], "at least 10"),
    ],
)
def test_a_wrong_command_line(capsys, argv, text):
    assert run(*argv) == 2

    assert text in capsys.readouterr().err


def test_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"pubsub {VERSION}\n"


def test_what_goes_wrong_is_one_clear_line(monkeypatch):
    def fail(args):
        raise PubSubError("what and why")

    monkeypatch.setattr(read, "main", fail)

    assert run("read", "--queue-url", "q") == "pubsub read: what and why"


def test_an_interrupt_is_no_error(monkeypatch):
    def fail(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(read, "main", fail)

    assert run("read", "--queue-url", "q", "--debug") == 130


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of a daemon, which is deleted from what is imported after the test."""
    (tmp_path / "cli_daemons.py").write_text(
        "from microcosm_pubsub.daemon import ConsumerDaemon\n"
        "class CliDaemon(ConsumerDaemon):\n"
        "    name = 'cli'\n"
        "    def run(self):\n"
        "        import sys\n"
        "        print(sys.argv)\n"
        "class NoDaemon:\n"
        "    pass\n"
    )
    (tmp_path / "cli_broken.py").write_text("import no_such_module_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "cli_daemons"
    sys.modules.pop("cli_daemons", None)
    sys.modules.pop("cli_broken", None)


def test_run(module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["pubsub"])

    assert not run("run", f"{module}:CliDaemon", "--sqs-queue-url", "q", "--debug")

    assert capsys.readouterr().out.strip() == "['pubsub run cli_daemons:CliDaemon', '--sqs-queue-url', 'q', '--debug']"
    assert load_daemon(f"{module}:CliDaemon").__name__ == "CliDaemon"


def test_a_service_is_named_as_a_daemon(tmp_path, monkeypatch, capsys):
    (tmp_path / "cli_service.py").write_text(
        "from microcosm_pubsub import Service\n"
        "class CliService(Service):\n"
        "    name = 'cli_service'\n"
        "    def on_echo(self, message, text: str) -> str:\n"
        "        return text\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    assert load_daemon("cli_service:CliService").name == "cli_service"
    with pytest.raises(ConfigurationError, match="no daemon 'Service'; its daemons are CliService"):
        load_daemon("cli_service:Service")
    assert not run("topology", "cli_service:CliService", "--format", "json")

    assert "created.request.cli_service" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cli_daemons:Missing", "cli_daemons has no daemon 'Missing'; its daemons are CliDaemon"),
        ("cli_daemons:NoDaemon", "has no daemon 'NoDaemon'"),
        ("cli_daemons:ConsumerDaemonX", "has no daemon"),
        ("cli_daemons", "has no daemon ''; its daemons are CliDaemon"),
        ("json:Daemon", "its daemons are none"),
        ("no_such_module:Daemon", "Cannot import no_such_module.*package.module:Daemon"),
        ("no_such_package.module:Daemon", "no_such_package"),
        ("cli_broken:Daemon", "no_such_module_at_all"),
        (":Daemon", "package.module:Daemon"),
        ("", "package.module:Daemon"),
        (".relative:Daemon", "package.module:Daemon"),
    ],
)
@pytest.mark.usefixtures("module")
def test_no_such_daemon(name, text):
    with pytest.raises(ConfigurationError, match=text):
        load_daemon(name)


def test_a_reader_that_goes_away_is_no_error(module, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "microcosm_pubsub.cli", "topology", f"{module}:CliDaemon", "--format", "json"]
    done = subprocess.run(command, cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("action", ["created", "changed"])
def test_publish_naive(capsys, action):
    publish_naive.main(["--action", action, "--resource-name", "Order", "--uri", "http://x"])

    (line,) = capsys.readouterr().out.splitlines()
    media_type = created("order") if action == "created" else changed("order")
    assert loads(line) == {"mediaType": media_type, "uri": "http://x"}


@pytest.mark.parametrize("flags", [[], ["--action", "deleted", "--resource-name", "r", "--uri", "u"]])
def test_publish_naive_refuses(flags, capsys):
    with pytest.raises(SystemExit) as raised:
        publish_naive.main(flags)

    assert raised.value.code == 2
    assert "--action" in capsys.readouterr().err
