"""
The instruments: each once, with its name, its unit and its labels.

Prometheus' names are made of `name`: https://prometheus.io/docs/practices/naming/
OpenTelemetry's are those of its conventions where these have one:
https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Kind(Enum):
    """The behaviour of a value: it grows, it goes up and down, or there are many of them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, eq=False)
class Instrument:
    """
    Something that is measured.

    :param name: for Prometheus, to which it adds `pubsub_`, and `_total` for a counter
    :param otel_name: for OpenTelemetry
    :param unit: of OpenTelemetry: https://opentelemetry.io/docs/specs/semconv/general/metrics/#instrument-units
    :param labels: the labels whose values are given with each value, in this order
    :param constants: attributes that OpenTelemetry's conventions want with it
    """

    name: str
    otel_name: str
    kind: Kind
    unit: str
    description: str
    labels: tuple[str, ...] = ()
    constants: tuple[tuple[str, str], ...] = ()


#: https://opentelemetry.io/docs/specs/semconv/attributes-registry/messaging/#messaging-system
SQS = ("messaging.system", "aws_sqs")
SNS = ("messaging.system", "aws.sns")
PROCESS = ("messaging.operation.name", "process")
PUBLISH = ("messaging.operation.name", "publish")

MESSAGES = Instrument(
    "messages",
    "messaging.client.consumed.messages",
    Kind.COUNTER,
    "{message}",
    "Messages that were handled, by what came of them.",
    ("media_type", "result"),
    (SQS, PROCESS),
)
HANDLER_SECONDS = Instrument(
    "handler_seconds",
    "messaging.process.duration",
    Kind.HISTOGRAM,
    "s",
    "How long handling a message took.",
    ("media_type",),
    (SQS, PROCESS),
)
AGE_SECONDS = Instrument(
    "message_age_seconds",
    "pubsub.message.age",
    Kind.HISTOGRAM,
    "s",
    "How long ago a message was published when its handling began.",
    ("media_type",),
)
DEAD_LETTERS = Instrument(
    "dead_letters", "pubsub.dead_letters", Kind.COUNTER, "{message}", "Messages that were given up.", ("media_type",)
)
PUBLISHES = Instrument(
    "publishes",
    "messaging.client.sent.messages",
    Kind.COUNTER,
    "{message}",
    "Messages that were published, by what came of them.",
    ("media_type", "result"),
    (SNS, PUBLISH),
)
PUBLISH_SECONDS = Instrument(
    "publish_seconds",
    "messaging.client.operation.duration",
    Kind.HISTOGRAM,
    "s",
    "How long a call that publishes took, of up to ten messages.",
    ("media_type",),
    (SNS, PUBLISH),
)
LEASES_EXTENDED = Instrument(
    "leases_extended", "pubsub.leases.extended", Kind.COUNTER, "{lease}", "Leases that were extended."
)
LEASES_LOST = Instrument("leases_lost", "pubsub.leases.lost", Kind.COUNTER, "{lease}", "Leases that were lost.")
SETTLE_FAILURES = Instrument(
    "settle_failures", "pubsub.settle.failures", Kind.COUNTER, "{message}", "Messages that could not be settled."
)
IN_FLIGHT = Instrument("handlers_in_flight", "pubsub.handlers.in_flight", Kind.GAUGE, "{handler}", "Handlers that run.")
BUFFERED = Instrument(
    "buffered_messages", "pubsub.messages.buffered", Kind.GAUGE, "{message}", "Messages that wait for a handler."
)
LEASES = Instrument("leases_held", "pubsub.leases.held", Kind.GAUGE, "{lease}", "Leases that are held.")
ABANDONED = Instrument(
    "abandoned_threads", "pubsub.threads.abandoned", Kind.GAUGE, "{thread}", "Threads that outlived their handler."
)
PAUSED = Instrument("paused", "pubsub.workers.paused", Kind.GAUGE, "{worker}", "Workers that receive nothing.")
POLLERS = Instrument("pollers", "pubsub.pollers", Kind.GAUGE, "{poller}", "Receives under way.")
SERVICE = Instrument(
    "service_gauge",
    "pubsub.service",
    Kind.GAUGE,
    "1",
    "What services beside the worker tell, such as an outbox.",
    ("name",),
)

INSTRUMENTS = (
    MESSAGES,
    HANDLER_SECONDS,
    AGE_SECONDS,
    DEAD_LETTERS,
    PUBLISHES,
    PUBLISH_SECONDS,
    LEASES_EXTENDED,
    LEASES_LOST,
    SETTLE_FAILURES,
    IN_FLIGHT,
    BUFFERED,
    LEASES,
    ABANDONED,
    PAUSED,
    POLLERS,
    SERVICE,
)


class Meter(Protocol):
    """Keep measured values."""

    def write(self, instrument: Instrument, value: float, *labels: str) -> None:
        """Add a value to a counter or a histogram, or set a gauge."""
        ...
