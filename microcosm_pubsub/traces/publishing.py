"""
The spans of a producer: one for each message, from when it is made until its topic has answered.

Its context goes with the message, and so must be there before the message is encoded: a publish step starts it, and the
outermost publish layer ends it. A message that is kept meanwhile, by an outbox or in a batch message, has been created
then and no more; the innermost layer makes a second span when it is sent at last.
https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/#producer-spans
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from logging import getLogger
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

from microcosm_pubsub.fast.trace_header import TRACE_HEADER
from microcosm_pubsub.producer import ProduceResult, PublishCall, PubsubMessage
from microcosm_pubsub.traces import names
from microcosm_pubsub.traces.carried import format_header, read_published, write
from microcosm_pubsub.traces.tracer import Sampling, Tracer, is_sampled, make_context


logger = getLogger(__name__)

topic_attributes = lru_cache(maxsize=1000)(names.make_topic_attributes)


class OpenSpan:
    """
    The span of a message that is being published.

    :param span: is open
    """

    __slots__ = ("is_sent", "span")

    def __init__(self, span: Span) -> None:
        self.span = span
        #: Whether its topic was asked to take it.
        self.is_sent = False

    def end(self, result: ProduceResult) -> None:
        """End it, with the result of the message."""
        span = self.span
        if result.error is not None:
            tell_error(span, result.error)
        elif not self.is_sent:
            span.set_attribute(names.OPERATION_NAME, "create")
            span.set_attribute(names.OPERATION_TYPE, "create")
            name = getattr(span, "name", "")
            span.update_name(f"create {name.partition(' ')[2]}".rstrip())
        elif result.message_id is not None:
            span.set_attribute(names.MESSAGE_ID, result.message_id)
        span.end()


class ProducerTraces:
    """
    Make the spans of a producer.

    :param tracer: starts them
    :param find_endpoint: returns the URL of the service that has the topics, if it has one
    :param xray: whether what is sent carries X-Ray's header
    """

    def __init__(
        self, tracer: Tracer, find_endpoint: Callable[[], str | None] = lambda: None, xray: bool = False
    ) -> None:
        self.tracer = tracer
        self.find_endpoint = find_endpoint
        self.xray = xray

    def start(self, message: PubsubMessage) -> None:
        """Start the span of a message, and give it the context: a publish step."""
        # A fault of a sampler must not keep the message from being published.
        try:
            sampling = self.tracer.sampling
            if sampling is not Sampling.OFF:
                self._start(message, sampling)
        except Exception:
            logger.warning("Cannot trace the publish of %s", message.media_type, exc_info=True)

    def _start(self, message: PubsubMessage, sampling: Sampling) -> None:
        parent: SpanContext | None = get_current_span().get_span_context()
        context: Context | None = None
        if parent is None or not parent.is_valid:
            # Nothing is traced here, but the cause of this message may have been, or its author names its trace.
            parent = read_published(message)
            context = make_context(parent)
        if sampling is not Sampling.ASK and parent is not None and not is_sampled(parent):
            write(message, parent)
            return
        span = self._make_span(message.topic_arn, SpanKind.PRODUCER, context, {names.MEDIA_TYPE: message.media_type})
        if span.get_span_context().is_valid:
            write(message, span.get_span_context())
        if span.is_recording():
            message.tracked = OpenSpan(span)

    def around(self, call_next: PublishCall, messages: Sequence[PubsubMessage]) -> list[ProduceResult]:
        """End the spans of messages, once they are published, or kept: the outermost publish layer."""
        tracked = [message.tracked for message in messages]
        if not any(tracked):
            return call_next(messages)
        only = tracked[0] if len(tracked) == 1 else None
        token = None if only is None else attach(set_span_in_context(only.span))
        results: Sequence[ProduceResult] = ()
        try:
            results = given = call_next(messages)
        except BaseException as error:
            results = [ProduceResult(error=error) for _ in messages]  # type: ignore[arg-type]
            raise
        finally:
            if token is not None:
                detach(token)
            for index, message in enumerate(messages):
                # A message that is kept is published later, with no open span.
                message.tracked = None
                end(tracked[index], results[index] if index < len(results) else ProduceResult())
        return given

    def send(self, call_next: PublishCall, messages: Sequence[PubsubMessage]) -> list[ProduceResult]:
        """Send messages to their topic: the innermost publish layer."""
        contexts: list[SpanContext | None] = []
        kept = False
        for message in messages:
            if message.tracked is not None:
                message.tracked.is_sent = True
                contexts.append(message.tracked.span.get_span_context())
            else:
                kept = True
                contexts.append(None)
        if kept and self.tracer.sampling is not Sampling.OFF:
            return self._send_kept(call_next, messages, contexts)
        return self._call(call_next, messages, contexts)

    def _send_kept(
        self, call_next: PublishCall, messages: Sequence[PubsubMessage], contexts: Sequence[SpanContext | None]
    ) -> list[ProduceResult]:
        """Send messages of which some were created before, elsewhere perhaps, in a span that links to theirs."""
        created = [context or read_published(message) for message, context in zip(messages, contexts, strict=True)]
        links = [each for each, context in zip(created, contexts, strict=True) if context is None and is_sampled(each)]
        if not links:
            return self._call(call_next, messages, created)
        parent = links[0] if len({link.trace_id for link in links if link}) == 1 else None
        span = self._make_span(
            messages[0].topic_arn,
            SpanKind.CLIENT,
            make_context(parent),
            {names.BATCH_COUNT: len(messages)} if len(messages) > 1 else {names.MEDIA_TYPE: messages[0].media_type},
            [Link(link) for link in links if link is not None],
        )
        try:
            results = self._call(call_next, messages, created)
            for result in results:
                if result.error is not None:
                    tell_error(span, result.error)
            return results
        finally:
            span.end()

    def _call(
        self, call_next: PublishCall, messages: Sequence[PubsubMessage], contexts: Sequence[SpanContext | None]
    ) -> list[ProduceResult]:
        context = next((context for context in contexts if context is not None), None) if self.xray else None
        if context is None:
            return call_next(messages)
        token = TRACE_HEADER.set(format_header(context))
        try:
            return call_next(messages)
        finally:
            TRACE_HEADER.reset(token)

    def _make_span(
        self,
        topic_arn: str,
        kind: SpanKind,
        context: Context | None,
        more: names.Attributes,
        links: Sequence[Link] = (),
    ) -> Span:
        attributes = topic_attributes(topic_arn, self.find_endpoint())
        name = names.make_name(attributes)
        return self.tracer.start_span(name, context, kind, {**attributes, **more}, links)


def end(tracked: Any, result: ProduceResult) -> None:
    """End a message's span, if it has one."""
    if tracked is None:
        return
    # A fault of an exporter must not keep the message from being published.
    try:
        tracked.end(result)
    except Exception:
        logger.warning("Cannot trace a publish", exc_info=True)


def tell_error(span: Span, error: BaseException) -> None:
    """Let a span tell why a message was not published: the client's error, if there is one."""
    name = type(error.__cause__ or error).__qualname__
    span.set_attribute(names.ERROR_TYPE, name)
    span.set_status(Status(StatusCode.ERROR, name))
