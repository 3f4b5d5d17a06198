"""
Delete received messages, or change for how long they stay hidden.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from microcosm_pubsub.broker.batches import EntryAnswer
from microcosm_pubsub.broker.broker import Broker, Refusal, invalid_value
from microcosm_pubsub.broker.groups import update_group
from microcosm_pubsub.broker.postgresql import ensure_transaction
from microcosm_pubsub.broker.prepared_statement import PreparedStatement
from microcosm_pubsub.broker.receipts import Receipt, parse_handle
from microcosm_pubsub.broker.schema import messages
from microcosm_pubsub.broker.sqs.batches import answer_batch, check_entries
from microcosm_pubsub.broker.sqs.queues import Queue, recall_queue
from microcosm_pubsub.constants import MAX_BATCH_ENTRIES, MAX_VISIBILITY_TIMEOUT_SECONDS


def delete_message(broker: Broker, QueueUrl: str, ReceiptHandle: str) -> None:
    """Delete a message."""
    _raise_first(_delete(broker, QueueUrl, [{"ReceiptHandle": ReceiptHandle}]))
    broker.store.tidy()


def delete_message_batch(broker: Broker, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Delete messages, each of which may fail alone."""
    check_entries(Entries)
    outcomes = _delete(broker, QueueUrl, Entries)
    broker.store.tidy()
    return answer_batch(Entries, outcomes)


def change_message_visibility(
    broker: Broker,
    QueueUrl: str,
    ReceiptHandle: str,
    VisibilityTimeout: int,
) -> None:
    """Change for how long a message stays hidden, from now on."""
    entry = {"ReceiptHandle": ReceiptHandle, "VisibilityTimeout": VisibilityTimeout}
    _raise_first(_change(broker, QueueUrl, [entry]))


def change_message_visibility_batch(
    broker: Broker,
    QueueUrl: str,
    Entries: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Change for how long messages stay hidden, each of which may fail alone."""
    check_entries(Entries)
    return answer_batch(Entries, _change(broker, QueueUrl, Entries))


def _delete(broker: Broker, queue_url: str, entries: Sequence[Mapping[str, Any]]) -> list[EntryAnswer]:
    now = broker.now()
    queue = recall_queue(broker, queue_url)
    receipts = [_parse(entry, queue) for entry in entries]
    valid = [receipt for receipt in receipts if isinstance(receipt, Receipt)]
    if not valid:
        return [item if isinstance(item, Refusal) else {} for item in receipts]
    with broker.store.begin(autocommit=True) as connection:
        if queue.fifo or len(valid) > 1:
            ensure_transaction(connection)
        if not queue.fifo:
            DELETE.execute(connection, [{"row": receipt.row_id, "given": receipt.receipt} for receipt in valid])
            return [item if isinstance(item, Refusal) else {} for item in receipts]
        rows = _find(connection, queue, valid)
        outcomes = [_check_fifo_receipt(item, rows, now) for item in receipts]
        gone = [
            receipt
            for receipt, outcome in zip(receipts, outcomes, strict=True)
            if isinstance(receipt, Receipt) and not isinstance(outcome, Refusal) and receipt.row_id in rows
        ]
        if gone:
            DELETE.execute(connection, [{"row": receipt.row_id, "given": receipt.receipt} for receipt in gone])
            _update_groups(connection, queue, [rows[receipt.row_id] for receipt in gone], now)
    if queue.fifo:
        # The next messages of the groups may be received now.
        broker.notifier.wake([queue.name])
    return outcomes


def _check_fifo_receipt(item: Receipt | Refusal, rows: Mapping[int, Any], now: int) -> EntryAnswer:
    if isinstance(item, Refusal):
        return item
    row = rows.get(item.row_id)
    # The message is deleted already: AWS answers that all is well.
    if row is not None and (row.receipt != item.receipt or row.visible_at <= now):
        return invalid_value(
            f"Value {item.receipt} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
        )
    return {}


def _change(broker: Broker, queue_url: str, entries: Sequence[Mapping[str, Any]]) -> list[EntryAnswer]:
    now = broker.now()
    queue = recall_queue(broker, queue_url)
    receipts = [_parse(entry, queue) for entry in entries]
    with broker.store.begin() as connection:
        rows = _find(connection, queue, [receipt for receipt in receipts if isinstance(receipt, Receipt)])
        outcomes = [
            _check_change(receipt, entry.get("VisibilityTimeout"), rows, now)
            for receipt, entry in zip(receipts, entries, strict=True)
        ]
        changed = [
            {"row": receipt.row_id, "given": receipt.receipt, "until": now + entry["VisibilityTimeout"] * 1000}
            for receipt, entry, outcome in zip(receipts, entries, outcomes, strict=True)
            if isinstance(receipt, Receipt) and not isinstance(outcome, Refusal)
        ]
        if changed:
            CHANGE.execute(connection, changed)
            if queue.fifo:
                _update_groups(connection, queue, [rows[entry["row"]] for entry in changed], now)
            broker.notifier.notify(connection, queue.name)
    broker.notifier.wake([queue.name])
    return outcomes


def _check_change(
    receipt: Receipt | Refusal,
    seconds: int | None,
    rows: Mapping[int, Any],
    now: int,
) -> EntryAnswer:
    if isinstance(receipt, Refusal):
        return receipt
    if seconds is None:
        # The model of the service lets an entry of a batch leave it out.
        return Refusal("MissingParameter", "The request must contain the parameter VisibilityTimeout.")
    if not 0 <= seconds <= MAX_VISIBILITY_TIMEOUT_SECONDS:
        return invalid_value(
            f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: VisibilityTimeout must be an integer "
            f"between 0 and {MAX_VISIBILITY_TIMEOUT_SECONDS}."
        )
    row = rows.get(receipt.row_id)
    if row is None or row.receipt != receipt.receipt:
        return invalid_value(
            "Value for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for "
            "visibility timeout change."
        )
    if row.visible_at <= now:
        return Refusal("MessageNotInflight", "The specified message isn't in flight.")
    if now + seconds * 1000 > row.received_at + MAX_VISIBILITY_TIMEOUT_SECONDS * 1000:
        return invalid_value(
            f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the "
            f"message is beyond the limit [{MAX_VISIBILITY_TIMEOUT_SECONDS} seconds]."
        )
    return {}


def _parse(entry: Mapping[str, Any], queue: Queue) -> Receipt | Refusal:
    try:
        return parse_handle(entry["ReceiptHandle"], queue.id)
    except Refusal as refusal:
        return refusal


def _find(connection: Connection, queue: Queue, receipts: Sequence[Receipt]) -> dict[int, Any]:
    """Return the rows of messages, and keep others from changing them in this transaction."""
    if not receipts:
        return {}
    row_ids = [receipt.row_id for receipt in receipts]
    # The statement has a place for each entry of the largest batch.
    row_ids += row_ids[:1] * (MAX_BATCH_ENTRIES - len(row_ids))
    rows = FIND.execute(connection, {"queue_row": queue.id, **dict(zip(ROWS, row_ids, strict=True))})
    return {row.id: row for row in rows}


def _update_groups(connection: Connection, queue: Queue, rows: Sequence[Any], now: int) -> None:
    for group_id in sorted({row.group_id for row in rows if row.group_id is not None}):
        update_group(connection, queue.id, group_id, now)


def _raise_first(outcomes: Sequence[EntryAnswer]) -> None:
    if isinstance(outcomes[0], Refusal):
        raise outcomes[0]


DELETE = PreparedStatement(
    delete(messages).where(messages.c.id == bindparam("row"), messages.c.receipt == bindparam("given"))
)

ROWS = [f"row_{number}" for number in range(MAX_BATCH_ENTRIES)]

FIND = PreparedStatement(
    select(
        messages.c.id,
        messages.c.receipt,
        messages.c.visible_at,
        messages.c.received_at,
        messages.c.group_id,
    )
    .where(messages.c.queue_id == bindparam("queue_row"), messages.c.id.in_(list(map(bindparam, ROWS))))
    .order_by(messages.c.id)
    .with_for_update()
)

CHANGE = PreparedStatement(
    update(messages)
    .where(messages.c.id == bindparam("row"), messages.c.receipt == bindparam("given"))
    .values(visible_at=bindparam("until"))
)
