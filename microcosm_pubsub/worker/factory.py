"""
The worker of a graph, as configuration makes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from microcosm.api import typed

from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults, find_component
from microcosm_pubsub.constants import MAX_VISIBILITY_TIMEOUT_SECONDS
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.worker.assembly import only_enabled
from microcosm_pubsub.worker.gauges import Values, tell_all
from microcosm_pubsub.worker.settings import WorkerSettings
from microcosm_pubsub.worker.worker import Worker


DEFAULTS = WorkerSettings()


def _integer(name: str, minimum: int, maximum: int | None = None) -> Any:
    return typed(values.integer(f"pubsub_worker.{name}", minimum, maximum), default_value=getattr(DEFAULTS, name))


def _number(name: str, minimum: float, maximum: float | None = None) -> Any:
    return typed(values.number(f"pubsub_worker.{name}", minimum, maximum), default_value=getattr(DEFAULTS, name))


@defaults(
    concurrency=_integer("concurrency", 1),
    max_pollers=_integer("max_pollers", 1),
    max_settlers=_integer("max_settlers", 1),
    max_buffer_seconds=_number("max_buffer_seconds", 0),
    max_buffer=_integer("max_buffer", 0),
    max_per_group=_integer("max_per_group", 1),
    visibility_timeout_seconds=_integer("visibility_timeout_seconds", 1, MAX_VISIBILITY_TIMEOUT_SECONDS),
    max_lease_seconds=_number("max_lease_seconds", 1, MAX_VISIBILITY_TIMEOUT_SECONDS),
    shutdown_timeout_seconds=_number("shutdown_timeout_seconds", 0),
    max_abandoned=_integer("max_abandoned", 0),
    max_messages=_integer("max_messages", 1),
    max_runtime_seconds=_number("max_runtime_seconds", 0),
    drain=typed(values.boolean("pubsub_worker.drain"), default_value=DEFAULTS.drain),
    drain_polls=_integer("drain_polls", 1),
    breaker_failure_share=_number("breaker_failure_share", 0, 1),
    breaker_window_seconds=_number("breaker_window_seconds", 0),
    breaker_min_results=_integer("breaker_min_results", 1),
    breaker_open_seconds=_number("breaker_open_seconds", 0),
    health_threshold_seconds=_number("health_threshold_seconds", 0),
)
def configure_pubsub_worker(graph: PubSubGraph) -> Worker:
    """Configure the worker that handles the messages of a daemon, bound as `pubsub_worker`."""
    config = graph.config.pubsub_worker
    settings = WorkerSettings(**{name: getattr(config, name) for name in WorkerSettings.__slots__})
    return Worker(graph.sqs_consumer, graph.sqs_message_dispatcher, settings, gauge_tellers(graph))


def gauge_tellers(graph: PubSubGraph) -> Callable[[Values], None] | None:
    """Return the function that is told of gauges, for metrics and meters; None if none are enabled."""
    meters = find_component(graph, "pubsub_meters")
    tellers = [only_enabled(graph.pubsub_worker_metrics), meters.gauges if meters and meters.enabled else None]
    return tell_all(teller for teller in tellers if teller is not None)
