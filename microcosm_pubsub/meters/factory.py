"""
Make the meters of an object graph.
"""

from __future__ import annotations

from microcosm.api import typed

from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.meters.instruments import Meter
from microcosm_pubsub.meters.otel import OpenTelemetryMeter
from microcosm_pubsub.meters.prometheus import PrometheusMeter
from microcosm_pubsub.meters.recorder import Meters


METERS: dict[str, type[Meter]] = {"otel": OpenTelemetryMeter, "prometheus": PrometheusMeter}


@defaults(names=typed(values.names("pubsub_meters.names"), default_factory=list))
def configure_pubsub_meters(graph: PubSubGraph) -> Meters:
    """
    Configure the meters, which keep the numbers of events, bound as `pubsub_meters`.

    Config `names` lists the meters that keep them: `prometheus`, `otel`.

    :raises ConfigurationError: if one is unknown, or its extra is not installed
    """
    return Meters([make_meter(name) for name in graph.config.pubsub_meters.names])


def make_meter(name: str) -> Meter:
    """
    Return the meter of a name.

    :raises ConfigurationError: if it is unknown, or its extra is not installed
    """
    if name not in METERS:
        raise ConfigurationError(f"pubsub_meters.names has {name}; it may have {', '.join(sorted(METERS))}")
    try:
        return METERS[name]()
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"pubsub_meters.names has {name}, which needs {error.name}: pip install 'microcosm_pubsub[{name}]'"
        ) from error
