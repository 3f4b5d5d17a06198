"""
The consumer of a graph, as configuration makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from re import fullmatch
from typing import Any

from microcosm.api import typed

from microcosm_pubsub.backoff import DEFAULT_TIMEOUT_SECONDS, make_backoff_policy
from microcosm_pubsub.clients import CLIENT_ERRORS, NAME_ERRORS, error_code
from microcosm_pubsub.clients.protocols import QueueClient, as_admin
from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults
from microcosm_pubsub.constants import MAX_RECEIVE_MESSAGES, MAX_VISIBILITY_TIMEOUT_SECONDS, MAX_WAIT_SECONDS
from microcosm_pubsub.consumer.sqs import SQSConsumer
from microcosm_pubsub.errors import ConfigurationError, QueueAccessError
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.reader import Reader, SQSJsonReader, is_stdin, is_url


def resolve_queue_url(client: QueueClient, source: str | Reader, testing: bool) -> str:
    """
    Return the URL of a queue that is given by its URL or its name.

    :raises ConfigurationError: if it is neither, nor a file, nor STDIN
    :raises QueueAccessError: if a name cannot be looked up
    """
    if isinstance(source, Reader):
        return type(source).__name__
    if testing or is_url(source) or is_stdin(source) or isinstance(client, Reader):
        return source
    if not fullmatch(r"[A-Za-z0-9_-]{1,80}(\.fifo)?", source):
        raise ConfigurationError(
            f"{source!r} is neither a queue URL (https://...), nor a queue name, nor an existing file of JSON "
            "lines, nor STDIN"
        )
    try:
        return str(as_admin(client).get_queue_url(QueueName=source)["QueueUrl"])
    except CLIENT_ERRORS as error:
        code = error_code(error)
        advice = NAME_ERRORS.get(
            code, "check the name, the region and that sqs:GetQueueUrl is allowed, or give the whole URL"
        )
        raise QueueAccessError(f"Cannot look up the URL of queue {source!r}: {code}; {advice}") from error


def accept_source(value: Any) -> str | Reader:
    """
    Accept where messages come from as a configuration value: text, a reader, or a Lambda event or a record of one.

    :raises ConfigurationError: if it is anything else
    """
    if isinstance(value, Mapping):
        return SQSJsonReader(value)
    return value if isinstance(value, Reader) else values.text("sqs_consumer.sqs_queue_url")(value)


@defaults(
    sqs_queue_url=typed(accept_source, default_value=None, mock_value="queue"),
    dead_letter_queue_url=typed(values.text("sqs_consumer.dead_letter_queue_url"), default_value=None),
    endpoint_url=typed(values.text("sqs_consumer.endpoint_url"), default_value=None),
    profile_name=typed(values.text("sqs_consumer.profile_name"), default_value=None),
    region_name=typed(values.text("sqs_consumer.region_name"), default_value=None),
    backoff_policy=typed(values.text("sqs_consumer.backoff_policy"), default_value="NaiveBackoffPolicy"),
    limit=typed(
        values.integer("sqs_consumer.limit", minimum=1, maximum=MAX_RECEIVE_MESSAGES),
        default_value=MAX_RECEIVE_MESSAGES,
    ),
    wait_seconds=typed(
        values.integer("sqs_consumer.wait_seconds", minimum=0, maximum=MAX_WAIT_SECONDS),
        default_value=5,
    ),
    message_retry_visibility_timeout_seconds=typed(
        values.integer(
            "sqs_consumer.message_retry_visibility_timeout_seconds",
            minimum=0,
            maximum=MAX_VISIBILITY_TIMEOUT_SECONDS,
        ),
        default_value=DEFAULT_TIMEOUT_SECONDS,
    ),
)
def configure_sqs_consumer(graph: PubSubGraph) -> SQSConsumer:
    """Configure the graph's consumer, bound as `sqs_consumer`."""
    config = graph.config.sqs_consumer
    # where queues are made when they are asked for, a daemon's is called as it is
    is_made = graph.pubsub_broker is not None or graph.metadata.testing
    source = config.sqs_queue_url or (graph.metadata.name if is_made else None)
    if not source:
        # Refuse this before a client is made, which may lack a region as well.
        raise ConfigurationError(
            "No queue to consume from: give --sqs-queue-url, or --broker-url to run on the embedded broker, or set "
            "sqs_consumer.sqs_queue_url"
        )
    backoff_policy = make_backoff_policy(
        config.backoff_policy,
        config.message_retry_visibility_timeout_seconds,
    )
    sqs_client = graph.sqs_client
    return SQSConsumer(
        sqs_client=sqs_client,
        sqs_queue_url=resolve_queue_url(sqs_client, source, graph.metadata.testing),
        envelope=graph.sqs_envelope,
        backoff_policy=backoff_policy,
        limit=config.limit,
        wait_seconds=config.wait_seconds,
        dead_letter_queue_url=config.dead_letter_queue_url,
    )
