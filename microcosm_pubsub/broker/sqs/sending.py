"""
Send messages to a queue.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import md5, sha256
from re import compile as compile_pattern
from typing import Any

from sqlalchemy import Connection, bindparam, insert, update
from sqlalchemy.exc import IntegrityError

from microcosm_pubsub.broker.broker import Broker, Refusal, invalid_value
from microcosm_pubsub.broker.deduplications import forget_old, remember
from microcosm_pubsub.broker.groups import keep_groups
from microcosm_pubsub.broker.ids import new_id
from microcosm_pubsub.broker.postgresql import ensure_transaction, tell_of
from microcosm_pubsub.broker.prepared_statement import PreparedStatement
from microcosm_pubsub.broker.schema import messages, queues
from microcosm_pubsub.broker.sqs.batches import answer_batch, check_entries
from microcosm_pubsub.broker.sqs.message_attributes import (
    check_message_attributes,
    digest_of_text,
    dump_attributes,
    size_of,
)
from microcosm_pubsub.broker.sqs.message_ids import check_ids
from microcosm_pubsub.broker.sqs.queues import Queue, recall_queue


MAX_DELAY_SECONDS = 900

#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
MAX_BATCH_BYTES = 1048576

#: Sequence numbers have 20 digits.
SEQUENCE_BASE = 10**19

#: Characters that XML 1.0 does not allow, and so SQS does not take.
INVALID_CHARACTERS = compile_pattern("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True)
class Draft:
    """A message to be sent, checked."""

    body: str
    md5_of_body: str
    size_bytes: int
    delay_ms: int
    attributes: str | None = None
    trace_header: str | None = None
    group_id: str | None = None
    deduplication_id: str | None = None
    message_id: str = field(default_factory=new_id)
    sequence: int | None = None
    #: Where it is, until somebody receives it.
    place: dict[str, Any] = field(default_factory=dict)

    def to_answer(self) -> dict[str, Any]:
        """Return the answer for the sender."""
        answer = {"MessageId": self.message_id, "MD5OfMessageBody": self.md5_of_body}
        if self.attributes is not None:
            answer["MD5OfMessageAttributes"] = digest_of_text(self.attributes)
        if self.sequence is not None:
            answer["SequenceNumber"] = str(SEQUENCE_BASE + self.sequence)
        return answer


def send_message(broker: Broker, QueueUrl: str, **parameters: Any) -> dict[str, Any]:
    """Send a message."""
    queue = recall_queue(broker, QueueUrl)
    draft = make_draft(queue, **parameters)
    with broker.store.begin(autocommit=True) as connection:
        insert_drafts(broker, connection, queue, [draft])
    broker.notifier.wake([queue.name])
    return draft.to_answer()


def send_message_batch(broker: Broker, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Send messages, each of which may fail alone."""
    check_entries(Entries)
    queue = recall_queue(broker, QueueUrl)
    outcomes: list[Draft | Refusal] = []
    for entry in Entries:
        try:
            outcomes.append(make_draft(queue, **entry))
        except Refusal as refusal:
            outcomes.append(refusal)
    drafts = [item for item in outcomes if isinstance(item, Draft)]
    total = sum(draft.size_bytes for draft in drafts)
    if total > MAX_BATCH_BYTES:
        raise Refusal(
            "BatchRequestTooLong",
            f"Batch requests cannot be longer than {MAX_BATCH_BYTES} bytes. You have sent {total} bytes.",
        )
    with broker.store.begin(autocommit=True) as connection:
        insert_drafts(broker, connection, queue, drafts)
    broker.notifier.wake([queue.name])
    return answer_batch(Entries, [item.to_answer() if isinstance(item, Draft) else item for item in outcomes])


def make_draft(
    queue: Queue,
    MessageBody: str,
    DelaySeconds: int | None = None,
    MessageAttributes: Mapping[str, Mapping[str, Any]] | None = None,
    MessageSystemAttributes: Mapping[str, Mapping[str, Any]] | None = None,
    MessageDeduplicationId: str | None = None,
    MessageGroupId: str | None = None,
    Id: str = "",
) -> Draft:
    """
    Check a message to send.

    :param Id: of the entry of a batch
    :raises Refusal: if SQS refuses it
    """
    attributes = check_message_attributes(MessageAttributes) if MessageAttributes else {}
    if not MessageBody:
        raise Refusal("MissingParameter", "The request must contain the parameter MessageBody.")
    if INVALID_CHARACTERS.search(MessageBody):
        raise Refusal("InvalidMessageContents", "The message contains characters outside the allowed set.")
    encoded = MessageBody.encode()
    size_bytes = len(encoded) + (size_of(attributes) if attributes else 0)
    limit = queue.number("MaximumMessageSize")
    if size_bytes > limit:
        raise invalid_value(f"One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes.")
    if MessageGroupId or MessageDeduplicationId:
        check_ids(MessageGroupId, MessageDeduplicationId)
    if queue.fifo:
        _check_fifo(queue, DelaySeconds, MessageGroupId, MessageDeduplicationId)
        MessageDeduplicationId = MessageDeduplicationId or sha256(encoded).hexdigest()
    elif MessageDeduplicationId is not None:
        raise _not_for_this_type("MessageDeduplicationId", MessageDeduplicationId)
    if DelaySeconds is not None and not 0 <= DelaySeconds <= MAX_DELAY_SECONDS:
        raise invalid_value(
            f"Value {DelaySeconds} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."
        )
    delay_seconds = queue.number("DelaySeconds") if DelaySeconds is None else DelaySeconds
    return Draft(
        body=MessageBody,
        md5_of_body=md5(encoded, usedforsecurity=False).hexdigest(),
        size_bytes=size_bytes,
        delay_ms=delay_seconds * 1000,
        attributes=dump_attributes(attributes),
        trace_header=(MessageSystemAttributes or {}).get("AWSTraceHeader", {}).get("StringValue"),
        group_id=MessageGroupId,
        deduplication_id=MessageDeduplicationId,
    )


def _check_fifo(
    queue: Queue,
    delay_seconds: int | None,
    group_id: str | None,
    deduplication_id: str | None,
) -> None:
    if not group_id:
        raise Refusal("MissingParameter", "The request must contain the parameter MessageGroupId.")
    if delay_seconds:
        raise _not_for_this_type("DelaySeconds", delay_seconds)
    if not deduplication_id and queue.attributes["ContentBasedDeduplication"] != "true":
        raise invalid_value(
            "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
            "explicitly"
        )


def _not_for_this_type(name: str, value: Any) -> Refusal:
    return invalid_value(
        f"Value {value} for parameter {name} is invalid. Reason: The request include parameter that is not valid for "
        "this queue type"
    )


def insert_drafts(broker: Broker, connection: Connection, queue: Queue, drafts: Sequence[Draft]) -> None:
    """Put messages into a queue, and give each its id; duplicates get the id of the first."""
    if not drafts:
        return
    if queue.fifo or len(drafts) > 1:
        ensure_transaction(connection)
    now = broker.now()
    fresh = list(drafts)
    if queue.fifo:
        fresh = _number(connection, queue, drafts, now)
    if not fresh:
        return
    expires_at = now + queue.number("MessageRetentionPeriod") * 1000
    rows = [
        {
            "queue_id": queue.id,
            "queue_name": queue.name,
            "message_id": draft.message_id,
            "body": draft.body,
            "md5_of_body": draft.md5_of_body,
            "attributes": draft.attributes,
            "md5_of_attributes": digest_of_text(draft.attributes) if draft.attributes else None,
            "trace_header": draft.trace_header,
            "sent_at": now,
            "visible_at": now + draft.delay_ms,
            "expires_at": expires_at,
            "group_id": draft.group_id,
            "deduplication_id": draft.deduplication_id,
            "sequence": draft.sequence,
        }
        for draft in fresh
    ]
    for draft in fresh:
        draft.place = {"queue_row": queue.id, "at": now + draft.delay_ms, "copy": draft.message_id}
    try:
        INSERT_MESSAGE.execute(connection, rows)
    except IntegrityError:
        # Another process has deleted the queue since we last looked.
        raise Refusal("QueueDoesNotExist", "The specified queue does not exist.") from None
    if queue.fifo:
        keep_groups(connection, queue.id, {str(draft.group_id): now + draft.delay_ms for draft in reversed(fresh)})


def _number(connection: Connection, queue: Queue, drafts: Sequence[Draft], now: int) -> list[Draft]:
    """Give sequence numbers, in the order of sending, and return the messages that are not duplicates."""
    # This locks the queue's row: a message that is numbered first also gets the lower row id.
    (numbered,) = TAKE_NUMBERS.execute(connection, {"queue_row": queue.id, "count": len(drafts)})
    last = numbered.sequence
    forget_old(connection, now)
    by_group = queue.attributes["DeduplicationScope"] == "messageGroup"
    fresh: list[Draft] = []
    for index, draft in enumerate(drafts):
        scope = f"queue:{queue.id}:{draft.group_id}" if by_group else f"queue:{queue.id}"
        draft.sequence = last - len(drafts) + 1 + index
        first = remember(connection, scope, draft.deduplication_id, draft.message_id, draft.sequence, now)
        if first is None:
            fresh.append(draft)
        else:
            draft.message_id, draft.sequence = first
    return fresh


#: The columns of a new message.
INSERTED = (
    "queue_id",
    "message_id",
    "body",
    "md5_of_body",
    "attributes",
    "md5_of_attributes",
    "trace_header",
    "sent_at",
    "visible_at",
    "expires_at",
    "group_id",
    "deduplication_id",
    "sequence",
)

INSERT = insert(messages).values({name: bindparam(name) for name in INSERTED})

#: On PostgreSQL other processes are told as well.
INSERT_MESSAGE = PreparedStatement(INSERT, postgresql=INSERT.returning(tell_of(bindparam("queue_name"))))

TAKE_NUMBERS = PreparedStatement(
    update(queues)
    .where(queues.c.id == bindparam("queue_row"))
    .values(sequence=queues.c.sequence + bindparam("count"))
    .returning(queues.c.sequence)
)
