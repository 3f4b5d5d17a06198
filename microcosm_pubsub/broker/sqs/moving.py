"""
Move messages out of a dead-letter queue.

A task is advanced by the calls that are made anyway (start, list, and receives), as far as its rate allows by the
clock: no process has to stay for it, and any process goes on with it.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from microcosm_pubsub.broker import names
from microcosm_pubsub.broker.broker import Broker, Refusal, invalid_value
from microcosm_pubsub.broker.groups import keep_groups, update_group
from microcosm_pubsub.broker.ids import new_id
from microcosm_pubsub.broker.prepared_statement import PreparedStatement
from microcosm_pubsub.broker.schema import messages, move_tasks
from microcosm_pubsub.broker.sqs.queues import Queue, find_queue, iter_sources, look_up_queue


MAX_RATE = 500
MAX_LISTED_TASKS = 10

#: The reason for which a task fails whose message no queue can take.
NO_TARGET = "CouldNotDetermineMessageSource"

#: Receives advance the running tasks at this interval, in milliseconds.
ADVANCE_MS = 1000

#: The most messages that move in one transaction.
CHUNK = 1000


def start_message_move_task(
    broker: Broker,
    SourceArn: str,
    DestinationArn: str | None = None,
    MaxNumberOfMessagesPerSecond: int | None = None,
) -> dict[str, Any]:
    """Begin to move the messages that are in a dead-letter queue now, and return the task's handle."""
    rate = MaxNumberOfMessagesPerSecond
    if rate is not None and not 1 <= rate <= MAX_RATE:
        raise invalid_value(
            f"Value {rate} for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: Must be between 1 and "
            f"{MAX_RATE}."
        )
    handle = new_id()
    with broker.store.begin() as connection:
        source = _find(connection, SourceArn)
        if not iter_sources(connection, source):
            raise invalid_value("Source queue must be configured as a Dead Letter Queue.")
        if DestinationArn is not None and _find(connection, DestinationArn).fifo != source.fifo:
            raise invalid_value("Destination queue must be same type of queue as the source.")
        if connection.execute(ACTIVE, {"source": names.stored_queue_arn(source.name)}).first() is not None:
            raise Refusal(
                "UnsupportedOperation",
                "There is already a task running. Only one active task is allowed for a source queue.",
            )
        count, last_id = connection.execute(EXTENT, {"queue_row": source.id}).one()
        connection.execute(
            insert(move_tasks),
            {
                "handle": handle,
                "source_arn": names.stored_queue_arn(source.name),
                "destination_arn": DestinationArn and names.stored_queue_arn(names.name_of(DestinationArn)),
                "messages_per_second": rate,
                "status": "RUNNING",
                "to_move": count,
                "moved": 0,
                "last_id": last_id or 0,
                "started_at": broker.now(),
            },
        )
    advance_tasks(broker)
    return {"TaskHandle": handle}


def list_message_move_tasks(broker: Broker, SourceArn: str, MaxResults: int = 1) -> dict[str, Any]:
    """Return the latest tasks of a dead-letter queue."""
    if not 1 <= MaxResults <= MAX_LISTED_TASKS:
        raise invalid_value(
            f"Value {MaxResults} for parameter MaxResults is invalid. Reason: Must be between 1 and 10."
        )
    advance_tasks(broker)
    with broker.store.begin() as connection:
        source = _find(connection, SourceArn)
        rows = connection.execute(LATEST, {"source": names.stored_queue_arn(source.name), "count": MaxResults}).all()
    return {"Results": [_describe(row) for row in rows]}


def cancel_message_move_task(broker: Broker, TaskHandle: str) -> dict[str, Any]:
    """Stop a task, and return how many messages it moved."""
    with broker.store.begin() as connection:
        row = connection.execute(BY_HANDLE, {"task": TaskHandle}).first()
        if row is None:
            raise Refusal("ResourceNotFoundException", "Task does not exist.", status=404)
        if row.status != "RUNNING":
            raise Refusal("UnsupportedOperation", "Only active tasks can be cancelled.")
        _change_task(connection, row, "CANCELLED", row.moved)
    return {"ApproximateNumberOfMessagesMoved": row.moved}


def is_advance_due(broker: Broker) -> bool:
    """Return whether it is time to see to the running tasks."""
    return broker.now() - broker.advanced_at >= ADVANCE_MS


def advance_if_due(broker: Broker) -> None:
    """See to the running tasks, if it is time: before a receive, which is to get what they have moved."""
    if is_advance_due(broker):
        broker.advanced_at = broker.now()
        advance_tasks(broker)


def advance_tasks(broker: Broker) -> None:
    """Move the messages that the running tasks may move by now."""
    again = True
    while again:
        with broker.store.begin() as connection:
            tasks = connection.execute(RUNNING).all()
            again = sum(_advance(broker, connection, task) for task in tasks) > 0
        if tasks:
            broker.notifier.wake()


def _advance(broker: Broker, connection: Connection, task: Any) -> bool:
    """Move a chunk of a task's messages, and return whether there may be more to move now."""
    now = broker.now()
    source = look_up_queue(connection, names.name_of(task.source_arn))
    allowed = CHUNK
    if task.messages_per_second is not None:
        seconds = (now - task.started_at) // 1000 + 1
        allowed = min(CHUNK, task.messages_per_second * seconds - task.moved)
    moves: list[tuple[Any, Queue]] = []
    failure = None
    if source is not None and allowed > 0:
        find_target = _make_find_target(connection, source, task.destination_arn)
        for row in NEXT.execute(connection, {"queue_row": source.id, "last": task.last_id, "count": allowed}):
            target = find_target(row)
            if target is None:
                failure = NO_TARGET
                break
            moves.append((row, target))
        _move(connection, source, moves, now)
    done = source is None or (allowed > 0 and len(moves) < allowed)
    status = "FAILED" if failure else "COMPLETED" if done else "RUNNING"
    _change_task(connection, task, status, task.moved + len(moves), failure)
    if moves:
        # into any queue: each message may go to another
        broker.notifier.notify(connection)
    return not done and allowed > 0 and task.messages_per_second is None


def _make_find_target(
    connection: Connection, source: Queue, destination_arn: str | None
) -> Callable[[Any], Queue | None]:
    """Return what finds the queue that takes a message; None if there is none by now."""
    look_up = cache(partial(look_up_queue, connection))
    list_sources = cache(partial(iter_sources, connection, source))

    def find(row: Any) -> Queue | None:
        target_arn = destination_arn or row.dead_letter_source
        target = None if target_arn is None else look_up(names.name_of(target_arn))
        # A message that was sent to the dead-letter queue by hand goes to the first queue that has it for one.
        candidates = [target] if target is not None else list_sources()
        # A FIFO queue never gives a message without a group.
        return next((queue for queue in candidates if not queue.fifo or row.group_id is not None), None)

    return find


def _move(connection: Connection, source: Queue, moves: Sequence[tuple[Any, Queue]], now: int) -> None:
    if not moves:
        return
    # A moved message is a new message.
    parameters = [
        {
            "row": row.id,
            "target": target.id,
            "new_id": new_id(),
            "now": now,
            "until": now + target.number("MessageRetentionPeriod") * 1000,
        }
        for row, target in moves
    ]
    MOVE.execute(connection, parameters)
    grouped = [(row.group_id, target) for row, target in moves if row.group_id is not None]
    for group_id in sorted({group_id for group_id, _ in grouped}) if source.fifo else ():
        update_group(connection, source.id, group_id, now)
    for target_id in sorted({target.id for _, target in grouped if target.fifo}):
        groups = {group_id: now for group_id, target in grouped if target.id == target_id}
        keep_groups(connection, target_id, groups)


def _change_task(connection: Connection, task: Any, status: str, moved: int, failure: str | None = None) -> None:
    values = {"row": task.id, "new_status": status, "new_moved": moved, "new_failure": failure}
    connection.execute(CHANGE_TASK, values)


def _find(connection: Connection, arn: str) -> Queue:
    try:
        return find_queue(connection, arn)
    except Refusal:
        raise Refusal("ResourceNotFoundException", f"The resource {arn} does not exist.", status=404) from None


def _describe(row: Any) -> dict[str, Any]:
    task = {
        "Status": row.status,
        "SourceArn": names.shown_queue_arn(row.source_arn),
        "ApproximateNumberOfMessagesMoved": row.moved,
        "ApproximateNumberOfMessagesToMove": row.to_move,
        "StartedTimestamp": row.started_at,
    }
    optional = {
        "TaskHandle": row.handle if row.status == "RUNNING" else None,
        "DestinationArn": row.destination_arn and names.shown_queue_arn(row.destination_arn),
        "MaxNumberOfMessagesPerSecond": row.messages_per_second,
        "FailureReason": row.failure_reason,
    }
    return {**task, **{name: value for name, value in optional.items() if value is not None}}


ACTIVE = select(move_tasks.c.id).where(move_tasks.c.source_arn == bindparam("source"), move_tasks.c.status == "RUNNING")

EXTENT = select(func.count(), func.max(messages.c.id)).where(messages.c.queue_id == bindparam("queue_row"))

LATEST = (
    select(move_tasks)
    .where(move_tasks.c.source_arn == bindparam("source"))
    .order_by(move_tasks.c.id.desc())
    .limit(bindparam("count"))
)

BY_HANDLE = select(move_tasks).where(move_tasks.c.handle == bindparam("task")).with_for_update()

RUNNING = (
    select(move_tasks)
    .where(move_tasks.c.status == "RUNNING")
    .order_by(move_tasks.c.id)
    .with_for_update(skip_locked=True)
)

CHANGE_TASK = (
    update(move_tasks)
    .where(move_tasks.c.id == bindparam("row"))
    .values(status=bindparam("new_status"), moved=bindparam("new_moved"), failure_reason=bindparam("new_failure"))
)

#: Messages that were there when the task was started; those in flight move too.
NEXT = PreparedStatement(
    select(messages.c.id, messages.c.group_id, messages.c.dead_letter_source)
    .where(
        # An index alone finds the first of many.
        messages.c.id.in_(
            select(messages.c.id)
            .where(messages.c.queue_id == bindparam("queue_row"), messages.c.id <= bindparam("last"))
            .order_by(messages.c.id)
            .limit(bindparam("count"))
        )
    )
    .order_by(messages.c.id)
    .with_for_update(skip_locked=True)
)

MOVE = PreparedStatement(
    update(messages)
    .where(messages.c.id == bindparam("row"))
    .values(
        queue_id=bindparam("target"),
        message_id=bindparam("new_id"),
        sent_at=bindparam("now"),
        visible_at=bindparam("now"),
        expires_at=bindparam("until"),
        receive_count=0,
        first_received_at=None,
        received_at=None,
        receipt=None,
        dead_letter_source=None,
    )
)
