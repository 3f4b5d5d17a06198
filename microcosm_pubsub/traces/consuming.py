"""
The spans of a consumer: one for each receive that brought something, and one for each call of a handler.

The span of a handler's call continues the trace of its message: the span of its publisher is its parent, and, as the
conventions want, its link. Messages that come in a trace of which nothing is recorded cost no span. A fault of a
sampler or an exporter is logged, and the message handled all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from logging import getLogger
from time import time_ns
from typing import Any

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)

from microcosm_pubsub.constants import REQUEST_ID_KEY
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.result import MessageHandlingResult, MessageHandlingResultType
from microcosm_pubsub.traces import names
from microcosm_pubsub.traces.carried import read_received
from microcosm_pubsub.traces.tracer import Sampling, Tracer, is_sampled, make_context
from microcosm_pubsub.types import UnitCall


logger = getLogger(__name__)

#: A process has few queues.
process_attributes = lru_cache(maxsize=100)(names.make_process_attributes)
receive_attributes = lru_cache(maxsize=100)(names.make_receive_attributes)


class Origin:
    """
    The origin of a message.

    :param creation: the context with which it was published, if it carries one
    :param receive: that of its receive, in which it is handled if it carries none
    :param quiet: in which it is handled, if nothing of its trace is recorded
    """

    __slots__ = ("creation", "log_fields", "quiet", "receive")

    def __init__(
        self, creation: SpanContext | None, receive: Context | None = None, quiet: Context | None = None
    ) -> None:
        self.creation = creation
        self.receive = receive
        self.quiet = quiet
        #: The fields of log lines while it is handled.
        self.log_fields: dict[str, str] | None = None


#: The origin of a message in whose handling nothing can be recorded.
NOWHERE = Origin(None)


class ConsumerTraces:
    """
    Make the spans of a consumer.

    :param tracer: starts them
    :param one_trace: whether a handler's call belongs to the trace of its message, else to that of its receive
    :param xray: whether X-Ray's header of a message counts
    :param clock: the time of day, in nanoseconds since the epoch
    """

    def __init__(
        self, tracer: Tracer, one_trace: bool = True, xray: bool = False, clock: Callable[[], int] = time_ns
    ) -> None:
        self.tracer = tracer
        self.one_trace = one_trace
        self.xray = xray
        self.clock = clock

    # The span of a receive.

    def received(self, messages: Sequence[SQSMessage], seconds: float) -> None:
        """
        Note the messages of a receive.

        :param messages: at least one
        :param seconds: how long the receive took
        """
        # A fault of a sampler or exporter is logged, and the message handled all the same.
        try:
            sampling = self.tracer.sampling
            if sampling is Sampling.OFF:
                set_nowhere(messages)
            else:
                self._received(messages, seconds, sampling)
        except Exception:
            logger.warning("Cannot trace a receive of %d messages", len(messages), exc_info=True)

    def _received(self, messages: Sequence[SQSMessage], seconds: float, sampling: Sampling) -> None:
        creations = [read_received(message, self.xray) for message in messages]
        if sampling is Sampling.JOINING and self.one_trace and not any(creations):
            set_nowhere(messages)
            return
        received = self._make_receive_span(messages, creations, seconds)
        receive = make_context(received)
        is_quiet = sampling is not Sampling.ASK
        # Messages that carry no context share one origin, if they are not recorded.
        plain = Origin(None, receive, receive) if is_quiet and received and not is_sampled(received) else None
        for message, creation in zip(messages, creations, strict=True):
            if creation is None:
                message.trace = plain or Origin(None, receive)
            elif is_quiet and not is_sampled(creation if self.one_trace else received):
                message.trace = Origin(creation, receive, make_context(creation))
            else:
                message.trace = Origin(creation, receive)

    def _make_receive_span(
        self, messages: Sequence[SQSMessage], creations: Sequence[SpanContext | None], seconds: float
    ) -> SpanContext | None:
        queue_url = find_queue_url(messages[0])
        if not queue_url:
            # A Lambda event came to us: nothing was received.
            return None
        attributes = receive_attributes(queue_url)
        end = self.clock()
        span = self.tracer.start_span(
            names.make_name(attributes),
            context=Context(),
            kind=SpanKind.CLIENT,
            attributes={**attributes, names.BATCH_COUNT: len(messages)},
            links=[Link(creation) for creation in creations if creation is not None],
            start_time=end - int(seconds * 1e9),
        )
        span.end(end)
        context = span.get_span_context()
        return context if context.is_valid else None

    # The span of a handler's call.

    def handle(self, call_next: UnitCall, messages: Sequence[SQSMessage]) -> list[MessageHandlingResult]:
        """Handle messages by one call of their handler, within a span if one must be recorded."""
        origin = messages[0].trace
        if origin is NOWHERE and len(messages) == 1:
            return call_next(messages)
        if origin is not None and origin.quiet is not None and len(messages) == 1:
            # Fast path: where few traces are recorded, nearly all messages are in quiet ones.
            token = attach(origin.quiet)
            try:
                return call_next(messages)
            finally:
                detach(token)
        return self._handle(call_next, messages)

    def _handle(self, call_next: UnitCall, messages: Sequence[SQSMessage]) -> list[MessageHandlingResult]:
        # A fault of a sampler or exporter is logged, and the message handled all the same.
        try:
            sampling = self.tracer.sampling
            span, context = (None, None) if sampling is Sampling.OFF else self._start(messages, sampling)
        except Exception:
            logger.warning("Cannot trace the handling of %d messages", len(messages), exc_info=True)
            span = context = None
        if context is None:
            return call_next(messages)
        token = attach(context)
        results: Sequence[MessageHandlingResult] = ()
        try:
            results = list_of = call_next(messages)
            return list_of
        finally:
            detach(token)
            if span is not None:
                self._end(span, messages, results)

    def _start(self, messages: Sequence[SQSMessage], sampling: Sampling) -> tuple[Span | None, Context]:
        """Start the span of a call, and return it, if there is one, with the context in which to call."""
        origins = [self._find_origin(message) for message in messages]
        context = self._choose_parent(origins)
        if sampling is not Sampling.ASK:
            parent = get_current_span(context).get_span_context()
            if parent.is_valid and not parent.trace_flags.sampled:
                return None, context
        attributes = process_attributes(find_queue_url(messages[0]))
        span = self.tracer.start_span(
            names.make_name(attributes),
            context=context,
            kind=SpanKind.CONSUMER,
            attributes=describe(messages, attributes),
            links=[Link(origin.creation) for origin in origins if origin.creation is not None],
        )
        span_context = span.get_span_context()
        fields = {"trace_id": f"{span_context.trace_id:032x}", "span_id": f"{span_context.span_id:016x}"}
        for origin in origins:
            origin.log_fields = fields
        return span, set_span_in_context(span, context)

    def _find_origin(self, message: SQSMessage) -> Origin:
        """Return where a message comes from, which is not known yet if nobody told of its receive."""
        if message.trace is None:
            message.trace = Origin(read_received(message, self.xray))
        origin: Origin = message.trace
        if origin.quiet is not None or origin is NOWHERE:
            # The origin may be shared with other messages.
            origin = message.trace = Origin(origin.creation, origin.receive)
        return origin

    def _choose_parent(self, origins: Sequence[Origin]) -> Context:
        """
        Return the parent of a call: the publisher of its message, or of all of them in one trace; else their receive.
        """
        first = origins[0].creation
        if self.one_trace and first is not None:
            trace_ids = {origin.creation.trace_id if origin.creation is not None else None for origin in origins}
            if len(trace_ids) == 1:
                return make_context(first)
        return origins[0].receive or Context()

    def _end(self, span: Span, messages: Sequence[SQSMessage], results: Sequence[MessageHandlingResult]) -> None:
        # A fault of a sampler or exporter is logged, and the message handled all the same.
        try:
            if span.is_recording():
                for message, result in zip(messages, results, strict=False):
                    tell(span, message, result, len(messages) > 1)
            span.end()
        except Exception:
            logger.warning("Cannot trace the handling of %d messages", len(messages), exc_info=True)


def set_nowhere(messages: Sequence[SQSMessage]) -> None:
    """Note that nothing can be recorded of some messages."""
    for message in messages:
        message.trace = NOWHERE


def add_log_fields(message: SQSMessage) -> None:
    """Let the log lines of a message tell its trace: a layer's check, once the message has its context."""
    fields = message.trace.log_fields if message.trace is not None else None
    if fields is not None and message.context is not None:
        message.context.update(fields)


def describe(messages: Sequence[SQSMessage], attributes: names.Attributes) -> names.Attributes:
    """Return the attributes of a call."""
    message = messages[0]
    found = {**attributes, names.MEDIA_TYPE: message.media_type or ""}
    if len(messages) > 1:
        return {**found, names.BATCH_COUNT: len(messages)}
    if message.message_id is not None:
        found[names.MESSAGE_ID] = message.message_id
    request_id = message.opaque_data.get(REQUEST_ID_KEY)
    if request_id is not None:
        found[names.CONVERSATION_ID] = str(request_id)
    return found


def tell(span: Span, message: SQSMessage, result: MessageHandlingResult, is_one_of_many: bool) -> None:
    """Let a span tell the result of a message, and its fate at its queue."""
    kind = result.result
    if kind is MessageHandlingResultType.SUCCEEDED and not is_one_of_many and message.error is None:
        # Nearly all messages end so: the event says all, and each attribute costs time.
        span.add_event(names.ACK_EVENT)
        return
    which: dict[str, Any] = {names.RESULT: kind.label}
    if is_one_of_many:
        which[names.MESSAGE_ID] = str(message.message_id)
    else:
        span.set_attribute(names.RESULT, kind.label)
    if not (kind.retry or message.error is not None):
        span.add_event(names.ACK_EVENT, which)
    elif result.dead_letter:
        span.add_event(names.DEAD_LETTER_EVENT, which)
    else:
        span.add_event(names.NACK_EVENT, which)
        if result.retry_timeout_seconds is not None:
            which[names.DELAY_SECONDS] = result.retry_timeout_seconds
        span.add_event(names.RETRY_EVENT, {**which, names.ATTEMPT: message.attempts or 1})
    if kind is MessageHandlingResultType.FAILED:
        tell_error(span, message, result)


def tell_error(span: Span, message: SQSMessage, result: MessageHandlingResult) -> None:
    """Let a span tell why a message failed; an error's text may be a message's, and is not told."""
    error = result.exc_info[1] if result.exc_info else message.error
    name = type(error).__qualname__ if error is not None else result.result.label
    span.set_attribute(names.ERROR_TYPE, name)
    span.set_status(Status(StatusCode.ERROR, name))


def find_queue_url(message: SQSMessage) -> str:
    """Return the URL of the queue from which a message was received; an empty text if it was not."""
    return getattr(message.consumer, "sqs_queue_url", None) or ""
