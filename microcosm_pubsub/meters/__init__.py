"""
Meters: what a daemon and its producers do, as numbers for Prometheus and OpenTelemetry.

`instruments` says what is measured, `recorder` is told of it by the dispatcher, the worker and the producer, and
`prometheus` and `otel` each keep it their way. Config `pubsub_meters.names` chooses which; without any, nothing is
measured here.
"""

from microcosm_pubsub.meters.factory import configure_pubsub_meters
from microcosm_pubsub.meters.recorder import Meters


__all__ = ["Meters", "configure_pubsub_meters"]
