"""
The traces of a graph, as configuration makes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from microcosm.api import typed

from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults, find_component
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.middleware import Check
from microcosm_pubsub.producer import PublishLayer, PublishStep
from microcosm_pubsub.types import Layer


@dataclass(frozen=True, slots=True)
class Traces:
    """
    The makers of spans, by the place where they are called.

    :param consuming: is told of receives, and stands around the calls of handlers
    :param log: a layer that lets log lines tell a message's trace
    :param step: starts the span of a message that is published
    :param around: a publish layer, outside of all others, that ends it
    :param send: a publish layer, inside of all others
    :param find_trace_id: returns the id of the trace that runs here, if one does
    """

    consuming: Any
    log: Layer
    step: PublishStep
    around: PublishLayer
    send: PublishLayer
    find_trace_id: Callable[[], str | None]


@defaults(
    enabled=typed(values.boolean("pubsub_traces.enabled"), default_value=False),
    one_trace=typed(values.boolean("pubsub_traces.one_trace"), default_value=True),
    xray=typed(values.boolean("pubsub_traces.xray"), default_value=False),
)
def configure_pubsub_traces(graph: PubSubGraph) -> Traces | None:
    """
    Configure the traces of a graph, bound as `pubsub_traces`; None if they are not enabled.

    Config `one_trace` says whether a handler's call belongs to the trace of its message, and `xray` whether X-Ray's
    header is read and written.

    :raises ConfigurationError: if they are enabled, and OpenTelemetry's API is not installed
    """
    config = graph.config.pubsub_traces
    if not config.enabled:
        return None
    try:
        from microcosm_pubsub.traces.consuming import ConsumerTraces, add_log_fields
        from microcosm_pubsub.traces.publishing import ProducerTraces
        from microcosm_pubsub.traces.tracer import Tracer, find_trace_id
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"pubsub_traces.enabled needs {error.name}: pip install 'microcosm_pubsub[otel]'"
        ) from error

    def find_endpoint() -> str | None:
        meta = getattr(find_component(graph, "sns_client"), "meta", None)
        return getattr(meta, "endpoint_url", None)

    tracer = Tracer()
    publishing = ProducerTraces(tracer, find_endpoint, config.xray)
    consuming = ConsumerTraces(tracer, config.one_trace, config.xray)
    return Traces(consuming, Check(add_log_fields), publishing.start, publishing.around, publishing.send, find_trace_id)
