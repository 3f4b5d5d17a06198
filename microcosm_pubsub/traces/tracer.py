"""
The decision which spans there are: OpenTelemetry's sampler makes it, and is asked as seldom as can be.

Most samplers record nothing below a span that is not recorded, and to ask one costs as much as a tenth of handling a
message; so of such a sampler the answer is known beforehand.
https://opentelemetry.io/docs/specs/otel/trace/sdk/#parentbased
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    NoOpTracerProvider,
    ProxyTracerProvider,
    SpanContext,
    format_trace_id,
    get_current_span,
    get_tracer,
    get_tracer_provider,
    set_span_in_context,
)

from microcosm_pubsub.version import VERSION


#: The conventions that names are of.
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"

#: How the SDK's samplers describe themselves that record nothing: never, and below what is not recorded.
NEVER = "AlwaysOffSampler"
BELOW_NOTHING = ("remoteParentNotSampled:AlwaysOffSampler", "localParentNotSampled:AlwaysOffSampler")
NO_ROOTS = "root:AlwaysOffSampler"


class Sampling(Enum):
    """The need to ask a sampler: never, if a parent is recorded, unless one is not, or always."""

    OFF = "off"
    JOINING = "joining"
    BY_PARENT = "by parent"
    ASK = "ask"


class Tracer:
    """
    Start spans of the program's tracer provider, which it may set up later.

    :raises ModuleNotFoundError: if `opentelemetry-api` is not installed
    """

    def __init__(self) -> None:
        self.start_span = get_tracer("microcosm_pubsub", VERSION, schema_url=SCHEMA_URL).start_span
        self._known: tuple[Any, Any, Sampling] = (None, None, Sampling.OFF)

    @property
    def sampling(self) -> Sampling:
        """Return when the sampler has to be asked."""
        provider = get_tracer_provider()
        sampler = getattr(provider, "sampler", None)
        known = self._known
        if known[0] is not provider or known[1] is not sampler:
            known = self._known = (provider, sampler, judge(provider, sampler))
        return known[2]


def judge(provider: Any, sampler: Any) -> Sampling:
    """Return when a provider's sampler has to be asked."""
    if isinstance(provider, (NoOpTracerProvider, ProxyTracerProvider)):
        # The program has no SDK.
        return Sampling.OFF
    # Another provider or sampler may have rules of its own.
    try:
        description = str(sampler.get_description())
    except Exception:
        return Sampling.ASK
    if description == NEVER:
        return Sampling.OFF
    if description.startswith("ParentBased{") and all(part in description for part in BELOW_NOTHING):
        return Sampling.JOINING if NO_ROOTS in description else Sampling.BY_PARENT
    return Sampling.ASK


def make_context(parent: SpanContext | None) -> Context:
    """Return a context in which a span of elsewhere is the current one; an empty one if there is none."""
    context = Context()
    return context if parent is None else set_span_in_context(NonRecordingSpan(parent), context)


def find_trace_id() -> str | None:
    """Return the id of the trace that runs here, as log lines tell it; None if none does."""
    context = get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else None


def is_sampled(context: SpanContext | None) -> bool:
    """Return whether somebody records the span of a context."""
    return context is not None and context.trace_flags.sampled
