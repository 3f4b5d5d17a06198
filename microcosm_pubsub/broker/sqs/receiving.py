"""
Receive messages from a queue.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import md5
from os import urandom
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, update

from microcosm_pubsub.broker import names
from microcosm_pubsub.broker.broker import Broker, Refusal, invalid_value
from microcosm_pubsub.broker.groups import keep_groups, update_group
from microcosm_pubsub.broker.postgresql import ensure_transaction
from microcosm_pubsub.broker.prepared_statement import PreparedStatement
from microcosm_pubsub.broker.receipts import to_handle
from microcosm_pubsub.broker.schema import messages
from microcosm_pubsub.broker.sqs.message_attributes import digest, load_attributes, select_attributes
from microcosm_pubsub.broker.sqs.queues import Queue, look_up_queue, recall_queue
from microcosm_pubsub.broker.sqs.readiness import find_next
from microcosm_pubsub.broker.sqs.sending import SEQUENCE_BASE
from microcosm_pubsub.broker.sqs.taking import RECEIVE_AND_DELETE, REPEAT, get_next, show, take, take_groups
from microcosm_pubsub.constants import (
    MAX_RECEIVE_MESSAGES,
    MAX_VISIBILITY_TIMEOUT_SECONDS,
    MAX_WAIT_SECONDS,
)


#: Messages that nobody received in time are deleted at this interval, in milliseconds.
SWEEP_MS = 60 * 1000

SENDER_ID = "AIDALOCALBROKER"


class Received(NamedTuple):
    """
    The messages that a receive found at once.

    :param wait_seconds: for how long to wait if it found nothing
    :param next_at: when the next message can be received, in milliseconds since the epoch, if it is to wait
    :param is_all: whether it is known that it has left nothing that could be received by now
    """

    messages: list[dict[str, Any]]
    wait_seconds: int
    next_at: int | None = None
    is_all: bool = False

    def to_answer(self) -> dict[str, Any]:
        """Return the answer for the receiver."""
        return {"Messages": self.messages} if self.messages else {}


def receive_now(
    broker: Broker,
    QueueUrl: str,
    AttributeNames: Sequence[str] = (),
    MessageSystemAttributeNames: Sequence[str] = (),
    MessageAttributeNames: Sequence[str] = (),
    MaxNumberOfMessages: int = 1,
    VisibilityTimeout: int | None = None,
    WaitTimeSeconds: int | None = None,
    ReceiveRequestAttemptId: str | None = None,
) -> Received:
    """Receive the messages that are there."""
    _require_within("MaxNumberOfMessages", MaxNumberOfMessages, 1, MAX_RECEIVE_MESSAGES)
    _require_within("WaitTimeSeconds", WaitTimeSeconds, 0, MAX_WAIT_SECONDS)
    _require_within("VisibilityTimeout", VisibilityTimeout, 0, MAX_VISIBILITY_TIMEOUT_SECONDS)
    receipt = _make_receipt(ReceiveRequestAttemptId)
    queue = recall_queue(broker, QueueUrl)
    wait = queue.number("ReceiveMessageWaitTimeSeconds") if WaitTimeSeconds is None else WaitTimeSeconds
    seconds = queue.number("VisibilityTimeout") if VisibilityTimeout is None else VisibilityTimeout
    next_at = None
    with broker.store.begin(autocommit=True) as connection:
        if queue.fifo or seconds == 0:
            ensure_transaction(connection)
        rows = _receive(
            broker, connection, queue, receipt, MaxNumberOfMessages, seconds, ReceiveRequestAttemptId is not None
        )
        is_all = wait > 0 and len(rows) < MaxNumberOfMessages and (seconds > 0 or not rows)
        if is_all:
            next_at = get_next(rows) or find_next(broker, connection, queue)
    wanted = {*AttributeNames, *MessageSystemAttributeNames}
    return Received([_to_message(row, wanted, MessageAttributeNames) for row in rows], wait, next_at, is_all)


def receive_and_delete_now(
    broker: Broker, QueueUrl: str, MaxNumberOfMessages: int = 1, WaitTimeSeconds: int | None = None
) -> Received:
    """
    Receive the messages that are there, and delete them with the same transaction.

    :raises Refusal: if the queue is a FIFO queue
    """
    _require_within("MaxNumberOfMessages", MaxNumberOfMessages, 1, MAX_RECEIVE_MESSAGES)
    _require_within("WaitTimeSeconds", WaitTimeSeconds, 0, MAX_WAIT_SECONDS)
    queue = recall_queue(broker, QueueUrl)
    if queue.fifo:
        raise Refusal("UnsupportedOperation", "Messages of a FIFO queue cannot be taken: receive and delete them.")
    wait = queue.number("ReceiveMessageWaitTimeSeconds") if WaitTimeSeconds is None else WaitTimeSeconds
    now = broker.now()
    next_at = None
    with broker.store.begin(autocommit=True) as connection:
        _sweep(broker, connection, now)
        rows = RECEIVE_AND_DELETE.execute(connection, {"now": now, "queue_row": queue.id, "count": MaxNumberOfMessages})
        is_all = wait > 0 and len(rows) < MaxNumberOfMessages
        if is_all:
            next_at = find_next(broker, connection, queue)
    taken = [{"MessageId": row.message_id, "Body": row.body} for row in sorted(rows, key=lambda row: row.id)]
    return Received(taken, wait, next_at, is_all)


def _receive(
    broker: Broker,
    connection: Connection,
    queue: Queue,
    receipt: str,
    limit: int,
    seconds: int,
    may_repeat: bool,
) -> list[Any]:
    now = broker.now()
    _sweep(broker, connection, now)
    # A message with a visibility timeout of 0 is still hidden from the rest of this receive.
    values = {"now": now, "until": max(now + seconds * 1000, now + 1), "new_receipt": receipt, "queue_row": queue.id}
    if queue.fifo and may_repeat and (repeated := REPEAT.execute(connection, values)):
        for group_id in {row.group_id for row in repeated}:
            # The messages are hidden anew, and later ones must not come before they are seen again.
            update_group(connection, queue.id, group_id, now)
        return sorted(repeated, key=lambda row: row.id)
    rows: list[Any] = []
    while len(rows) < limit:
        wanted = limit - len(rows)
        found = take_groups(connection, values, wanted) if queue.fifo else take(connection, values, wanted)
        kept = _move_dead_letters(broker, connection, queue, found, now)
        rows.extend(kept)
        if len(kept) == len(found):
            break
    if seconds == 0:
        show(connection, queue, rows, now)
    return sorted(rows, key=lambda row: row.id)


def _move_dead_letters(
    broker: Broker,
    connection: Connection,
    queue: Queue,
    rows: list[Any],
    now: int,
) -> list[Any]:
    """Move messages that were received too often to the dead-letter queue, and return the rest."""
    policy = queue.redrive
    if policy is None or all(row.receive_count <= policy[1] for row in rows):
        return rows
    target = look_up_queue(connection, policy[0])
    if target is None or target.id == queue.id or (target.fifo and not queue.fifo):
        # The queue itself would give them again at once, and a FIFO queue never, since they have no group.
        return rows
    dead = [row for row in rows if row.receive_count > policy[1]]
    ensure_transaction(connection)
    for row in dead:
        values = {"target": target.id, "now": now, "source": names.stored_queue_arn(queue.name)}
        MOVE.execute(connection, {**values, "row": row.id, "given": row.receipt})
        if target.fifo and row.group_id is not None:
            keep_groups(connection, target.id, {row.group_id: now})
    if queue.fifo:
        for group_id in {row.group_id for row in dead}:
            update_group(connection, queue.id, group_id, now)
    broker.notifier.notify(connection, target.name)
    # On SQLite whoever is told waits for the end of this transaction.
    broker.notifier.wake([target.name])
    return [row for row in rows if row.receive_count <= policy[1]]


def _sweep(broker: Broker, connection: Connection, now: int) -> None:
    if now - broker.swept_at >= SWEEP_MS:
        broker.swept_at = now
        connection.execute(delete(messages).where(messages.c.expires_at <= now))


def _make_receipt(attempt_id: str | None) -> str:
    """Return a name for a receive; the same one if it is another attempt at the same receive."""
    if attempt_id is None:
        return urandom(8).hex()
    return md5(attempt_id.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:16]


def _to_message(row: Any, wanted: set[str], attribute_names: Sequence[str]) -> dict[str, Any]:
    message = {
        "MessageId": row.message_id,
        "ReceiptHandle": to_handle(row.queue_id, row.id, row.receipt),
        "MD5OfBody": row.md5_of_body,
        "Body": row.body,
    }
    if wanted:
        attributes = _system_attributes(row)
        chosen = attributes if "All" in wanted else {name: attributes[name] for name in attributes if name in wanted}
        if chosen:
            message["Attributes"] = chosen
    if row.attributes is not None and attribute_names:
        all_attributes = load_attributes(row.attributes)
        selected = select_attributes(all_attributes, attribute_names)
        if selected:
            message["MessageAttributes"] = selected
            whole = len(selected) == len(all_attributes)
            message["MD5OfMessageAttributes"] = row.md5_of_attributes if whole else digest(selected)
    return message


def _system_attributes(row: Any) -> dict[str, str]:
    attributes = {
        "SenderId": SENDER_ID,
        "SentTimestamp": str(row.sent_at),
        "ApproximateReceiveCount": str(row.receive_count),
        "ApproximateFirstReceiveTimestamp": str(row.first_received_at),
    }
    optional = {
        "MessageGroupId": row.group_id,
        "MessageDeduplicationId": row.deduplication_id,
        "SequenceNumber": None if row.sequence is None else str(SEQUENCE_BASE + row.sequence),
        "AWSTraceHeader": row.trace_header,
        "DeadLetterQueueSourceArn": row.dead_letter_source and names.shown_queue_arn(row.dead_letter_source),
    }
    return {**attributes, **{name: value for name, value in optional.items() if value is not None}}


def _require_within(name: str, value: int | None, minimum: int, maximum: int) -> None:
    if value is not None and not minimum <= value <= maximum:
        raise invalid_value(
            f"Value {value} for parameter {name} is invalid. Reason: Must be between {minimum} and {maximum}, if "
            "provided."
        )


MOVE = PreparedStatement(
    update(messages)
    .where(messages.c.id == bindparam("row"), messages.c.receipt == bindparam("given"))
    .values(
        queue_id=bindparam("target"),
        visible_at=bindparam("now"),
        receipt=None,
        dead_letter_source=bindparam("source"),
    )
)
