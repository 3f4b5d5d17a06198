"""
Run a daemon's handlers on AWS Lambda.

    handler = OrdersDaemon.make_lambda_handler()

The event source mapping must have `ReportBatchItemFailures` set: what the answer does not name is deleted.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Protocol

from microcosm_pubsub.backoff import NaiveBackoffPolicy
from microcosm_pubsub.constants import FIFO_SUFFIX
from microcosm_pubsub.consumer import SQSConsumer
from microcosm_pubsub.envelope import from_lambda_record
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.reader import LambdaEventReader


WARMING_UP = "warming up"


class Prepared(Protocol):
    """What a Lambda handler needs of a daemon: its graph and its handlers."""

    graph: Any
    bound_handlers: dict[str, Callable[[Any], Any]]


class LambdaHandler:
    """
    Handle the records of Lambda events.

    :param prepare: makes the daemon with its graph; called once, at the first event
    """

    def __init__(self, prepare: Callable[[], Prepared]) -> None:
        self._prepare = prepare
        self._daemon: Prepared | None = None
        self._lock = Lock()

    def __call__(self, event: Mapping[str, Any], context: Any = None) -> Any:
        """
        Handle every record of an event, and return which of them are to come again.

        :returns: `{"batchItemFailures": [{"itemIdentifier": message id}, ...]}`; for an event that holds
            `warm`, a text
        :raises ConfigurationError: if the event is not one of SQS
        """
        daemon = self._get_daemon()
        if "warm" in event:
            return WARMING_UP
        reader = LambdaEventReader([_to_raw_message(record) for record in _get_records(event)])
        consumer = SQSConsumer(
            sqs_client=reader,
            sqs_queue_url="",
            envelope=daemon.graph.sqs_envelope,
            # Lambda, not we, decides when a failed message comes again
            backoff_policy=NaiveBackoffPolicy(),
        )
        daemon.graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers, consumer)
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in reader.failures]}

    def _get_daemon(self) -> Prepared:
        with self._lock:
            if self._daemon is None:
                self._daemon = self._prepare()
            return self._daemon


def _get_records(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    records = event.get("Records")
    if not isinstance(records, list) or not all(isinstance(record, Mapping) for record in records):
        raise ConfigurationError(
            "The event holds no SQS records; connect the function to an SQS queue by an event source mapping"
        )
    return records


def _to_raw_message(record: Mapping[str, Any]) -> dict[str, Any]:
    raw_message = from_lambda_record(record)
    if str(record.get("eventSourceARN", "")).endswith(FIFO_SUFFIX):
        raw_message["Attributes"] = {"SequenceNumber": "", **raw_message["Attributes"]}
    return raw_message
