"""
Prometheus: what is measured, as text that it comes for.

Of several processes of a daemon, each writes into files of one directory, which `PROMETHEUS_MULTIPROC_DIR` names, and
the process that started them adds them up: https://prometheus.github.io/client_python/multiprocess/
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

from microcosm_pubsub.meters.instruments import INSTRUMENTS, Instrument, Kind


#: The path at which Prometheus asks for the metrics.
METRICS_PATH = "/metrics"

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

#: The buckets of the histograms of handlers and queues, in seconds.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)

Page = tuple[bytes, str, int]


class PrometheusMeter:
    """
    Keep measured values for Prometheus.

    :raises ModuleNotFoundError: if `prometheus_client` is not installed
    """

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry

        self.registry = CollectorRegistry()
        self._collectors = {instrument: self._make(instrument) for instrument in INSTRUMENTS}

    def _make(self, instrument: Instrument) -> Any:
        from prometheus_client import Counter, Gauge, Histogram

        arguments = (f"pubsub_{instrument.name}", instrument.description, instrument.labels)
        match instrument.kind:
            case Kind.COUNTER:
                return Counter(*arguments, registry=self.registry)
            case Kind.GAUGE:
                # The sum is of the processes that live.
                return Gauge(*arguments, registry=self.registry, multiprocess_mode="livesum")
            case Kind.HISTOGRAM:
                return Histogram(*arguments, registry=self.registry, buckets=BUCKETS)

    def write(self, instrument: Instrument, value: float, *labels: str) -> None:
        """Add a value to a counter or a histogram, or set a gauge."""
        collector = self._collectors[instrument]
        if labels:
            collector = collector.labels(*labels)
        match instrument.kind:
            case Kind.COUNTER:
                collector.inc(value)
            case Kind.GAUGE:
                collector.set(value)
            case Kind.HISTOGRAM:
                collector.observe(value)

    def page(self) -> Page:
        """
        Return the page that Prometheus reads, with the values that others put into its default registry: body, media
        type, status.
        """
        from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, REGISTRY, generate_latest

        return generate_latest(self.registry) + generate_latest(REGISTRY), CONTENT_TYPE_PLAIN_0_0_4, 200


class SummedPage:
    """
    Add up the values of several processes.

    :param directory: of their files
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def page(self) -> Page:
        """Return the page that Prometheus reads: body, media type, status."""
        from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=self.directory)
        return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4, 200

    def forget(self, process_id: int) -> None:
        """Forget the gauges of a process that has ended; its counts stay."""
        if any(name.endswith(f"_{process_id}.db") for name in os.listdir(self.directory)):
            from prometheus_client.multiprocess import mark_process_dead

            mark_process_dead(process_id, path=self.directory)


@contextmanager
def summed() -> Iterator[SummedPage]:
    """Have the processes that are started in a block write their values into one directory, and give its page."""
    if directory := os.environ.get(VARIABLE):
        yield SummedPage(directory)
    else:
        with TemporaryDirectory(prefix="pubsub-prometheus-") as directory:
            os.environ[VARIABLE] = directory
            try:
                yield SummedPage(directory)
            finally:
                del os.environ[VARIABLE]
