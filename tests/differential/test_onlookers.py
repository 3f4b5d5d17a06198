"""
Tracers that look on at boto3 do not cost the short way, unless a user's own code looks on with them.
"""

from typing import Any

import pytest
import sentry_sdk
from botocore.client import BaseClient
from botocore.endpoint import Endpoint
from opentelemetry import trace
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from sentry_sdk.transport import Transport

from microcosm_pubsub.clients import describe_client
from microcosm_pubsub.fast.transport import find_hindrance
from tests.differential.test_connections import EMPTY, PARAMETERS


class Nowhere(Transport):
    """Sends nothing."""

    def capture_envelope(self, envelope: Any) -> None:
        pass


@pytest.fixture
def sentry(monkeypatch):
    """Sentry, as it comes, and as nobody has ever seen it once the test has ended."""
    from sentry_sdk import integrations
    from sentry_sdk.integrations.boto3 import Boto3Integration

    for name in ("__init__", "_make_api_call"):
        monkeypatch.setattr(BaseClient, name, vars(BaseClient)[name])
    before = set(integrations._processed_integrations), set(integrations._installed_integrations)
    for known in (integrations._processed_integrations, integrations._installed_integrations):
        known.discard("boto3")
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        traces_sample_rate=1.0,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[Boto3Integration()],
        transport=Nowhere,
    )
    yield sentry_sdk
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)
    integrations._processed_integrations.intersection_update(before[0])
    integrations._installed_integrations.intersection_update(before[1])


@pytest.fixture
def spans():
    return InMemorySpanExporter()


@pytest.fixture
def instrument(spans):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    instrumentor = BotocoreInstrumentor()

    def instrument(**options: Any) -> trace.Tracer:
        instrumentor.instrument(tracer_provider=provider, **options)
        return provider.get_tracer("test")

    yield instrument
    instrumentor.uninstrument()


@pytest.fixture
def call(server, make_client, parts):
    """Make calls with a client that is made at the first one."""
    made = []

    def call(times: int = 1, **options: Any) -> Any:
        if not made:
            made.append(make_client("sqs", server.url, parts, **options))
        server.play(*[EMPTY] * times)
        for _ in range(times):
            made[0].receive_message(**PARAMETERS)
        return made[0]

    return call


def test_sentry(sentry, call, counted, server):
    with sentry.start_transaction(name="test"):
        call(3)

    assert counted == ["ReceiveMessage"] * 2
    # what it added to the request that was learned from stays there
    assert [request.header("sentry-trace") is not None for request in server.requests] == [True, False, False]
    assert "sentry-trace" in server.requests[0].header("authorization")
    assert "sentry-trace" not in server.requests[1].header("authorization")


def test_sentry_around_somebody_elses_function(call, counted, monkeypatch, request):
    original = BaseClient._make_api_call
    monkeypatch.setattr(BaseClient, "_make_api_call", lambda *arguments: original(*arguments))
    request.getfixturevalue("sentry")

    client = call(2)

    assert counted == []
    assert find_hindrance(client) == "BaseClient._make_api_call is replaced"


def test_opentelemetrys_instrumentation_in_our_place(instrument, call, counted, spans):
    instrument()
    client = call(2)

    assert counted == []
    assert len(spans.get_finished_spans()) == 2
    assert describe_client(client).startswith("botocore, since BaseClient._make_api_call is replaced by OpenTelemetry")


def test_opentelemetrys_instrumentation_beside_ours(instrument, call, counted, spans, server):
    propagator = CompositePropagator([TraceContextTextMapPropagator()])
    with instrument(propagator=propagator).start_as_current_span("ours"):
        client = call(3, is_traced=True)

    assert counted == ["ReceiveMessage"] * 2
    assert [request.header("traceparent") is not None for request in server.requests] == [True, False, False]
    assert [span.name for span in spans.get_finished_spans()] == ["SQS.ReceiveMessage", "ours"]
    assert find_hindrance(client) is None


@pytest.mark.parametrize("hook", ["request_hook", "response_hook"])
def test_hooks_of_the_instrumentation_see_every_call(instrument, call, counted, hook):
    seen = []
    instrument(**{hook: lambda *arguments: seen.append(1)})
    client = call(2, is_traced=True)

    assert (len(seen), counted) == (2, [])
    assert "has hooks" in find_hindrance(client)


def test_both(instrument, sentry, call, counted):
    instrument()
    call(2, is_traced=True)

    assert counted == ["ReceiveMessage"]


def test_other_functions_are_replaced_in_earnest(sentry, call, counted, monkeypatch):
    original = Endpoint._send
    monkeypatch.setattr(Endpoint, "_send", lambda *arguments: original(*arguments))
    client = call(2)

    assert counted == []
    assert find_hindrance(client) == "Endpoint._send is replaced"


def test_a_handler_of_the_user(call, counted):
    client = call(1)
    client.meta.events.register("before-send.sqs", lambda **_: None)
    call(1)

    assert counted == []
    assert describe_client(client) == "botocore, since a handler is registered for before-send.sqs.ReceiveMessage"
