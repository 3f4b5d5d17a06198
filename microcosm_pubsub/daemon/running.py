"""
The life of a daemon's process, once its graph is made: services, worker, services, and an exit code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from logging import getLogger
from pathlib import Path
from typing import Any, Protocol

from microcosm.metadata import Metadata
from microcosm.registry import get_defaults

from microcosm_pubsub.clients import describe_client
from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import find_factories
from microcosm_pubsub.config.unknown import find_unknown
from microcosm_pubsub.daemon.process import EXIT_LASTING, EXIT_OK, EXIT_RECYCLED, EXIT_RESTART, Reporter, listen
from microcosm_pubsub.daemon.services import Services, find_call_gauges
from microcosm_pubsub.errors import PubSubError, QueueAccessError
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.health import Answer, HealthServer, Report, Route, report_routes
from microcosm_pubsub.meters.prometheus import METRICS_PATH, PrometheusMeter
from microcosm_pubsub.types import Handlers
from microcosm_pubsub.worker.factory import gauge_tellers
from microcosm_pubsub.worker.gauges import Gauges
from microcosm_pubsub.worker.health import report
from microcosm_pubsub.worker.worker import Ending, Worker


class PreparedDaemon(Protocol):
    """A daemon as it is run."""

    name: str
    args: Any
    graph: PubSubGraph
    bound_handlers: Handlers
    is_stopping: bool
    routes: Mapping[str, Route]


def run_to_end(daemon: PreparedDaemon, send_report: Callable[[Report], None] | None) -> int:
    """
    Run the worker of a daemon, and the services beside it, until it ends, and return the exit code.

    :param send_report: sends the health of this process to its supervisor, if it has one
    :raises PubSubError: if the worker or a service cannot start
    """
    graph = daemon.graph
    worker: Worker = graph.pubsub_worker
    services = Services(graph.pubsub_services, find_call_gauges(graph))

    def get_report() -> Report:
        problems = services.problems()
        current = report(worker)
        return {
            **current,
            "healthy": current["healthy"] and not problems,
            "problems": [*current["problems"], *problems],
            "services": services.gauges(),
        }

    if send_report is None and daemon.args.healthcheck_port is not None:
        routes = {**report_routes(get_report), **metrics_routes(graph), **daemon.routes}
        services.add(HealthServer(routes, daemon.args.healthcheck_host, daemon.args.healthcheck_port))
    report_now = Reporter(worker, get_report, send_report, graph.metadata.debug)
    measure = Gauges(gauge_tellers(graph), services.gauges, worker.clock)

    def on_watch() -> None:
        measure()
        report_now()

    listen(worker)
    if daemon.is_stopping:
        worker.stop()
    warn_of_doubts(daemon)
    say_start(daemon, worker.settings.concurrency)
    try:
        services.start()
        ending = worker.run(daemon.bound_handlers, on_watch)
    finally:
        services.stop()
    say_end(daemon, ending)
    return choose_exit_code(ending, is_supervised=send_report is not None)


def say_start(daemon: PreparedDaemon, workers: int = 1) -> None:
    """Log that a daemon starts, and of what it is made."""
    graph = daemon.graph
    graph.logger.info(
        "Starting daemon %s: %s, workers %d, %s",
        daemon.name,
        graph.sqs_consumer.sqs_queue_url,
        workers,
        describe_engine(graph),
    )


def describe_engine(graph: PubSubGraph) -> str:
    """Return where messages come from: the broker's database, or how calls of another engine are made."""
    broker = graph.pubsub_broker
    if broker is None or graph.sqs_client is not broker.queue_client:
        return f"transport {describe_client(graph.sqs_client)}"
    # The URL of a queue names no database, and a file is sought from where the program was started.
    store = broker.broker.store
    return f"broker {store}, seen from {Path.cwd()}" if store.is_sqlite else f"broker {store}"


def measures_for_prometheus(daemon: Any) -> bool:
    """
    Return whether the processes of a daemon will measure for Prometheus.

    :raises ConfigurationError: if the configuration says that in a way that cannot be
    """
    if not isinstance(daemon.name, str):
        # Its processes will refuse the name, and say so.
        return False
    config = daemon.loader(Metadata(daemon.name))
    return "prometheus" in values.names("pubsub_meters.names")(config.get("pubsub_meters", {}).get("names", []))


def metrics_routes(graph: PubSubGraph) -> dict[str, Route]:
    """Return the route by which Prometheus gets its metrics; none if nothing is measured for it."""
    pages = [meter.page for meter in graph.pubsub_meters.meters if isinstance(meter, PrometheusMeter)]
    return {METRICS_PATH: lambda: Answer(*pages[0]())} if pages else {}


def warn_of_doubts(daemon: PreparedDaemon) -> None:
    """
    Log set-ups that may be meant so, but probably are not: configuration that nobody reads, and a daemon without
    handlers.
    """
    graph = daemon.graph
    for text in find_unknown(graph.loader(graph.metadata), our_keys(graph), find_factories(graph), graph.metadata.name):
        graph.logger.warning("%s", text)
    if not daemon.bound_handlers:
        action = {"ack": "deleted", "nack": "left to others", "dead_letter": "sent to the dead-letter queue"}
        graph.logger.warning(
            "Daemon %s has no handlers, and every message is %s (pubsub_unhandled.action): import the modules that "
            "declare them with @handles, or name them in its components",
            daemon.name,
            action[graph.pubsub_unhandled.action],
        )


def our_keys(graph: PubSubGraph) -> dict[str, set[str]]:
    """Return the keys of each section of configuration that is ours."""
    keys = {
        name: set(get_defaults(factory))
        for name, factory in find_factories(graph).items()
        if str(getattr(factory, "__module__", "")).startswith("microcosm_pubsub.")
    }
    # Topics may stand under lifecycle changes, which users add to.
    keys["sns_topic_arns"] |= set(graph.pubsub_lifecycle_change)
    return keys


def choose_exit_code(ending: Ending, is_supervised: bool) -> int:
    """Return the exit code of a daemon's process."""
    if isinstance(ending.error, QueueAccessError):
        return EXIT_LASTING
    if ending.error is not None or ending.abandoned or ending.unsettled:
        return EXIT_RESTART
    return EXIT_RECYCLED if ending.recycled and is_supervised else EXIT_OK


def say_end(daemon: PreparedDaemon, ending: Ending) -> None:
    """Log why and how a daemon ends."""
    logger, counts = daemon.graph.logger, daemon.graph.sqs_message_dispatcher.counts
    if ending.abandoned or ending.unsettled:
        logger.error(
            "Daemon %s leaves %d handlers that still run, and %d messages hidden until their visibility timeout "
            "runs out",
            daemon.name,
            ending.abandoned,
            ending.unsettled,
        )
    if unhandled := daemon.graph.pubsub_unhandled.counts:
        getLogger(__name__).info(
            "Messages that nobody handles: %s",
            ", ".join(f"{count} {media_type[:200]}" for media_type, count in unhandled.most_common(20)),
        )
    logger.info(
        "Stopped daemon %s: %s",
        daemon.name,
        ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "no messages",
        extra={"counts": dict(counts)},
    )
    if ending.error is not None:
        is_expected = isinstance(ending.error, PubSubError)
        logger.error(
            "Daemon %s cannot go on: %s", daemon.name, ending.reason, exc_info=None if is_expected else ending.error
        )
