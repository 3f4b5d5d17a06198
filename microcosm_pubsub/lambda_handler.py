"""
Run a daemon's handlers on AWS Lambda.

    handler = OrdersDaemon.make_lambda_handler()

For a queue, the event source mapping must have `ReportBatchItemFailures` set: what the answer does not name is deleted.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting

A function that a topic invokes itself, with no queue between, takes no such answer: it raises what failed, and Lambda
invokes it again, at most twice. https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from json import dumps
from threading import Lock
from typing import Any, Protocol

from microcosm_pubsub.backoff import NaiveBackoffPolicy
from microcosm_pubsub.config.fork import renew_lock_in_child
from microcosm_pubsub.constants import FIFO_SUFFIX
from microcosm_pubsub.consumer import SQSConsumer
from microcosm_pubsub.envelope import from_lambda_record
from microcosm_pubsub.errors import ConfigurationError, HandlerError
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.message.raw import RawMessage
from microcosm_pubsub.reader import LambdaEventReader
from microcosm_pubsub.types import Handlers


WARMING_UP = "warming up"

#: The sources that the records of an event may have.
SQS, SNS = "aws:sqs", "aws:sns"

ADVICE = "connect the function to an SQS queue by an event source mapping, or subscribe it to a topic"

#: With less time left than this, no record is begun: one that is cut off fails together with those that are done.
MIN_REMAINING_SECONDS = 1.0


class PreparedDaemon(Protocol):
    """The parts of a daemon that a Lambda handler needs: its graph and its handlers."""

    graph: PubSubGraph
    bound_handlers: Handlers


class LambdaHandler:
    """
    Handle the records of Lambda events.

    :param prepare: makes the daemon with its graph; called once, at the first event
    """

    def __init__(self, prepare: Callable[[], PreparedDaemon]) -> None:
        self._prepare = prepare
        self._daemon: PreparedDaemon | None = None
        self._lock = Lock()
        renew_lock_in_child(self, "_lock")

    def __call__(self, event: Mapping[str, Any], context: Any = None) -> Any:
        """
        Handle every record of an event, and return which of them are to come again.

        :param context: tells how much time Lambda leaves; records that there is no time for are to come again
        :returns: `{"batchItemFailures": [{"itemIdentifier": message id}, ...]}` for records of a queue; None for those
            of a topic; for an event that holds `warm`, a text
        :raises ConfigurationError: if the event is not one of SQS or SNS
        :raises HandlerError: if a record of a topic is to come again
        """
        daemon = self._get_daemon()
        if isinstance(event, Mapping) and "warm" in event:
            return WARMING_UP
        records = _get_records(event)
        source = _find_source(records)
        reader = LambdaEventReader([_to_raw_message(record) for record in records])
        consumer = SQSConsumer(
            sqs_client=reader,
            sqs_queue_url="",
            envelope=daemon.graph.sqs_envelope,
            # Lambda, not we, decides when a failed message comes again
            backoff_policy=NaiveBackoffPolicy(),
        )
        dispatcher = daemon.graph.sqs_message_dispatcher
        dispatcher.handle_batch(daemon.bound_handlers, consumer, has_time=_make_has_time(context))
        if source == SQS:
            return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in reader.failures]}
        if reader.failures:
            raise HandlerError(
                f"{len(reader.failures)} of {len(records)} messages of the topic were not handled, the first is "
                f"{reader.failures[0]}: Lambda is to invoke this function again"
            )
        return None

    def _get_daemon(self) -> PreparedDaemon:
        with self._lock:
            if self._daemon is None:
                self._daemon = self._prepare()
            return self._daemon


def _make_has_time(context: Any) -> Callable[[float], bool]:
    get_remaining = getattr(context, "get_remaining_time_in_millis", None)
    if get_remaining is None:
        return lambda seconds: True
    return lambda seconds: bool(get_remaining() / 1000 >= max(MIN_REMAINING_SECONDS, seconds))


def _get_records(event: Any) -> list[Mapping[str, Any]]:
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list) or not all(isinstance(record, Mapping) for record in records):
        raise ConfigurationError(f"The event holds no records of SQS or SNS; {ADVICE}")
    return records


def _find_source(records: list[Mapping[str, Any]]) -> str:
    # SNS spells the key with a capital letter.
    sources = {str(record.get("eventSource") or record.get("EventSource") or SQS) for record in records} or {SQS}
    if sources not in ({SQS}, {SNS}):
        raise ConfigurationError(f"The event holds records of {', '.join(sorted(sources))}; {ADVICE}")
    return sources.pop()


def _to_raw_message(record: Mapping[str, Any]) -> RawMessage:
    if isinstance(record.get("Sns"), Mapping):
        notification = record["Sns"]
        message_id = str(notification.get("MessageId"))
        return {"MessageId": message_id, "ReceiptHandle": message_id, "Body": dumps(notification), "Attributes": {}}
    raw_message = from_lambda_record(record)
    if str(record.get("eventSourceARN", "")).endswith(FIFO_SUFFIX):
        raw_message["Attributes"] = {"SequenceNumber": "", **raw_message["Attributes"]}
    return raw_message
