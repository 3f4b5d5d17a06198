"""
The pipeline of a message on its way to its topic.

    steps     identity -> opaque data -> topic -> attributes -> group -> yours -> traces -> encode -> body transforms
    layers    traces -> (the outbox, inside a transaction) -> yours -> metrics -> traces -> the topic

A step is a function `step(message)` that sees one `PubsubMessage`, and may change anything of it: its content, opaque
data, attributes, group, deduplication id, and after `encode` its text. An error that it raises refuses the message,
before anything is published.

A layer is a function `layer(call_next, messages) -> results` around one call to a topic, of at most ten messages. It
publishes the rest with `call_next(messages)`, and returns one `ProduceResult` for each message, in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from logging import getLogger
from time import perf_counter
from typing import TypeAlias

from microcosm.api import typed

from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults, find_component, find_parts, use_parts
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.producer.message import ProduceResult, PubsubMessage


logger = getLogger(__name__)

#: Sees one message before it is published, and may change it.
PublishStep: TypeAlias = Callable[[PubsubMessage], None]

#: Publishes messages of one topic, at most ten, and returns what came of each.
PublishCall: TypeAlias = Callable[[Sequence[PubsubMessage]], list[ProduceResult]]

#: Wraps that: `layer(call_next, messages)`.
PublishLayer: TypeAlias = Callable[[PublishCall, Sequence[PubsubMessage]], list[ProduceResult]]


def compose(layers: Iterable[PublishLayer], call: PublishCall) -> PublishCall:
    """Return a call that goes through the layers, the first one outermost, to `call`."""
    for layer in reversed(tuple(layers)):
        call = partial(layer, call)
    return call


class MeasurePublishing:
    """
    A layer that tells metrics of each call.

    :param metrics: is told of its media type, its milliseconds, and "success" or "failure"
    :param clock: measures time, in seconds
    """

    def __init__(self, metrics: Callable[[str, float, str], None], clock: Callable[[], float] = perf_counter) -> None:
        self.metrics = metrics
        self.clock = clock

    def __call__(self, call_next: PublishCall, messages: Sequence[PubsubMessage]) -> list[ProduceResult]:
        """Publish, and tell how long it took and whether the topic answered."""
        start = self.clock()
        outcome = "failure"
        try:
            results = call_next(messages)
            outcome = "success" if any(result.ok for result in results) else "failure"
        finally:
            self._measure(messages[0].media_type, (self.clock() - start) * 1000, outcome)
        return results

    def _measure(self, media_type: str, milliseconds: float, outcome: str) -> None:
        # The outermost ring: an observer can change nothing, its own failure included.
        try:
            self.metrics(media_type, milliseconds, outcome)
        except Exception:
            logger.warning("Cannot measure a publish of %s", media_type, exc_info=True)


@defaults(names=typed(values.parts("pubsub_publish_steps.names"), default_factory=list))
def configure_pubsub_publish_steps(graph: PubSubGraph) -> tuple[PublishStep, ...]:
    """
    Configure the steps to add before messages are encoded, bound as `pubsub_publish_steps`.

    Config `names` lists them, callables or their bindings.
    """
    traces = find_component(graph, "pubsub_traces")
    steps = use_parts(graph, graph.config.pubsub_publish_steps.names, "pubsub_publish_steps.names")
    # Traces come after steps that may need the room of an attribute.
    return steps if traces is None else (*steps, traces.step)


@defaults(names=typed(values.parts("pubsub_publish_layers.names"), default_factory=list))
def configure_pubsub_publish_layers(graph: PubSubGraph) -> tuple[PublishLayer, ...]:
    """
    Configure the layers around each call to a topic, bound as `pubsub_publish_layers`, the outermost first.

    Config `names` lists the layers to add, callables or their bindings, outside of the one that measures. What is
    published inside a transaction comes to them when that is committed.
    """
    metrics = find_component(graph, "pubsub_producer_metrics")
    meters = find_component(graph, "pubsub_meters")
    measure: list[PublishLayer] = [] if metrics is None else [MeasurePublishing(metrics)]
    if meters is not None and meters.enabled:
        measure.append(meters.around_publish)
    listed = use_parts(graph, graph.config.pubsub_publish_layers.names, "pubsub_publish_layers.names")
    layers = (*find_parts(graph, "pubsub_outbox"), *listed, *measure)
    traces = find_component(graph, "pubsub_traces")
    return layers if traces is None else (traces.around, *layers, traces.send)
