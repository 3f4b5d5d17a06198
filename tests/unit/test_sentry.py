"""
Reports to Sentry, with a real client whose transport keeps what it is given.

"""

import sys
from logging import getLogger
from types import SimpleNamespace

import pytest
import sentry_sdk
from microcosm.api import create_object_graph, load_from_dict
from microcosm.registry import Registry
from sentry_sdk.transport import Transport

from microcosm_pubsub.errors import ConfigurationError, Nack, TTLExpired
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.result import MessageHandlingResult, MessageHandlingResultType
from microcosm_pubsub.sentry import (
    REDACTED,
    SentryConfigPubsub,
    configure_sentry_pubsub,
    default_before_send,
)


DSN = "https://public@sentry.invalid/1"
MEDIA_TYPE = "application/vnd.globality.pubsub._.created.foo"


class Events(Transport):
    def __init__(self, options=None):
        super().__init__(options)
        self.events = []

    def capture_envelope(self, envelope):
        event = envelope.get_event()
        if event is not None:
            self.events.append(event)


@pytest.fixture(autouse=True)
def sentry():
    yield
    sentry_sdk.get_client().close(timeout=0)
    sentry_sdk.get_global_scope().set_client(None)


def create_graph(testing=False, before_send=None, **config):
    registry = Registry()
    registry.entry_points = {}
    registry.bind("sentry_logging_pubsub", configure_sentry_pubsub)
    if before_send is not None:
        registry.bind("sentry_before_send", lambda graph: before_send)
    loader = load_from_dict(sentry_logging_pubsub=config)
    return create_object_graph("test", testing=testing, loader=loader, registry=registry)


def configure(**kwargs):
    """Configure Sentry; return the component and the list of what is sent."""
    component = create_graph(**{"enabled": True, "dsn": DSN, **kwargs}).sentry_logging_pubsub
    transport = Events()
    sentry_sdk.get_client().transport = transport
    return component, transport.events


class Secret:
    """A thing with a bare repr."""


def fail(content):
    user_id = 42
    customerId = "c-1"  # noqa: N806
    uri = "https://user:password@example.com/foo?token=abc#part"
    password = "hunter2"
    thing = Secret()
    nested = {"order_id": "o-1", "card": "4111", "list": ["hunter2", {"id": "i-1"}]}
    raise ValueError(len(f"{user_id}{customerId}{uri}{password}{thing}{nested}"))


def expire(content):
    raise TTLExpired(extra={"hops": 32})


def handle(handler):
    message = SQSMessage(None, {"card": "4111"}, MEDIA_TYPE, "id", "receipt")
    return MessageHandlingResult.invoke(handler, message)


def result_of(outcome):
    return MessageHandlingResult(MEDIA_TYPE, outcome)


def test_failure_is_reported_with_its_tags():
    component, events = configure(
        custom_tags_mapping={"tenant": "x-request-tenant", "missing": "x-missing"},
        custom_user_id="x-request-user",
    )
    opaque = {
        "X-Request-Id": "r-1",
        "x-request-tenant": "acme",
        "x-request-user": 7,
        "other": "not a tag",
    }

    handle(fail).error_reporting(component, opaque)

    [event] = events
    assert event["tags"] == {
        "media_type": MEDIA_TYPE,
        "result": "FAILED",
        "x-request-id": "r-1",
        "tenant": "acme",
    }
    assert event["user"]["id"] == "7"
    assert event["level"] == "error"
    assert event["exception"]["values"][0]["type"] == "ValueError"


def test_expiry_is_reported():
    component, events = configure()

    handle(expire).error_reporting(component, None)

    [event] = events
    assert event["message"] == f"EXPIRED: {MEDIA_TYPE}"
    assert event["level"] == "warning"
    assert event["tags"] == {"media_type": MEDIA_TYPE, "result": "EXPIRED"}
    assert event["extra"]["hops"] == 32
    assert event["extra"]["reason"] == "TTL expired"
    assert "user" not in event


@pytest.mark.parametrize("outcome", MessageHandlingResultType)
def test_what_is_reported(outcome):
    component, events = configure()

    component.report(result_of(outcome), {})

    assert len(events) == (1 if outcome.name in ("FAILED", "EXPIRED") else 0)


def test_tags_are_bounded():
    component, events = configure(custom_tags_mapping={"long": "long"})

    component.report(MessageHandlingResult("x" * 1000, MessageHandlingResultType.EXPIRED), {"long": "y" * 1000})

    assert events[0]["tags"]["media_type"] == "x" * 200
    assert events[0]["tags"]["long"] == "y" * 200


def test_reports_do_not_mix():
    component, events = configure(custom_user_id="user")

    component.report(result_of(MessageHandlingResultType.EXPIRED), {"user": 1, "x-request-id": "r-1"})
    component.report(result_of(MessageHandlingResultType.EXPIRED), {})
    sentry_sdk.capture_message("something else")

    assert [event.get("user") for event in events] == [{"id": "1"}, None, None]
    assert "x-request-id" not in events[1]["tags"]
    assert "tags" not in events[2]


def test_log_line_does_not_stand_in_for_the_report():
    component, events = configure()
    result = handle(fail)

    result.log(getLogger("daemon"))
    component.report(result, {})

    [event] = events
    assert event["tags"]["result"] == "FAILED"


def test_disabled_reports_nothing():
    _, events = configure()

    SentryConfigPubsub().report(handle(fail), {})
    SentryConfigPubsub(enabled=False, dsn=DSN).report(handle(fail), {})

    assert events == []


def test_frame_variables_are_redacted():
    component, events = configure()

    component.report(handle(fail), {})

    frames = events[0]["exception"]["values"][0]["stacktrace"]["frames"]
    variables = next(frame["vars"] for frame in frames if frame["function"] == "fail")
    assert variables.pop("thing").startswith("<")
    assert variables == {
        "content": {"card": REDACTED},
        "user_id": "42",
        "customerId": "'c-1'",
        "uri": "'https://example.com/foo'",
        "password": REDACTED,
        "nested": {"order_id": "'o-1'", "card": REDACTED, "list": [REDACTED, {"id": "'i-1'"}]},
    }
    assert "4111" not in str([frame["vars"] for frame in frames])


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("id", "'1'", "'1'"),
        ("user_id", "1", "1"),
        ("user_id", 1, 1),
        ("userId", "'1'", "'1'"),
        ("USER_ID", "'1'", "'1'"),
        ("x-request-id", "'1'", "'1'"),
        ("valid", "'1'", REDACTED),
        ("paid", "'1'", REDACTED),
        ("ids", ["'1'"], [REDACTED]),
        ("user_id", {"name": "'bob'"}, {"name": REDACTED}),
        ("name", "'bob'", REDACTED),
        ("name", None, REDACTED),
        ("size", "1", REDACTED),
        ("uri", "http://example.com", "http://example.com"),
        ("uri", "'http://example.com/a/b'", "'http://example.com/a/b'"),
        ("uri", "'https://bob:pw@example.com:8080/a?b=c#d'", "'https://example.com:8080/a'"),
        ("uri", "'http://[bad'", f"'{REDACTED}'"),
        ("uri", "'ftp://example.com'", REDACTED),
        ("text", "'see http://example.com'", REDACTED),
        ("text", "'http://example.com and bob'", REDACTED),
        ("thing", "<foo.Thing object at 0x7f>", "<foo.Thing object at 0x7f>"),
        ("text", "'<b>bob</b>'", REDACTED),
        ("thing", "Thing(name='bob')", REDACTED),
    ],
)
def test_redaction(name, value, expected):
    stacktrace = {"frames": [{"vars": {name: value}}, {}, {"vars": None}]}
    redacted = {"frames": [{"vars": {name: expected}}, {}, {"vars": None}]}

    event = default_before_send(
        {
            "exception": {"values": [{"stacktrace": stacktrace}, {}, {"stacktrace": None}]},
            "message": "kept",
        },
        {},
    )

    assert event == {
        "exception": {"values": [{"stacktrace": redacted}, {}, {"stacktrace": None}]},
        "message": "kept",
    }


@pytest.mark.parametrize(
    "wrap",
    [
        lambda stacktrace: {"stacktrace": stacktrace},
        lambda stacktrace: {"threads": {"values": [{"stacktrace": stacktrace}]}},
        lambda stacktrace: {"exception": {"values": [{}, {"stacktrace": stacktrace}]}},
    ],
)
def test_every_stack_trace_is_redacted(wrap):
    event = default_before_send(wrap({"frames": [{"vars": {"name": "'bob'"}}]}), {})

    assert event == wrap({"frames": [{"vars": {"name": REDACTED}}]})


@pytest.mark.parametrize(
    "event", [{}, {"exception": None}, {"exception": {"values": None}}, {"threads": {}}, {"stacktrace": {}}]
)
def test_events_without_frames(event):
    assert default_before_send(dict(event), {}) == event


def test_bound_before_send_replaces_the_default():
    def before_send(event, hint):
        return {**event, "message": "mine"}

    component, events = configure(before_send=before_send)

    component.report(handle(fail), {})

    [event] = events
    assert event["message"] == "mine"
    assert "hunter2" in str(event["exception"])
    assert component.before_send is before_send


def test_disabled_by_default():
    component = create_graph().sentry_logging_pubsub

    assert component == SentryConfigPubsub(before_send=default_before_send)
    assert not sentry_sdk.get_client().is_active()


def test_graph_under_test_initialises_nothing():
    component = create_graph(testing=True, enabled=True, dsn=DSN).sentry_logging_pubsub

    assert component.enabled is False
    assert not sentry_sdk.get_client().is_active()


@pytest.mark.parametrize(
    "dsn", [None, "", "nonsense", "https://sentry.invalid/1", "https://secret@sentry.invalid:port/1"]
)
def test_bad_dsn_disables_it(dsn, caplog):
    component = create_graph(enabled="true", dsn=dsn).sentry_logging_pubsub

    assert component.enabled is False
    assert not sentry_sdk.get_client().is_active()
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert "sentry_logging_pubsub.dsn" in record.getMessage()
    assert "secret" not in record.getMessage()


def test_dsn_stays_out_of_the_repr():
    assert "public" not in repr(SentryConfigPubsub(dsn=DSN))


@pytest.mark.parametrize("module", [None, SimpleNamespace()])
def test_missing_sdk(module, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentry_sdk", module)

    with pytest.raises(ConfigurationError, match=r"install microcosm_pubsub\[sentry\]"):
        _ = create_graph(enabled=True, dsn=DSN).sentry_logging_pubsub


def test_missing_sdk_does_not_matter_when_disabled(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)

    assert create_graph(dsn=DSN).sentry_logging_pubsub.enabled is False


def test_custom_tags_do_not_change_the_default():
    first = create_graph(custom_tags_mapping={"tenant": "x-request-tenant"}).sentry_logging_pubsub
    first.custom_tags_mapping["more"] = "more"

    second = create_graph().sentry_logging_pubsub

    assert second.custom_tags_mapping == {}


@pytest.mark.parametrize("mapping", ["text", ["tenant"], 1])
def test_tags_must_be_a_mapping(mapping):
    graph = create_graph(custom_tags_mapping=mapping)

    with pytest.raises(ConfigurationError, match="custom_tags_mapping must map"):
        _ = graph.sentry_logging_pubsub


def test_handler_signals_are_not_failures():
    def retry(content):
        raise Nack(1)

    component, events = configure()

    component.report(handle(retry), {})

    assert events == []
