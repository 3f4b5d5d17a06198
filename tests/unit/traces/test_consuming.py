"""A receive has a span, and each call of a handler, in the trace of its message."""

import asyncio
from json import dumps
from logging import Handler, getLogger

import pytest
from marshmallow import fields
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler
from opentelemetry.trace import SpanKind, StatusCode

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.decorators import handles, schema
from microcosm_pubsub.errors import DeadLetter, Nack
from microcosm_pubsub.harness import harness
from microcosm_pubsub.traces.tracer import Sampling, Tracer
from tests.spans import parent_id, trace_ids


@schema
class TracedSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.traces.order"

    what = fields.String(required=True)


@schema
class BatchedSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.traces.batched"

    what = fields.String(required=True)


SEEN = []


@handles(TracedSchema)
def handle(content, *, sns_producer) -> None:
    SEEN.append(trace.get_current_span().get_span_context())
    match content["what"]:
        case "nack":
            raise Nack(7)
        case "fail":
            raise RuntimeError("secret content")
        case "give up":
            raise DeadLetter("no")
        case "publish":
            sns_producer.produce(TracedSchema.MEDIA_TYPE, what="published")
    getLogger("shop").info("handling")


@handles(BatchedSchema, batch_size=10)
def handle_batch(contents):
    SEEN.append(trace.get_current_span().get_span_context())
    return True


class ShopDaemon(ConsumerDaemon):
    name = "shop"


@pytest.fixture(autouse=True)
def seen():
    SEEN.clear()
    return SEEN


@pytest.fixture
def make_app():
    def make(**config):
        return harness(ShopDaemon, config={"pubsub_traces": {"enabled": True, **config}})

    return make


def publish(app, spans, what, media_type=TracedSchema.MEDIA_TYPE):
    with spans.tracer.start_as_current_span(f"request {what}"):
        app.publish(media_type, what=what)


def test_one_trace(make_app, spans, seen):
    with make_app() as app:
        publish(app, spans, "publish")
        app.run()

    first, second = spans.named("publish pubsub")
    receives, processes = spans.named("receive shop"), spans.named("process shop")
    assert len(trace_ids([first, second, *processes])) == 1
    assert [parent_id(span) for span in processes] == [first.context.span_id, second.context.span_id]
    assert parent_id(second) == processes[0].context.span_id
    assert [[link.context.span_id for link in span.links] for span in (*processes, *receives)] == [
        [first.context.span_id],
        [second.context.span_id],
    ] * 2
    assert [context.span_id for context in seen] == [span.context.span_id for span in processes]
    assert {span.kind for span in processes} == {SpanKind.CONSUMER}
    assert {span.kind for span in receives} == {SpanKind.CLIENT}
    # a receive is no part of it
    assert not trace_ids(receives) & trace_ids(processes)
    assert processes[0].attributes["messaging.message.id"]


def test_a_trace_for_each_receive(make_app, spans):
    with make_app(one_trace=False) as app:
        publish(app, spans, "x")
        app.run()

    assert parent_id(spans.one("process")) == spans.one("receive").context.span_id
    assert [link.context.trace_id for link in spans.one("process").links] == [spans.one("publish").context.trace_id]


@pytest.mark.parametrize(
    ("what", "result", "events", "status"),
    [
        ("go", None, ["pubsub.ack"], StatusCode.UNSET),
        ("nack", "retried", ["pubsub.nack", "pubsub.retry"], StatusCode.UNSET),
        ("fail", "failed", ["pubsub.nack", "pubsub.retry"], StatusCode.ERROR),
        ("give up", "failed", ["pubsub.dead_letter"], StatusCode.ERROR),
    ],
)
def test_what_came_of_it(make_app, spans, what, result, events, status):
    with make_app() as app:
        publish(app, spans, what)
        app.run()

    span = spans.named("process")[0]
    assert span.attributes.get("pubsub.result") == result
    assert [event.name for event in span.events] == events
    assert span.status.status_code is status
    # errors say what messages say
    assert "secret" not in span.to_json()
    if what == "nack":
        assert dict(span.events[1].attributes) == {
            "pubsub.result": "retried",
            "pubsub.retry.delay_seconds": 7,
            "pubsub.attempt": 1,
        }
    if what == "fail":
        assert span.attributes["error.type"] == "RuntimeError"


def test_a_batch_has_one_span_that_links_to_all(make_app, spans, seen):
    with make_app() as app:
        for what in ("a", "b"):
            publish(app, spans, what, BatchedSchema.MEDIA_TYPE)
        app.run()

    span = spans.one("process")
    assert {link.context.span_id for link in span.links} == {each.context.span_id for each in spans.named("publish")}
    assert span.attributes["messaging.batch.message_count"] == 2
    assert "messaging.message.id" not in span.attributes
    assert len({event.attributes["messaging.message.id"] for event in span.events}) == 2
    # they are of two traces
    assert parent_id(span) == spans.one("receive").context.span_id
    assert seen == [span.context]


def test_a_batch_of_one_trace_continues_it(make_app, spans):
    with make_app() as app:
        with spans.tracer.start_as_current_span("request"):
            for what in ("a", "b"):
                app.publish(BatchedSchema.MEDIA_TYPE, what=what)
        app.run()

    assert trace_ids([spans.one("process")]) == trace_ids(spans.named("publish"))


class Lines(Handler):
    """Keeps what is logged."""

    def __init__(self):
        super().__init__()
        self.told = []

    def emit(self, record):
        record.getMessage()
        self.told.append((record.name, getattr(record, "trace_id", None), getattr(record, "span_id", None)))


def test_log_lines_tell_the_trace(make_app, spans):
    lines = Lines()
    with make_app() as app:
        loggers = getLogger("shop"), getLogger("microcosm_pubsub.dispatcher")
        for logger in loggers:
            logger.addHandler(lines)
        publish(app, spans, "go")
        app.run()
        getLogger("shop").warning("afterwards")
        for logger in loggers:
            logger.removeHandler(lines)

    span = spans.one("process")
    expected = (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}")
    assert lines.told == [("shop", *expected), ("microcosm_pubsub.dispatcher", *expected), ("shop", None, None)]


def test_what_a_handler_publishes_does_not_carry_the_fields_of_log_lines(make_app, spans):
    with make_app() as app:
        publish(app, spans, "publish")
        app.run()
        published = app.published[-1].opaque_data

    assert not {"trace_id", "span_id"} & published.keys()
    assert published["traceparent"].split("-")[2] == f"{spans.named('publish')[1].context.span_id:016x}"


def test_a_message_that_nobody_traced(make_app, spans):
    with make_app() as app:
        app.send(dumps({"mediaType": TracedSchema.MEDIA_TYPE, "what": "go"}))
        app.run()

    assert parent_id(spans.one("process")) == spans.one("receive").context.span_id
    assert list(spans.one("process").links) == []


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, ParentBased(ALWAYS_OFF), None], ids=["never", "by parent", "no SDK"])
def test_sampled_out(make_app, make_spans, seen, sampler, monkeypatch):
    spans = make_spans(sampler or ALWAYS_ON)
    if sampler is None:
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    with make_app() as app:
        app.publish(TracedSchema.MEDIA_TYPE, what="publish")
        app.send(dumps({"mediaType": TracedSchema.MEDIA_TYPE, "what": "go"}))
        app.run()

    assert spans.finished == []
    assert len(seen) == 3
    assert not any(context.trace_flags.sampled for context in seen)


def test_who_is_sampled_out_stays_so(make_app, make_spans, seen):
    """What a message causes belongs to its trace, whatever a new trace would be."""
    spans = make_spans(ParentBased(ALWAYS_ON))
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    with make_app() as app:
        body = {"mediaType": TracedSchema.MEDIA_TYPE, "what": "publish", "opaqueData": {"traceparent": parent}}
        app.send(dumps(body))
        app.run()
        published = app.published[-1].opaque_data

    assert [span.name for span in spans.finished] == ["receive shop"] * 2
    assert published["traceparent"] == parent
    assert {f"{context.trace_id:x}" for context in seen} == {"4bf92f3577b34da6a3ce929d0e0e4736"}


def test_a_trace_that_others_have_begun_is_joined(make_app, make_spans):
    """With `parentbased_always_off` none begins here."""
    spans = make_spans(ParentBased(ALWAYS_OFF))
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with make_app() as app:
        app.send(dumps({"mediaType": TracedSchema.MEDIA_TYPE, "what": "go"}))
        app.send(dumps({"mediaType": TracedSchema.MEDIA_TYPE, "what": "go", "opaqueData": {"traceparent": parent}}))
        app.run()

    assert [span.name for span in spans.finished] == ["process shop"]
    assert f"{spans.finished[0].context.trace_id:x}" == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_sampler_with_rules_of_its_own_is_asked(make_app, make_spans):
    spans = make_spans(ALWAYS_ON)
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    with make_app() as app:
        app.send(dumps({"mediaType": TracedSchema.MEDIA_TYPE, "what": "go", "opaqueData": {"traceparent": parent}}))
        app.run()

    assert f"{spans.one('process').context.trace_id:x}" == "4bf92f3577b34da6a3ce929d0e0e4736"


class BrokenSampler(Sampler):
    def should_sample(self, *args, **kwargs):
        raise RuntimeError("broken")

    def get_description(self):
        return "Broken"


def test_a_broken_sampler_costs_no_message(make_app, make_spans, seen):
    make_spans(BrokenSampler())
    with make_app() as app:
        app.publish(TracedSchema.MEDIA_TYPE, what="go")
        app.run()

        assert app.queue == []

    assert len(seen) == 1


def test_a_coroutine(make_graph, spans):
    graph = make_graph()
    seen = []

    async def handle(content):
        await asyncio.sleep(0)
        seen.append(trace.get_current_span().get_span_context().span_id)
        return True

    handlers = {TracedSchema.MEDIA_TYPE: handle}
    body = {"mediaType": TracedSchema.MEDIA_TYPE, "what": "go"}
    message = graph.sqs_consumer.read({"Body": dumps(body), "MessageId": "1", "ReceiptHandle": "1"})
    graph.sqs_message_dispatcher.run(message, handlers)

    assert seen == [spans.one("process").context.span_id]


def test_the_sampler_is_found_when_the_program_sets_it_up(monkeypatch, make_spans):
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    tracer = Tracer()

    assert tracer.sampling is Sampling.OFF
    make_spans(ParentBased(ALWAYS_ON))
    assert tracer.sampling is Sampling.BY_PARENT
    make_spans(ParentBased(ALWAYS_OFF))
    assert tracer.sampling is Sampling.JOINING
    make_spans(ParentBased(ALWAYS_ON, remote_parent_not_sampled=ALWAYS_ON))
    assert tracer.sampling is Sampling.ASK
