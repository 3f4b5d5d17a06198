"""
OpenTelemetry: what is measured, as instruments of its API; the program brings its SDK and an exporter.

https://opentelemetry.io/docs/languages/python/instrumentation/#metrics
"""

from __future__ import annotations

from typing import Any

from microcosm_pubsub.meters.instruments import INSTRUMENTS, Instrument, Kind
from microcosm_pubsub.version import VERSION


#: Labels, as attributes: `messaging.*` has none for what a message is.
PREFIX = "pubsub."

#: In seconds: https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/#metric-messagingprocessduration
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


class OpenTelemetryMeter:
    """
    Keep measured values by OpenTelemetry's meter provider.

    :raises ModuleNotFoundError: if `opentelemetry-api` is not installed
    """

    def __init__(self) -> None:
        from opentelemetry.metrics import get_meter

        self._meter = get_meter("microcosm_pubsub", VERSION)
        self._instruments = {instrument: self._make(instrument) for instrument in INSTRUMENTS}

    def _make(self, instrument: Instrument) -> Any:
        name, unit, description = instrument.otel_name, instrument.unit, instrument.description
        match instrument.kind:
            case Kind.COUNTER:
                return self._meter.create_counter(name, unit, description).add
            case Kind.GAUGE:
                return self._meter.create_gauge(name, unit, description).set
            case Kind.HISTOGRAM:
                return self._meter.create_histogram(
                    name, unit, description, explicit_bucket_boundaries_advisory=BUCKETS
                ).record

    def write(self, instrument: Instrument, value: float, *labels: str) -> None:
        """Add a value to a counter or a histogram, or set a gauge."""
        attributes = {f"{PREFIX}{name}": label for name, label in zip(instrument.labels, labels, strict=True)}
        self._instruments[instrument](value, {**dict(instrument.constants), **attributes})
