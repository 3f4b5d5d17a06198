"""
Receive messages from a queue.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import md5
from os import urandom
from time import monotonic
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, and_, bindparam, delete, func, literal, select, update

from microcosm_pubsub.broker import names
from microcosm_pubsub.broker.broker import Broker, invalid_value
from microcosm_pubsub.broker.groups import available_groups, keep_group, update_group
from microcosm_pubsub.broker.prepared_statement import PreparedStatement
from microcosm_pubsub.broker.receipts import to_handle
from microcosm_pubsub.broker.schema import messages
from microcosm_pubsub.broker.sqs.message_attributes import digest, load_attributes, select_attributes
from microcosm_pubsub.broker.sqs.moving import advance_tasks
from microcosm_pubsub.broker.sqs.queues import Queue, look_up_queue, recall_queue
from microcosm_pubsub.broker.sqs.readiness import find_next
from microcosm_pubsub.broker.sqs.sending import SEQUENCE_BASE
from microcosm_pubsub.constants import (
    MAX_RECEIVE_MESSAGES,
    MAX_VISIBILITY_TIMEOUT_SECONDS,
    MAX_WAIT_SECONDS,
)


#: Messages that nobody received in time are deleted at this interval, in milliseconds.
SWEEP_MS = 60 * 1000

#: Running move tasks are advanced at this interval, in milliseconds.
ADVANCE_MS = 1000

SENDER_ID = "AIDALOCALBROKER"

MAX_ROW_ID = 2**63 - 1


def receive_message(broker: Broker, **parameters: Any) -> dict[str, Any]:
    """Receive messages, waiting for a first one if asked to."""
    deadline: float | None = None
    interruptions = broker.notifier.interruptions
    while True:
        generation = broker.notifier.generation
        received = receive_now(broker, **parameters)
        if deadline is None:
            deadline = monotonic() + received.wait_seconds
        due = None if received.next_at is None else (received.next_at - broker.now()) / 1000
        waited = not received.messages and broker.notifier.wait(generation, deadline, due)
        if not waited or broker.notifier.interruptions != interruptions:
            return received.to_answer()


class Received(NamedTuple):
    """
    The messages that a receive found at once.

    :param wait_seconds: for how long to wait if it found nothing
    :param next_at: when the next message can be received, in milliseconds since the epoch, if it found nothing
    """

    messages: list[dict[str, Any]]
    wait_seconds: int
    next_at: int | None = None

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
    if broker.now() - broker.advanced_at >= ADVANCE_MS:
        broker.advanced_at = broker.now()
        advance_tasks(broker)
    queue = recall_queue(broker, QueueUrl)
    wait = queue.number("ReceiveMessageWaitTimeSeconds") if WaitTimeSeconds is None else WaitTimeSeconds
    next_at = None
    with broker.store.begin() as connection:
        rows = _receive(broker, connection, queue, receipt, MaxNumberOfMessages, VisibilityTimeout)
        if wait and not rows:
            next_at = find_next(broker, connection, queue)
    wanted = {*AttributeNames, *MessageSystemAttributeNames}
    return Received([_to_message(row, wanted, MessageAttributeNames) for row in rows], wait, next_at)


def _receive(
    broker: Broker,
    connection: Connection,
    queue: Queue,
    receipt: str,
    limit: int,
    visibility_timeout: int | None,
) -> list[Any]:
    now = broker.now()
    _sweep(broker, connection, now)
    seconds = queue.number("VisibilityTimeout") if visibility_timeout is None else visibility_timeout
    # A message with a visibility timeout of 0 is still hidden from the rest of this receive.
    values = {"now": now, "until": max(now + seconds * 1000, now + 1), "new_receipt": receipt, "queue_row": queue.id}
    if queue.fifo and (repeated := connection.execute(REPEAT, values).all()):
        for group_id in {row.group_id for row in repeated}:
            # The messages are hidden anew, and later ones must not come before they are seen again.
            update_group(connection, queue.id, group_id, now)
        return sorted(repeated, key=lambda row: row.id)
    rows: list[Any] = []
    while len(rows) < limit:
        wanted = limit - len(rows)
        found = _take_fifo(connection, values, wanted) if queue.fifo else _take(connection, values, wanted)
        kept = _move_dead_letters(broker, connection, queue, found, now)
        rows.extend(kept)
        if len(kept) == len(found):
            break
    if seconds == 0:
        _show(connection, queue, rows, now)
    return sorted(rows, key=lambda row: row.id)


def _show(connection: Connection, queue: Queue, rows: list[Any], now: int) -> None:
    """Let messages be received again at once."""
    if rows:
        connection.execute(SHOW, [{"row": row.id, "now": now} for row in rows])
    for group_id in {row.group_id for row in rows} if queue.fifo else ():
        update_group(connection, queue.id, group_id, now)


def _take(connection: Connection, values: dict[str, Any], limit: int) -> list[Any]:
    return list(TAKE.execute(connection, {**values, "count": limit}).all())


def _take_fifo(connection: Connection, values: dict[str, Any], limit: int) -> list[Any]:
    rows: list[Any] = []
    queue_id, now = values["queue_row"], values["now"]
    for group_id in available_groups(connection, queue_id, now, limit):
        if len(rows) == limit:
            break
        parameters = {**values, "count": limit - len(rows), "group": group_id}
        rows.extend(connection.execute(TAKE_GROUP, parameters).all())
        update_group(connection, queue_id, group_id, now)
    return rows


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
    if target is None:
        return rows
    dead = [row for row in rows if row.receive_count > policy[1]]
    for row in dead:
        values = {"row": row.id, "target": target.id, "now": now, "source": names.stored_queue_arn(queue.name)}
        connection.execute(MOVE, values)
        if target.fifo and row.group_id is not None:
            keep_group(connection, target.id, row.group_id, now)
    if queue.fifo:
        for group_id in {row.group_id for row in dead}:
            update_group(connection, queue.id, group_id, now)
    broker.notifier.notify(connection)
    return [row for row in rows if row.receive_count <= policy[1]]


def _sweep(broker: Broker, connection: Connection, now: int) -> None:
    if now - broker.swept_at >= SWEEP_MS:
        broker.swept_at = now
        connection.execute(delete(messages).where(messages.c.expires_at <= now))


def _make_receipt(attempt_id: str | None) -> str:
    """Return a name for a receive; the same one if it is another attempt at the same receive."""
    if attempt_id is None:
        return urandom(8).hex()
    return md5(attempt_id.encode(), usedforsecurity=False).hexdigest()[:16]


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


RECEIVED = {
    "visible_at": bindparam("until"),
    "receive_count": messages.c.receive_count + 1,
    "first_received_at": func.coalesce(messages.c.first_received_at, bindparam("now")),
    "received_at": bindparam("now"),
    "receipt": bindparam("new_receipt"),
}

IS_READY = and_(
    messages.c.queue_id == bindparam("queue_row"),
    messages.c.visible_at <= bindparam("now"),
    messages.c.expires_at > bindparam("now"),
)


def _taking(ready: Any) -> Any:
    chosen = ready.limit(bindparam("count")).with_for_update(skip_locked=True)
    return update(messages).where(messages.c.id.in_(chosen)).values(RECEIVED).returning(*messages.c)


TAKE = PreparedStatement(_taking(select(messages.c.id).where(IS_READY).order_by(messages.c.visible_at, messages.c.id)))

#: A message that is not to be seen yet, by a clock that is behind the sender's, is not overtaken.
EARLIER = messages.alias("earlier")

FIRST_HIDDEN = (
    select(func.min(EARLIER.c.id))
    .where(
        EARLIER.c.queue_id == bindparam("queue_row"),
        EARLIER.c.group_id == bindparam("group"),
        EARLIER.c.visible_at > bindparam("now"),
        EARLIER.c.expires_at > bindparam("now"),
    )
    .scalar_subquery()
)

TAKE_GROUP = _taking(
    select(messages.c.id)
    .where(
        IS_READY,
        messages.c.group_id == bindparam("group"),
        messages.c.id < func.coalesce(FIRST_HIDDEN, literal(MAX_ROW_ID, BigInteger)),
    )
    .order_by(messages.c.id)
)

#: The messages that an earlier attempt at the same receive got, if they are still hidden.
REPEAT = (
    update(messages)
    .where(
        messages.c.queue_id == bindparam("queue_row"),
        messages.c.receipt == bindparam("new_receipt"),
        messages.c.visible_at > bindparam("now"),
    )
    .values(visible_at=bindparam("until"))
    .returning(*messages.c)
)

SHOW = update(messages).where(messages.c.id == bindparam("row")).values(visible_at=bindparam("now"))

MOVE = (
    update(messages)
    .where(messages.c.id == bindparam("row"))
    .values(
        queue_id=bindparam("target"),
        visible_at=bindparam("now"),
        receipt=None,
        dead_letter_source=bindparam("source"),
    )
)
