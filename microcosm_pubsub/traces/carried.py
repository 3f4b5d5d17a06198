"""
The context that a message carries from its publisher to its handler.

It stands in the opaque data always, which no envelope, batch, dead-letter queue or redrive changes; in the message
attributes where there is room, so that others find it too; and in `AWSTraceHeader`, which SQS carries beside them.

https://www.w3.org/TR/trace-context/
https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
"""

from __future__ import annotations

from collections.abc import Mapping
from json import loads
from re import compile as compile_pattern
from typing import Any, Final

from opentelemetry.trace import SpanContext, TraceFlags, TraceState

from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.producer import PubsubMessage


TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
TRACE_HEADER: Final = "AWSTraceHeader"

#: SNS drops all attributes of a message that has more, with raw delivery.
#: https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
MAX_ATTRIBUTES: Final = 10

#: https://www.w3.org/TR/trace-context/#traceparent-header-field-values
PARENT = compile_pattern(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")

#: A longer one of somebody else's is not passed on: https://www.w3.org/TR/trace-context/#tracestate-limits
MAX_STATE_LENGTH: Final = 512

ROOT = compile_pattern(r"1-([0-9a-f]{8})-([0-9a-f]{24})")
SPAN_ID = compile_pattern(r"[0-9a-f]{16}")


def format_parent(context: SpanContext) -> str:
    """Return a context as `traceparent` says it."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def parse_parent(text: Any, state: Any = None) -> SpanContext | None:
    """
    Return the context that `traceparent` says, or None if it says none.

    :param state: the text of `tracestate` beside it
    """
    match = PARENT.fullmatch(text) if isinstance(text, str) else None
    # Additions of a later version may be ignored; version 00 has none.
    if match is None or match[1] == "ff" or (match[1] == "00" and match[5]):
        return None
    trace_state = None
    if isinstance(state, str) and 0 < len(state) <= MAX_STATE_LENGTH:
        trace_state = TraceState.from_header([state])
    context = SpanContext(int(match[2], 16), int(match[3], 16), True, TraceFlags(int(match[4], 16)), trace_state)
    return context if context.is_valid else None


def format_header(context: SpanContext) -> str:
    """Return a context as X-Ray's header says it."""
    trace_id = f"{context.trace_id:032x}"
    sampled = int(context.trace_flags.sampled)
    return f"Root=1-{trace_id[:8]}-{trace_id[8:]};Parent={context.span_id:016x};Sampled={sampled}"


def parse_header(text: Any) -> SpanContext | None:
    """Return the context that X-Ray's header says, or None if it says none: one without `Parent` has no span."""
    if not isinstance(text, str):
        return None
    parts = dict(part.strip().partition("=")[::2] for part in text.split(";"))
    root, parent = ROOT.fullmatch(parts.get("Root", "")), parts.get("Parent", "")
    if root is None or not SPAN_ID.fullmatch(parent):
        return None
    flags = TraceFlags(TraceFlags.SAMPLED if parts.get("Sampled") == "1" else TraceFlags.DEFAULT)
    context = SpanContext(int(root[1] + root[2], 16), int(parent, 16), True, flags)
    return context if context.is_valid else None


def read_received(message: SQSMessage, reads_header: bool) -> SpanContext | None:
    """
    Return the context with which a message was published, or None if it carries none.

    :param reads_header: whether X-Ray's header counts, if it has no other
    """
    opaque_data = message.opaque_data
    text = opaque_data.get(TRACEPARENT)
    context = None if text is None else parse_parent(text, opaque_data.get(TRACESTATE))
    if context is None and (attributes := find_attributes(message)):
        context = read_attributes(attributes)
    if context is None and reads_header:
        context = parse_header(message.attributes.get(TRACE_HEADER))
    return context


def find_attributes(message: SQSMessage) -> Any:
    """Return the message attributes of a message, of the queue's or of SNS's making, that hold a context."""
    attributes = message.raw.get("MessageAttributes")
    if attributes and TRACEPARENT in attributes:
        return attributes
    body = message.raw.get("Body")
    if message.topic_arn is None or not isinstance(body, str) or f'"{TRACEPARENT}"' not in body:
        return None
    try:
        notification = loads(body)
    except ValueError:
        # The message was written in a form that only an envelope of the user's reads.
        return None
    return notification.get("MessageAttributes") if isinstance(notification, dict) else None


def read_attributes(attributes: Any) -> SpanContext | None:
    """Return the context that message attributes say, in the form of SQS or of an SNS notification."""
    if not isinstance(attributes, Mapping):
        return None
    texts = []
    for name in (TRACEPARENT, TRACESTATE):
        attribute = attributes.get(name)
        if isinstance(attribute, Mapping):
            texts.append(attribute.get("StringValue") or attribute.get("Value"))
    return parse_parent(*texts) if texts else None


def read_published(message: PubsubMessage) -> SpanContext | None:
    """Return the context that stands in a message on its way to its topic, or None if none does."""
    opaque_data = message.opaque_data or {}
    context = parse_parent(opaque_data.get(TRACEPARENT), opaque_data.get(TRACESTATE))
    return context or read_attributes(message.message_attributes)


def write(message: PubsubMessage, context: SpanContext) -> None:
    """Put a context into a message that is not yet encoded, in the place of the one that it had."""
    values = {TRACEPARENT: format_parent(context)}
    if context.trace_state:
        values[TRACESTATE] = context.trace_state.to_header()
    message.opaque_data.pop(TRACESTATE, None)
    message.opaque_data.update(values)
    attributes = message.message_attributes
    for name in (TRACEPARENT, TRACESTATE):
        attributes.pop(name, None)
    # The parent comes first, without which a state means nothing.
    for name, text in values.items():
        if len(attributes) < MAX_ATTRIBUTES:
            attributes[name] = {"DataType": "String", "StringValue": text}
