"""
Events of messages, publishes and workers, as values of instruments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from logging import getLogger
from threading import Lock
from time import perf_counter

from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.meters import instruments as at
from microcosm_pubsub.meters.instruments import Instrument, Kind, Meter
from microcosm_pubsub.producer.message import ProduceResult, PubsubMessage
from microcosm_pubsub.producer.pipeline import PublishCall
from microcosm_pubsub.result import MessageHandlingResult


logger = getLogger(__name__)

#: A media type comes with the message, from anybody, and each makes series of its own: this many are told apart.
MAX_MEDIA_TYPES = 200
OTHER = "other"
UNKNOWN = "unknown"

#: The instruments of a worker's gauges; a gauge that counts since its start is written by its growth.
OF_WORKER: dict[str, Instrument] = {
    "worker_slots_busy": at.IN_FLIGHT,
    "worker_buffered": at.BUFFERED,
    "worker_leases": at.LEASES,
    "worker_abandoned": at.ABANDONED,
    "worker_paused": at.PAUSED,
    "worker_pollers": at.POLLERS,
    "worker_leases_extended": at.LEASES_EXTENDED,
    "worker_leases_lost": at.LEASES_LOST,
    "worker_settle_failures": at.SETTLE_FAILURES,
}


class Meters:
    """
    Write down events as values.

    :param meters: keep it
    """

    def __init__(self, meters: Sequence[Meter]) -> None:
        self.meters = tuple(meters)
        self.enabled = bool(self.meters)
        self._media_types: set[str] = set()
        self._totals: dict[str, float] = {}
        self._lock = Lock()

    def observe(self, message: SQSMessage, result: MessageHandlingResult) -> None:
        """Write down the result of a message."""
        media_type = self._label(result.media_type)
        self._write(at.MESSAGES, 1, media_type, result.result.label)
        if result.elapsed_time is not None:
            self._write(at.HANDLER_SECONDS, result.elapsed_time / 1000, media_type)
        if result.handle_start_time is not None:
            self._write(at.AGE_SECONDS, result.handle_start_time, media_type)
        if result.dead_letter:
            self._write(at.DEAD_LETTERS, 1, media_type)

    def around_publish(self, call_next: PublishCall, messages: Sequence[PubsubMessage]) -> list[ProduceResult]:
        """Publish, and write down the result of each message: a layer of the producer."""
        start = perf_counter()
        results: list[ProduceResult] = []
        try:
            results = call_next(messages)
            return results
        finally:
            self._published(messages, [result.ok for result in results], perf_counter() - start)

    def _published(self, messages: Sequence[PubsubMessage], successes: Sequence[bool], seconds: float) -> None:
        # The outermost ring: a meter can change nothing, its own failure included.
        try:
            for index, message in enumerate(messages):
                ok = index < len(successes) and successes[index]
                self._write(at.PUBLISHES, 1, self._label(message.media_type), "success" if ok else "failure")
            self._write(at.PUBLISH_SECONDS, seconds, self._label(messages[0].media_type))
        except Exception:
            logger.warning("Cannot measure a publish of %s", messages[0].media_type, exc_info=True)

    def gauges(self, values: Mapping[str, float]) -> None:
        """Write down the gauges of a worker, or of a service beside it."""
        for name, value in values.items():
            instrument = OF_WORKER.get(name)
            if instrument is None:
                self._write(at.SERVICE, value, name)
            elif instrument.kind is Kind.COUNTER:
                self._grow(instrument, name, value)
            else:
                self._write(instrument, value)

    def _grow(self, instrument: Instrument, name: str, total: float) -> None:
        with self._lock:
            growth = total - self._totals.get(name, 0.0)
            self._totals[name] = total
        if growth > 0:
            self._write(instrument, growth)

    def _label(self, media_type: str | None) -> str:
        if media_type is None:
            return UNKNOWN
        if media_type in self._media_types:
            return media_type
        if len(self._media_types) >= MAX_MEDIA_TYPES or len(media_type) > MAX_MEDIA_TYPES:
            return OTHER
        self._media_types.add(media_type)
        return media_type

    def _write(self, instrument: Instrument, value: float, *labels: str) -> None:
        for meter in self.meters:
            meter.write(instrument, value, *labels)
