"""A message that is published has a span, whose context goes with it."""

from json import loads

import pytest
from marshmallow import fields
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import SpanKind, StatusCode

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.conventions import created
from microcosm_pubsub.decorators import schema
from microcosm_pubsub.errors import PublishError
from microcosm_pubsub.fast.trace_header import TRACE_HEADER
from microcosm_pubsub.handlers import PublishBatchMessage
from microcosm_pubsub.producer import DeferredBatchProducer, DeferredProducer, ProduceResult, PublishOptions
from tests.spans import parent_id, trace_ids


@schema
class PublishedSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.traces.published"

    what = fields.String(required=True)


MEDIA_TYPE = PublishedSchema.MEDIA_TYPE


def context_of(message):
    """Return the context that a message carries: in its text, where it is the same as in its opaque data."""
    text = loads(message.message)["opaqueData"]["traceparent"]
    assert text == message.opaque_data["traceparent"]
    return text


def say(span):
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{span.context.trace_flags:02x}"


@pytest.fixture
def told():
    """What the topic is asked to take."""
    return []


@pytest.fixture
def make_producer(make_graph, told):
    def make(**config):
        def tell(call_next, messages):
            told.append((list(messages), TRACE_HEADER.get(), trace.get_current_span().get_span_context()))
            return call_next(messages)

        return make_graph(pubsub_publish_layers={"names": [tell]}, **config).sns_producer

    return make


def test_one(make_producer, spans, told):
    producer = make_producer()
    with spans.tracer.start_as_current_span("request"):
        message_id = producer.produce(MEDIA_TYPE, what="x")

    span = spans.one("publish topic")
    ((message,), header, current), *_ = told
    assert parent_id(span) == spans.one("request").context.span_id
    assert span.kind is SpanKind.PRODUCER
    assert span.attributes["messaging.message.id"] == message_id
    assert context_of(message) == message.message_attributes["traceparent"]["StringValue"] == say(span)
    assert (header, current) == (None, span.context)


def test_a_batch_has_a_span_for_each(make_producer, spans, told):
    producer = make_producer()
    results = producer.produce_batch([{"media_type": MEDIA_TYPE, "what": str(number)} for number in range(12)])

    published = spans.named("publish topic")
    assert len(told) == 2
    assert {span.attributes["messaging.message.id"] for span in published} == {each.message_id for each in results}
    messages = [message for chunk, *_ in told for message in chunk]
    assert {context_of(message) for message in messages} == {say(span) for span in published}
    assert len(trace_ids(published)) == 12


def test_what_is_not_published_says_why(make_graph, spans):
    def refuse(call_next, messages):
        return [ProduceResult(error=PublishError("no")) for _ in messages]

    producer = make_graph(pubsub_publish_layers={"names": [refuse]}).sns_producer
    with pytest.raises(PublishError):
        producer.produce(MEDIA_TYPE, what="x")

    span = spans.one("publish")
    assert (span.status.status_code, span.attributes["error.type"]) == (StatusCode.ERROR, "PublishError")


def test_a_layer_that_raises(make_graph, spans):
    def fail(call_next, messages):
        raise OSError("no")

    producer = make_graph(pubsub_publish_layers={"names": [fail]}).sns_producer
    with pytest.raises(OSError, match="no"):
        producer.produce(MEDIA_TYPE, what="x")

    assert spans.one("publish").attributes["error.type"] == "OSError"


def test_a_block(make_producer, spans, told):
    producer = make_producer()
    with DeferredProducer(producer) as deferred:
        deferred.produce(MEDIA_TYPE, what="x")
        assert spans.finished == []

    assert context_of(told[0][0][0]) == say(spans.one("publish"))


def test_a_block_that_raises_publishes_nothing(make_producer, spans):
    def publish():
        with DeferredProducer(make_producer()) as deferred:
            deferred.produce(MEDIA_TYPE, what="x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        publish()

    assert spans.finished == []


def test_messages_within_one(make_graph, spans):
    """They are created, and sent when somebody has unpacked them."""
    graph = make_graph(
        sns_topic_arns={"default": "arn:aws:sns:::topic", "mappings": {created("batch_message"): "arn:aws:sns:::batch"}}
    )
    published = []
    with spans.tracer.start_as_current_span("request"), DeferredBatchProducer(graph.sns_producer) as deferred:
        for what in ("a", "b"):
            published.append(deferred.create_message(MEDIA_TYPE, what=what))
            deferred.messages.append(published[-1])

    inner = spans.named("create topic")
    assert {say(span) for span in inner} == {context_of(message) for message in published}
    assert {span.attributes["messaging.operation.type"] for span in inner} == {"create"}
    assert trace_ids([spans.one("publish batch")]) == trace_ids(inner)
    spans.exporter.clear()

    body = {"messages": [graph_message(message) for message in published]}
    assert PublishBatchMessage(graph)(body)

    sent = spans.one("publish topic")
    assert sent.kind is SpanKind.CLIENT
    assert {link.context.span_id for link in sent.links} == {span.context.span_id for span in inner}
    assert trace_ids([sent]) == trace_ids(inner)
    assert sent.attributes["messaging.batch.message_count"] == 2


def graph_message(message):
    names = ("media_type", "message", "message_attributes", "topic_arn")
    return {name: getattr(message, name) for name in names}


def test_the_opaque_data_say_what_caused_it(make_producer, spans):
    """Where nothing is traced at the moment, the author may know of a trace."""
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    make_producer().produce(MEDIA_TYPE, what="x", opaque_data={"traceparent": parent})

    assert parent_id(spans.one("publish")) == 0x00F067AA0BA902B7


def test_a_state_goes_on(make_producer, spans, told):
    opaque_data = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate": "rojo=1"}
    make_producer().produce(MEDIA_TYPE, what="x", opaque_data=opaque_data)

    message = told[0][0][0]
    assert message.opaque_data["tracestate"] == message.message_attributes["tracestate"]["StringValue"] == "rojo=1"


def test_ten_attributes(make_producer, spans, told):
    options = PublishOptions(attributes={str(number): "x" for number in range(9)})
    make_producer().produce(MEDIA_TYPE, what="x", options=options)

    message = told[0][0][0]
    assert len(message.message_attributes) == 10
    assert "traceparent" not in message.message_attributes
    assert context_of(message) == say(spans.one("publish"))


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, ParentBased(ALWAYS_OFF)], ids=["never", "by parent"])
def test_sampled_out(make_producer, make_spans, told, sampler):
    spans = make_spans(sampler)
    producer = make_producer()
    producer.produce(MEDIA_TYPE, what="x")
    with spans.tracer.start_as_current_span("request") as request:
        producer.produce(MEDIA_TYPE, what="x")

    assert spans.finished == []
    # whoever receives it does not begin a trace of his own
    texts = [message.opaque_data.get("traceparent", "-00") for (message,), *_ in told]
    assert [int(text[-2:], 16) & 1 for text in texts] == [0, 0]
    if sampler is not ALWAYS_OFF:
        assert f"{request.get_span_context().trace_id:032x}" in texts[1]


def test_a_sampler_of_parents(make_producer, make_spans):
    spans = make_spans(ParentBased(ALWAYS_ON))
    make_producer().produce(MEDIA_TYPE, what="x")

    assert len(spans.finished) == 1


def test_x_rays_header(make_producer, spans, told):
    producer = make_producer(pubsub_traces={"enabled": "true", "xray": "true"})
    seen = []
    publish = producer.sns_client.publish
    producer.sns_client.publish = lambda **call: seen.append(TRACE_HEADER.get()) or publish(**call)
    producer.produce(MEDIA_TYPE, what="x")

    trace_id = f"{spans.one('publish').context.trace_id:032x}"
    span_id = f"{spans.one('publish').context.span_id:016x}"
    assert seen == [f"Root=1-{trace_id[:8]}-{trace_id[8:]};Parent={span_id};Sampled=1"]
    assert TRACE_HEADER.get() is None


def test_off_by_default(make_graph, spans):
    graph = make_graph(pubsub_traces={})
    graph.sns_producer.produce(MEDIA_TYPE, what="x")

    assert graph.pubsub_traces is None
    assert graph.sqs_message_dispatcher.traces is None
    assert spans.finished == []
    assert len(graph.sns_producer.layers) == len(graph.pubsub_publish_layers)
