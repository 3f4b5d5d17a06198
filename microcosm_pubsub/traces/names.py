"""
The names of spans and their attributes: the semantic conventions for messaging, and names of our own beside them.

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
https://opentelemetry.io/docs/specs/semconv/messaging/sqs/
https://opentelemetry.io/docs/specs/semconv/messaging/sns/
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit


#: Attributes of one process: a name, and a text, a number, or a truth value.
Attributes = dict[str, str | int | bool]

SYSTEM: Final = "messaging.system"
OPERATION_NAME: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
DESTINATION: Final = "messaging.destination.name"
MESSAGE_ID: Final = "messaging.message.id"
CONVERSATION_ID: Final = "messaging.message.conversation_id"
BATCH_COUNT: Final = "messaging.batch.message_count"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
QUEUE_URL: Final = "aws.sqs.queue.url"
TOPIC_ARN: Final = "aws.sns.topic.arn"
ERROR_TYPE: Final = "error.type"

#: Our own: there are none for these.
MEDIA_TYPE: Final = "pubsub.media_type"
RESULT: Final = "pubsub.result"
ATTEMPT: Final = "pubsub.attempt"
DELAY_SECONDS: Final = "pubsub.retry.delay_seconds"

#: How a message is settled at the end of its handling, and that it will come again, as events of its span.
ACK_EVENT: Final = "pubsub.ack"
NACK_EVENT: Final = "pubsub.nack"
DEAD_LETTER_EVENT: Final = "pubsub.dead_letter"
RETRY_EVENT: Final = "pubsub.retry"

SQS: Final = "aws_sqs"
SNS: Final = "aws.sns"

DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def make_process_attributes(queue_url: str) -> Attributes:
    """
    Return the attributes that all calls of handlers for messages of a queue have.

    They are no calls to a server; and each attribute of each message costs some microseconds.

    :param queue_url: or what stands for one: a file's reader has a name alone, and Lambda's none
    """
    attributes: Attributes = {SYSTEM: SQS, OPERATION_NAME: "process", OPERATION_TYPE: "process"}
    if queue_url:
        attributes[DESTINATION] = queue_url.rstrip("/").rpartition("/")[2]
    return attributes


def make_receive_attributes(queue_url: str) -> Attributes:
    """Return the attributes that all receives from a queue have."""
    attributes = {**make_process_attributes(queue_url), OPERATION_NAME: "receive", OPERATION_TYPE: "receive"}
    if "://" in queue_url:
        attributes[QUEUE_URL] = queue_url
        attributes |= find_server(queue_url)
    return attributes


def make_topic_attributes(topic_arn: str, endpoint_url: str | None) -> Attributes:
    """Return the attributes of a publish to a topic."""
    attributes: Attributes = {
        SYSTEM: SNS,
        OPERATION_NAME: "publish",
        OPERATION_TYPE: "send",
        DESTINATION: topic_arn.rpartition(":")[2],
        TOPIC_ARN: topic_arn,
    }
    if endpoint_url:
        attributes |= find_server(endpoint_url)
    return attributes


def find_server(url: str) -> Attributes:
    """Return the host and the port of a URL, as attributes."""
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return {}
    if not parts.hostname:
        return {}
    found: Attributes = {SERVER_ADDRESS: parts.hostname}
    if port is not None:
        found[SERVER_PORT] = port
    return found


def make_name(attributes: Attributes) -> str:
    """Return the name of a span: its operation, and where that is done, if it is known."""
    return f"{attributes[OPERATION_NAME]} {attributes.get(DESTINATION, '')}".rstrip()
