"""A context goes with a message, and is found wherever it stands."""

from json import dumps

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import SpanContext, TraceFlags, TraceState

from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.producer import PubsubMessage
from microcosm_pubsub.traces.carried import (
    MAX_ATTRIBUTES,
    format_header,
    format_parent,
    parse_header,
    parse_parent,
    read_published,
    read_received,
    write,
)


PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
HEADER = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1"
CONTEXT = SpanContext(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, True, TraceFlags(1))


def text(value):
    return {"DataType": "String", "StringValue": value}


def receive(opaque_data=None, raw=None, attributes=None, topic_arn=None):
    content = {} if opaque_data is None else {"opaque_data": opaque_data}
    return SQSMessage(
        None, content, "m", "id", "handle", raw=raw or {}, attributes=attributes or {}, topic_arn=topic_arn
    )


def publish(attributes=None, opaque_data=None):
    return PubsubMessage("m", "", attributes or {}, opaque_data if opaque_data is not None else {}, "arn:aws:sns:::t")


def test_a_parent_is_what_it_says():
    assert parse_parent(PARENT) == CONTEXT
    assert format_parent(CONTEXT) == PARENT
    assert parse_parent(PARENT, "rojo=00f067aa0ba902b7").trace_state == TraceState([("rojo", "00f067aa0ba902b7")])


@pytest.mark.parametrize(
    "parent",
    [
        None,
        7,
        {},
        "",
        PARENT.upper(),
        PARENT[:-1],
        PARENT + "0",
        PARENT + "-more",
        "ff" + PARENT[2:],
        PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32),
        PARENT.replace("00f067aa0ba902b7", "0" * 16),
        f" {PARENT}",
        f"{PARENT}\n",
    ],
)
def test_what_is_no_parent(parent):
    assert parse_parent(parent) is None


def test_a_later_version_may_add_something():
    assert parse_parent(f"01{PARENT[2:]}-more") == CONTEXT


@given(st.text())
def test_any_text(anything):
    assert parse_parent(anything) is None or len(anything) >= 55
    parse_header(anything)
    parse_parent(PARENT, anything)


def test_x_rays_header():
    assert parse_header(HEADER) == CONTEXT
    assert format_header(CONTEXT) == HEADER
    assert parse_header(HEADER.replace("Sampled=1", "Sampled=0")).trace_flags == 0
    assert parse_header(HEADER.partition(";")[0]) is None
    assert parse_header(f"Self=1-x;{HEADER};Lineage=a:1") == CONTEXT


def test_a_message_carries_it_twice():
    message = publish({"media_type": text("m")}, {"tracestate": "old=1"})

    write(message, CONTEXT)

    assert message.opaque_data == {"traceparent": PARENT}
    assert message.message_attributes == {"media_type": text("m"), "traceparent": text(PARENT)}
    assert read_published(message) == CONTEXT


@pytest.mark.parametrize(("taken", "written"), [(8, 2), (9, 1), (10, 0), (12, 0)])
def test_attributes_have_room_for_ten(taken, written):
    state = TraceState([("rojo", "1")])
    context = SpanContext(CONTEXT.trace_id, CONTEXT.span_id, False, CONTEXT.trace_flags, state)
    message = publish({str(number): text("x") for number in range(taken)})

    write(message, context)

    assert len(message.message_attributes) == taken + written
    assert taken + written <= max(MAX_ATTRIBUTES, taken)
    assert message.opaque_data == {"traceparent": PARENT, "tracestate": "rojo=1"}
    assert ("traceparent" in message.message_attributes) == (written > 0)


def test_an_earlier_one_is_replaced():
    message = publish({"traceparent": text("x"), "tracestate": text("y")}, {"traceparent": "x", "tracestate": "y"})

    write(message, CONTEXT)

    assert message.opaque_data == {"traceparent": PARENT}
    assert message.message_attributes == {"traceparent": text(PARENT)}


SNS_BODY = dumps({"Message": "{}", "MessageAttributes": {"traceparent": {"Type": "String", "Value": PARENT}}})

OTHER = "00-11111111111111111111111111111111-2222222222222222-01"


@pytest.mark.parametrize(
    "message",
    [
        receive({"traceparent": PARENT}),
        receive({"traceparent": PARENT}, raw={"MessageAttributes": {"traceparent": text(OTHER)}}),
        receive(raw={"MessageAttributes": {"traceparent": text(PARENT)}}),
        receive({"traceparent": "nonsense"}, raw={"MessageAttributes": {"traceparent": text(PARENT)}}),
        receive(raw={"Body": SNS_BODY}, topic_arn="arn:aws:sns:::t"),
        receive(attributes={"AWSTraceHeader": HEADER}),
        receive({"traceparent": PARENT}, attributes={"AWSTraceHeader": HEADER.replace("77b", "000")}),
    ],
)
def test_where_it_is_found(message):
    assert read_received(message, True) == CONTEXT


@pytest.mark.parametrize(
    "message",
    [
        receive(),
        receive({"traceparent": None}),
        receive({"traceparent": {"a": 1}}),
        receive(raw={"MessageAttributes": {"traceparent": "text"}}),
        receive(raw={"MessageAttributes": {"traceparent": {"StringValue": 7}}}),
        receive(raw={"Body": SNS_BODY}),
        receive(raw={"Body": '"traceparent"'[:-1] + '" no JSON'}, topic_arn="arn:aws:sns:::t"),
        receive(raw={"Body": '["traceparent"]'}, topic_arn="arn:aws:sns:::t"),
        receive(raw={"Body": dumps({"MessageAttributes": ["traceparent"]})}, topic_arn="arn:aws:sns:::t"),
    ],
)
def test_where_there_is_none(message):
    assert read_received(message, True) is None


def test_x_rays_header_counts_if_it_is_asked_for():
    assert read_received(receive(attributes={"AWSTraceHeader": HEADER}), False) is None
