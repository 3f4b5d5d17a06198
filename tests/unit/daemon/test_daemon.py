"""
The daemon.
"""

import re
import sys
from argparse import Namespace
from io import BytesIO, TextIOWrapper
from json import dumps
from logging import getLogger
from pathlib import Path
from signal import SIGINT, SIGTERM, SIGUSR2, getsignal, signal
from threading import Thread

import pytest
from marshmallow import fields
from microcosm.api import binding, load_from_dict
from microcosm.caching import NaiveCache
from microcosm.errors import LockedGraphError, NotBoundError
from microcosm_daemon.api import ExitError, FatalError, SleepNow

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.daemon.daemon import COMPONENTS
from microcosm_pubsub.daemon.flags import flags_to_config
from microcosm_pubsub.daemon.start_error import describe
from microcosm_pubsub.decorators import handles, schema
from microcosm_pubsub.errors import ConfigurationError, EndOfInput, QueueAccessError
from microcosm_pubsub.producer import SNSProducer
from microcosm_pubsub.result import MessageHandlingResultType
from tests.waiting import wait_until


FIRST = "application/vnd.daemon.first"
SECOND = "application/vnd.daemon.second"
CALLS = []


@schema
class DaemonFirstSchema(PubSubMessageSchema):
    MEDIA_TYPE = FIRST

    number = fields.Integer(required=True)


@binding("daemon_first_handler")
@handles(FIRST)
class DaemonFirstHandler:
    def __init__(self, graph):
        self.graph = graph

    def __call__(self, message):
        CALLS.append((message["number"], dict(self.graph.opaque)))
        return True


@handles(SECOND)
def handle_second(message):
    return True


@binding("daemon_test_layer")
def configure_layer(graph):
    def layer(call_next, message):
        CALLS.append("layer")
        return call_next(message)

    return layer


@binding("daemon_test_observer")
def configure_observer(graph):
    return lambda message, result: CALLS.append(result.result)


class NamingDaemon(ConsumerDaemon):
    name = "daemon_test"
    middleware = ["daemon_test_layer"]
    observers = ["daemon_test_observer"]

    @property
    def components(self):
        return [*super().components, "daemon_first_handler"]

    @property
    def defaults(self):
        return {"sqs_consumer": {"limit": 4}}


class PlainDaemon(ConsumerDaemon):
    name = "daemon_plain"


WEIRD = "application/vnd.daemon.weird"


@schema
class DaemonWeirdSchema(PubSubMessageSchema):
    MEDIA_TYPE = WEIRD

    text = fields.String(required=True)


@binding("daemon_weird_handler")
@handles(WEIRD)
class DaemonWeirdHandler:
    def __init__(self, graph):
        pass

    def __call__(self, message):
        raise ValueError(f"cannot handle {message['text']}")


class WeirdDaemon(ConsumerDaemon):
    name = "daemon_weird"
    components = ["daemon_weird_handler"]


@pytest.fixture(autouse=True)
def calls():
    CALLS.clear()
    return CALLS


@pytest.fixture(autouse=True)
def process():
    """A daemon that runs here leaves the signals and the logging of this process as they are."""
    before = {number: getsignal(number) for number in (SIGINT, SIGTERM, SIGUSR2)}
    root = getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for number, handler in before.items():
        signal(number, handler)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def daemon():
    return NamingDaemon.create_for_testing()


def test_components_that_name_a_handler_are_exactly_those(daemon):
    assert daemon.bound_handlers == {FIRST: daemon.graph.daemon_first_handler}


def test_components_that_name_none_are_all(daemon):
    bound = PlainDaemon.create_for_testing().bound_handlers

    assert isinstance(bound[FIRST], DaemonFirstHandler)
    assert bound[SECOND] is handle_second


def test_components_may_be_a_list_of_ones_own():
    class OwnListDaemon(PlainDaemon):
        components = ["daemon_first_handler"]

    daemon = OwnListDaemon.create_for_testing()

    assert set(daemon.bound_handlers) == {FIRST}
    for name in (*COMPONENTS, "signal_handler", "sleep_policy"):
        assert daemon.graph[name] is not None


def test_create_for_testing(daemon):
    graph = daemon.graph

    assert graph.metadata.testing
    assert graph.metadata.name == "daemon_test"
    assert graph.config.sqs_consumer.limit == 4
    graph.sns_producer.produce(FIRST, number=1)
    graph.sns_producer.produce.assert_called_once_with(FIRST, number=1)
    assert NamingDaemon.create_for_testing().graph.sqs_consumer is not graph.sqs_consumer


def test_create_for_testing_with_configuration():
    daemon = NamingDaemon.create_for_testing(
        loader=load_from_dict(sns_producer={"mock_sns": True}, sqs_consumer={"sqs_queue_url": "other"}),
    )

    assert type(daemon.graph.sns_producer) is SNSProducer
    assert daemon.graph.sqs_consumer.sqs_queue_url == "other"
    flagged = NamingDaemon.create_for_testing(sqs_queue_url="flagged", envelope="NaiveSQSEnvelope")
    assert flagged.graph.sqs_consumer.sqs_queue_url == "flagged"
    assert flagged.graph.config.sqs_envelope.strategy_name == "NaiveSQSEnvelope"


def test_create_for_testing_with_a_cache():
    cache = NaiveCache()

    first, second = (PlainDaemon.create_for_testing(cache=cache) for _ in range(2))

    assert first.graph.sqs_consumer is second.graph.sqs_consumer


def test_handling(daemon, calls):
    body = dumps({"mediaType": FIRST, "number": 1, "opaqueData": {"x-request-id": "r-1"}})
    engine = daemon.graph.pubsub_testing.engine
    engine.queue_client.send_message(QueueUrl="queue", MessageBody=body)

    daemon(daemon.graph)

    layer, (number, opaque), result = calls
    assert (layer, number, result) == ("layer", 1, MessageHandlingResultType.SUCCEEDED)
    assert opaque["x-request-id"] == "r-1"
    assert engine.messages("queue") == []
    # a queue in memory does not wait for messages
    with pytest.raises(SleepNow):
        daemon(daemon.graph)


def test_the_end_of_the_input_is_the_end(daemon):
    daemon.graph.sqs_client.receive_message.side_effect = EndOfInput("read to its end")

    with pytest.raises(ExitError, match="read to its end") as raised:
        daemon(daemon.graph)
    assert isinstance(raised.value.__cause__, EndOfInput)


def test_what_does_not_pass_is_fatal(daemon, client_error):
    daemon.graph.sqs_client.receive_message.side_effect = client_error("QueueDoesNotExist")

    with pytest.raises((ExitError, FatalError), match="create the queue") as raised:
        daemon(daemon.graph)
    assert isinstance(raised.value.__cause__, QueueAccessError)


def test_what_passes_is_worth_another_try(daemon, client_error):
    daemon.graph.sqs_client.receive_message.side_effect = client_error("ServiceUnavailable")

    with pytest.raises(SleepNow):
        daemon(daemon.graph)


@pytest.mark.parametrize(
    ("flags", "config"),
    [
        (None, {}),
        ({}, {}),
        ({"sqs_queue_url": "url"}, {"sqs_consumer": {"sqs_queue_url": "url"}}),
        (
            {"stdin": True},
            {"sqs_consumer": {"sqs_queue_url": "STDIN"}, "sqs_envelope": {"strategy_name": "NaiveSQSEnvelope"}},
        ),
        (
            {"stdin": True, "envelope": "Mine"},
            {"sqs_consumer": {"sqs_queue_url": "STDIN"}, "sqs_envelope": {"strategy_name": "Mine"}},
        ),
        ({"stdin": False, "sqs_queue_url": None, "envelope": None}, {}),
        ({"workers": 3, "drain": False}, {"pubsub_worker": {"concurrency": 3}}),
        ({"workers": None, "drain": True}, {"pubsub_worker": {"drain": True}}),
    ],
)
def test_flags(flags, config):
    assert flags_to_config(None if flags is None else Namespace(**flags)) == config


def test_the_command_line():
    parser = PlainDaemon().make_arg_parser()

    flags = "--sqs-queue-url url --envelope E --debug --processes 2 --healthcheck-host h --healthcheck-port 1 --drain"
    args = parser.parse_args([*flags.split(), "--heartbeat-threshold-seconds", "5"])

    assert (args.sqs_queue_url, args.envelope, args.debug, args.processes) == ("url", "E", True, 2)
    assert (args.healthcheck_host, args.healthcheck_port, args.heartbeat_threshold_seconds) == ("h", 1, 5)
    assert args.drain is True
    assert parser.parse_args(["--stdin", "--testing"]).stdin is True
    assert parser.parse_args(["--workers", "4"]).workers == 4
    assert parser.parse_args([]).healthcheck_port is None


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--sqs-queue-url", "x", "--stdin"], "not allowed with"),
        (["--sqs-queue-url", "x", "--processes", "0"], "--processes must be positive"),
        (["--stdin", "--processes", "2"], "--processes must be 1"),
        (["--sqs-queue-url", "x", "--workers", "0"], "--workers must be positive"),
        (["--unknown"], "unrecognized"),
    ],
)
def test_a_wrong_command_line(monkeypatch, capsys, flags, text):
    monkeypatch.setattr(sys, "argv", ["daemon", *flags])

    with pytest.raises(SystemExit) as raised:
        PlainDaemon().run()

    assert raised.value.code == 2
    assert text in capsys.readouterr().err


class NamelessDaemon(ConsumerDaemon):
    pass


class UnboundDaemon(ConsumerDaemon):
    name = "daemon_unbound"
    components = ["no_such_component"]


class ServedDaemon(ConsumerDaemon):
    name = "daemon_served"
    services = ["no_such_service"]


@pytest.mark.parametrize(
    ("daemon_cls", "flags", "text"),
    [
        (NamelessDaemon, ["--sqs-queue-url", "q"], "NamelessDaemon has no name"),
        (UnboundDaemon, ["--testing"], "no_such_component is not bound"),
        (ServedDaemon, ["--testing"], "pubsub_services.names: component no_such_service is not bound"),
        (PlainDaemon, [], "give --sqs-queue-url, or --broker-url"),
        (PlainDaemon, ["--testing", "--envelope", "Nope"], "'Nope'"),
    ],
)
def test_a_daemon_that_cannot_start_says_why(monkeypatch, daemon_cls, flags, text):
    monkeypatch.setattr(sys, "argv", ["daemon", *flags])

    with pytest.raises(SystemExit) as raised:
        daemon_cls().run()

    assert "cannot start" in raised.value.code
    assert text in raised.value.code
    assert not raised.value.code.startswith("None")


@pytest.mark.parametrize("key", ["LEVEL", "STREAM_HANDLER__FORMATTER"])
def test_a_log_that_cannot_be_configured_is_told(monkeypatch, tmp_path, key):
    (tmp_path / "messages.jsonl").touch()
    monkeypatch.setattr(sys, "argv", ["daemon", "--sqs-queue-url", str(tmp_path / "messages.jsonl")])
    monkeypatch.setenv(f"DAEMON_PLAIN__LOGGING__{key}", "LOUD")

    with pytest.raises(SystemExit) as raised:
        PlainDaemon().run()

    assert re.search("cannot start: The log cannot be configured.*LOUD", str(raised.value.code))


def test_half_a_surrogate_pair_is_logged_too(monkeypatch, tmp_path):
    path = tmp_path / "messages.jsonl"
    path.write_text(dumps({"mediaType": WEIRD, "text": "\ud800"}) + "\n")
    monkeypatch.setattr(sys, "argv", ["daemon", "--sqs-queue-url", str(path)])
    written = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(written, encoding="utf-8"))

    with pytest.raises(SystemExit) as raised:
        WeirdDaemon().run()

    assert raised.value.code == 0
    assert b"ValueError: cannot handle \\ud800" in written.getvalue()


def test_a_daemon_without_a_name_is_refused():
    with pytest.raises(ConfigurationError, match="NamelessDaemon"):
        NamelessDaemon.create_for_testing()


def test_a_file_is_handled_to_its_end(monkeypatch, tmp_path, calls):
    path = tmp_path / "messages.jsonl"
    path.write_text("".join(dumps({"mediaType": FIRST, "number": number}) + "\n" for number in range(6)))
    monkeypatch.setattr(sys, "argv", ["daemon", "--sqs-queue-url", str(path)])

    with pytest.raises(SystemExit) as raised:
        NamingDaemon().run()

    assert raised.value.code == 0
    assert [call[0] for call in calls if isinstance(call, tuple)] == list(range(6))


class StoppingDaemon(ConsumerDaemon):
    """A daemon whose first receive ends in an error."""

    name = "daemon_stopping"
    components = ["daemon_first_handler"]
    error = None

    def create_object_graph_components(self, graph):
        super().create_object_graph_components(graph)
        graph.sqs_client.receive_message.side_effect = self.error


@pytest.mark.parametrize(
    ("error", "code"),
    [(EndOfInput("all read"), 0), (QueueAccessError("no such queue"), 1), (RuntimeError("an error of our own"), 3)],
)
def test_what_ends_a_daemon_is_its_exit_code(monkeypatch, capsys, error, code):
    monkeypatch.setattr(sys, "argv", ["daemon", "--testing"])
    monkeypatch.setattr(StoppingDaemon, "error", error)

    with pytest.raises(SystemExit) as raised:
        StoppingDaemon().run()

    assert raised.value.code == code
    captured = capsys.readouterr()
    assert str(error) in captured.out + captured.err


def test_why_a_daemon_cannot_start():
    assert describe(ConfigurationError("what to do")) == "what to do"
    assert "component foo is not bound" in describe(NotBoundError("foo"))
    assert describe(LockedGraphError("foo")) == "LockedGraphError: foo"


class TestStopping:
    @pytest.fixture
    def daemon(self, tmp_path, monkeypatch):
        class StoppingDaemon(ConsumerDaemon):
            name = "stopping"

        monkeypatch.setattr(sys, "argv", ["daemon", "--broker-url", f"sqlite:///{tmp_path}/broker.db"])
        daemon = StoppingDaemon()
        yield daemon
        daemon.graph.pubsub_broker.close()

    def run(self, daemon):
        """Run a daemon in a thread, and return the thread, and what the daemon exits with."""
        codes = []

        def start():
            try:
                daemon.start()
            except SystemExit as exit:
                codes.append(exit.code)

        thread = Thread(target=start)
        thread.start()
        return thread, codes

    def test_another_thread_stops_a_daemon(self, daemon):
        thread, codes = self.run(daemon)
        wait_until(lambda: daemon.graph is not None and daemon.graph.pubsub_worker.is_ready)
        daemon.stop()
        thread.join(30)
        assert codes == [0]

    def test_one_that_has_not_started_ends_when_it_has(self, daemon):
        daemon.stop()
        thread, codes = self.run(daemon)
        thread.join(30)
        assert codes == [0]

    def test_its_first_line_says_which_broker_it_has(self, daemon, tmp_path, capsys):
        daemon.stop()
        thread, _ = self.run(daemon)
        thread.join(30)
        assert f"workers 1, broker sqlite:///{tmp_path}/broker.db, seen from {Path.cwd()}\n" in capsys.readouterr().out
