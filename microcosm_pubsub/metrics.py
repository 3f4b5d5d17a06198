"""
Metrics of what is consumed and produced, as statsd histograms and gauges.

Owns the names of the metrics and their tags. Each class is the factory of a graph component that is
called with what happened, and that sends to `graph.metrics` if there is such a component, its host
is not localhost, and its own configuration says so; otherwise the call does nothing.
"""

from collections.abc import Mapping
from re import sub
from typing import Any, Protocol

from microcosm.api import typed

from microcosm_pubsub.config.graph import defaults, find_component
from microcosm_pubsub.config.values import boolean
from microcosm_pubsub.result import MessageHandlingResult


#: A media type comes with the message, from anybody: a tag takes at most this many characters of it.
MAX_MEDIA_TYPE_LENGTH = 200

#: Metrics for this host would reach nobody.
NO_HOST = "localhost"


class Metrics(Protocol):
    """The methods of `graph.metrics` that are called."""

    def histogram(self, name: str, value: float, *, tags: list[str] = ...) -> object: ...

    def gauge(self, name: str, value: float) -> object: ...


class HistogramSender:
    """
    Send histograms to the graph's metrics, if they are enabled.

    :param graph: the object graph
    """

    binding: str
    metrics: Metrics | None

    def __init__(self, graph: Any) -> None:
        metrics = self.get_metrics(graph) if getattr(graph.config, self.binding).enabled else None
        host = getattr(metrics, "host", None)
        if not isinstance(host, str):
            # A stand-in of a test has any attribute; then the configuration tells.
            host = getattr(getattr(graph.config, "metrics", None), "host", NO_HOST)
        self.metrics = metrics if host != NO_HOST else None
        self.enabled = self.metrics is not None

    def get_metrics(self, graph: Any) -> Metrics | None:
        """Return the graph's metrics; None if none are bound, or if the graph is locked without them."""
        metrics: Metrics | None = find_component(graph, "metrics")
        return metrics

    def histogram(self, name: str, value: float, **tags: list[str]) -> None:
        """Add a value to a histogram; `tags` are `name:value`."""
        if self.metrics is not None:
            self.metrics.histogram(name, value, **tags)


@defaults(enabled=typed(boolean("pubsub_send_metrics.enabled"), default_value=True))
class PubSubSendMetrics(HistogramSender):
    """Measure the handling of each message: `message` in milliseconds, `message_handle_start` in seconds."""

    binding = "pubsub_send_metrics"

    def __call__(self, result: MessageHandlingResult) -> None:
        """
        Send the times of one handled message.

        :param result: the result; a time that it does not know is not sent
        """
        if self.metrics is None:
            return
        tags = tags_for(result.result.label, result.media_type)
        if result.elapsed_time is not None:
            self.histogram("message", result.elapsed_time, tags=tags)
        if result.handle_start_time is not None:
            self.histogram("message_handle_start", result.handle_start_time, tags=tags)


@defaults(enabled=typed(boolean("pubsub_send_batch_metrics.enabled"), default_value=True))
class PubSubSendBatchMetrics(HistogramSender):
    """Measure each receive: `message_batch` in milliseconds, `message_batch_size` in messages."""

    binding = "pubsub_send_batch_metrics"

    def __call__(self, elapsed_time_ms: float, message_count: int) -> None:
        """
        Send the time and the size of one batch; an empty one is not counted.

        :param elapsed_time_ms: how long it took to handle, in milliseconds
        """
        if message_count:
            self.histogram("message_batch", elapsed_time_ms)
            self.histogram("message_batch_size", message_count)


@defaults(enabled=typed(boolean("pubsub_worker_metrics.enabled"), default_value=True))
class PubSubWorkerMetrics(HistogramSender):
    """Send the gauges of a worker, named `worker_...`."""

    binding = "pubsub_worker_metrics"

    def __call__(self, gauges: Mapping[str, float]) -> None:
        """
        Send the gauges of one worker.

        :param gauges: their values by name
        """
        if self.metrics is None:
            return
        for name, value in gauges.items():
            self.metrics.gauge(name, value)


@defaults(enabled=typed(boolean("pubsub_producer_metrics.enabled"), default_value=True))
class PubSubProducerMetrics(HistogramSender):
    """Measure each publish: `sns_producer` in milliseconds."""

    binding = "pubsub_producer_metrics"

    def __call__(self, media_type: str | None, elapsed_time_ms: float, classifier: str) -> None:
        """
        Send the time of one publish.

        :param elapsed_time_ms: how long it took, in milliseconds
        :param classifier: the outcome: `success` or `failure`
        """
        self.histogram("sns_producer", elapsed_time_ms, tags=tags_for(classifier, media_type))


def tags_for(classifier: str, media_type: str | None) -> list[str]:
    """Return the tags of a metric, safe for any media type."""
    # A tag ends at a comma, a bar or a line break: what follows could pass for another metric.
    label = sub(r"[^\w\-:/.+*]", "_", str(media_type or "unknown")[:MAX_MEDIA_TYPE_LENGTH])
    return [f"classifier:{classifier}", f"media-type:{label}"]
