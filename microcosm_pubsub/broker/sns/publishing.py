"""
Publish messages to a topic.

A call is one transaction: a message is in the queues of all subscriptions, or in none. A fault in the form of an entry
refuses a whole batch, as it does at AWS; other failures are the entry's own.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from json import loads
from re import escape, fullmatch
from string import punctuation
from typing import Any

from microcosm_pubsub.broker.broker import Broker, Refusal
from microcosm_pubsub.broker.sns.batches import answer_batch, check_entries
from microcosm_pubsub.broker.sns.deliveries import add_text_message
from microcosm_pubsub.broker.sns.endpoints import LOGGED, PHONE_NUMBER, WEB
from microcosm_pubsub.broker.sns.fan_out import publish_to
from microcosm_pubsub.broker.sns.message_attributes import check_message_attributes, read_streams
from microcosm_pubsub.broker.sns.notification import Notification
from microcosm_pubsub.broker.sns.refusals import invalid_parameter
from microcosm_pubsub.broker.sns.topics import Topic
from microcosm_pubsub.broker.sqs.message_attributes import size_of


MAX_SUBJECT_LENGTH = 100

#: Protocols for which a message can be another one than for queues.
OTHERS = (*WEB, *LOGGED)

#: The characters of group ids and deduplication ids, at most 128 of them.
ID_PATTERN = f"[A-Za-z0-9{escape(punctuation)}]{{1,128}}"


def publish(
    broker: Broker,
    Message: str,
    TopicArn: str | None = None,
    TargetArn: str | None = None,
    PhoneNumber: str | None = None,
    **parameters: Any,
) -> dict[str, Any]:
    """Publish a message to everything that is subscribed to a topic, or to a telephone number."""
    if PhoneNumber is not None and TopicArn is None and TargetArn is None and "sms" in broker.protocols:
        return _publish_text(broker, PhoneNumber, Message, parameters.get("Subject"))
    if PhoneNumber is not None or (TopicArn is None) == (TargetArn is None):
        raise invalid_parameter("TopicArn or TargetArn Reason: exactly one of them is required, and no PhoneNumber")
    parameters = read_streams(parameters)

    def make(topic: Topic) -> list[Notification]:
        _check_content(Message, parameters.get("Subject"))
        notification = _make_notification(topic, broker.now(), Message, **parameters)
        if _size_of(notification, Message) > topic.size_limit:
            raise invalid_parameter("Message too long")
        return [notification]

    (notification,) = publish_to(broker, TopicArn if TopicArn is not None else str(TargetArn), make)
    return notification.to_answer()


def _publish_text(broker: Broker, number: str, message: str, subject: str | None) -> dict[str, Any]:
    if not fullmatch(PHONE_NUMBER, number):
        raise invalid_parameter(f"PhoneNumber Reason: {number} is not valid to publish to")
    _check_content(message, subject)
    with broker.store.begin() as connection:
        notification = Notification("", message, broker.now(), subject)
        add_text_message(broker, connection, number, notification)
    return notification.to_answer()


def publish_batch(
    broker: Broker,
    TopicArn: str,
    PublishBatchRequestEntries: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Publish messages, each of which may fail alone."""
    check_entries(PublishBatchRequestEntries)
    entries = [read_streams(entry) for entry in PublishBatchRequestEntries]
    outcomes = [_find_fault(entry) for entry in entries]

    def make(topic: Topic) -> list[Notification]:
        now = broker.now()
        notifications = [
            _make_notification(topic, now, **{name: value for name, value in entry.items() if name != "Id"})
            for entry in entries
        ]
        sizes = map(_size_of, notifications, [entry["Message"] for entry in entries])
        if sum(sizes) > topic.size_limit:
            raise Refusal(
                "BatchRequestTooLongException",
                "The length of all the batch messages put together is more than the limit.",
            )
        return [item for item, fault in zip(notifications, outcomes, strict=True) if fault is None]

    published = iter(publish_to(broker, TopicArn, make))
    return answer_batch(entries, [fault or next(published).to_answer() for fault in outcomes])


def _find_fault(entry: Mapping[str, Any]) -> Refusal | None:
    try:
        _check_content(entry["Message"], entry.get("Subject"))
    except Refusal as refusal:
        return refusal
    return None


def _check_content(message: str, subject: str | None) -> None:
    if not message:
        raise invalid_parameter("Empty message")
    if subject is not None and (
        not 0 < len(subject) <= MAX_SUBJECT_LENGTH or any(ord(character) < 32 for character in subject)
    ):
        raise invalid_parameter("Subject")
    _encode(subject or "")


def _make_notification(
    topic: Topic,
    now: int,
    Message: str,
    Subject: str | None = None,
    MessageStructure: str | None = None,
    MessageAttributes: Mapping[str, Mapping[str, Any]] | None = None,
    MessageDeduplicationId: str | None = None,
    MessageGroupId: str | None = None,
) -> Notification:
    messages = {} if MessageStructure is None else _read_messages(Message, MessageStructure)
    message = messages.get("sqs", messages.get("default", Message))
    _check_ids(topic, MessageGroupId, MessageDeduplicationId)
    if topic.fifo and MessageDeduplicationId is None:
        MessageDeduplicationId = sha256(_encode(message)).hexdigest()
    return Notification(
        topic_arn=topic.arn,
        message=message,
        published_at=now,
        subject=Subject,
        message_attributes=check_message_attributes(MessageAttributes or {}),
        group_id=MessageGroupId,
        deduplication_id=MessageDeduplicationId,
        signature_version=topic.attributes.get("SignatureVersion", "1"),
        by_protocol={protocol: messages.get(protocol, messages["default"]) for protocol in OTHERS} if messages else {},
    )


def _read_messages(text: str, structure: str) -> dict[str, str]:
    """
    Return the messages that JSON gives for each protocol.

    https://docs.aws.amazon.com/sns/latest/dg/sns-send-custom-platform-specific-payloads-mobile-devices.html
    """
    if structure != "json":
        raise invalid_parameter("MessageStructure")
    try:
        messages = loads(text)
    except (ValueError, RecursionError):
        messages = None
    if not isinstance(messages, dict):
        raise invalid_parameter("Message Structure - JSON message body failed to parse")
    if not isinstance(messages.get("default"), str):
        raise invalid_parameter("Message Structure - No default entry in JSON message body")
    return {protocol: message for protocol, message in messages.items() if isinstance(message, str)}


def _check_ids(topic: Topic, group_id: str | None, deduplication_id: str | None) -> None:
    if topic.fifo and not group_id:
        raise invalid_parameter("The MessageGroupId parameter is required for FIFO topics")
    if not topic.fifo and deduplication_id is not None:
        raise invalid_parameter(
            "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid "
            "for this topic type"
        )
    if topic.fifo and deduplication_id is None and topic.attributes.get("ContentBasedDeduplication") != "true":
        raise invalid_parameter(
            "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
            "explicitly"
        )
    for name, value in (("MessageGroupId", group_id), ("MessageDeduplicationId", deduplication_id)):
        if value is not None and not fullmatch(ID_PATTERN, value):
            raise invalid_parameter(f"{name} Reason: it can only have 1 to 128 alphanumeric and punctuation characters")


def _size_of(notification: Notification, message: str) -> int:
    """Return the bytes that count against the size limit: the message as it was given, and its attributes."""
    return len(_encode(message)) + size_of(notification.message_attributes)


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise invalid_parameter("Message and Subject must be UTF-8 text") from None
