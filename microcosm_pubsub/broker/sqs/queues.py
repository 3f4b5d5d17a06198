"""
Queues: create, find, change, delete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from json import dumps, loads
from re import fullmatch
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from microcosm_pubsub.broker import names
from microcosm_pubsub.broker.broker import Broker, Refusal, invalid_value
from microcosm_pubsub.broker.prepared_statement import PreparedStatement
from microcosm_pubsub.broker.schema import groups, messages, queues
from microcosm_pubsub.broker.sqs.attributes import check_attributes, parse_redrive_policy, with_defaults
from microcosm_pubsub.broker.sqs.counts import COUNTS, count_messages


#: Changes that other processes make to a queue are noticed within this time; AWS takes up to a minute.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
RECALL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue, as it stands in the database."""

    id: int
    name: str
    fifo: bool
    attributes: dict[str, str]
    created_at: int
    modified_at: int
    _numbers: dict[str, int] = field(default_factory=dict, compare=False)

    @property
    def arn(self) -> str:
        """Return the queue's ARN."""
        return names.queue_arn(self.name)

    def number(self, attribute: str) -> int:
        """Return an attribute that is a number."""
        number = self._numbers.get(attribute)
        if number is None:
            number = self._numbers[attribute] = int(self.attributes[attribute])
        return number

    @property
    def redrive(self) -> tuple[str, int] | None:
        """Return the name of the dead-letter queue and the receives that are allowed, if there is a policy."""
        policy = self.attributes.get("RedrivePolicy")
        return parse_redrive_policy(policy) if policy else None


#: The queues that each engine knows, by name, with the time (`time.monotonic`) until when that is good.
_caches: WeakKeyDictionary[Engine, dict[str, tuple[float, Queue]]] = WeakKeyDictionary()


def find_queue(connection: Connection, url_or_arn: str) -> Queue:
    """
    Return a queue.

    :raises Refusal: if there is none
    """
    queue = look_up_queue(connection, names.name_of(url_or_arn))
    if queue is None:
        raise Refusal("QueueDoesNotExist", "The specified queue does not exist.")
    return queue


def recall_queue(broker: Broker, url_or_arn: str) -> Queue:
    """
    Return a queue, as it stood at most a second ago: a transaction of its own, but seldom.

    :raises Refusal: if there is none
    """
    cache = _caches.setdefault(broker.store.engine, {})
    name = names.name_of(url_or_arn)
    known = cache.get(name)
    now = monotonic()
    if known is None or known[0] < now:
        with broker.store.begin(autocommit=True) as connection:
            known = cache[name] = (now + RECALL_SECONDS, find_queue(connection, name))
    return known[1]


def _forget(connection: Connection) -> None:
    _caches.pop(connection.engine, None)


def look_up_queue(connection: Connection, name: str) -> Queue | None:
    """Return the queue of a name, or None."""
    rows = SELECT_QUEUE.execute(connection, {"queue_name": name})
    return to_queue(*rows[0]) if rows else None


def create_queue(
    broker: Broker,
    QueueName: str,
    Attributes: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Create a queue, or find it if it is there with the same attributes."""
    fifo = names.is_fifo(QueueName)
    attributes = dict(Attributes or {})
    if not fullmatch(r"[A-Za-z0-9_-]+(\.fifo)?", QueueName) or len(QueueName) > 80:
        raise invalid_value("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
    if fifo and attributes.get("FifoQueue") != "true":
        raise invalid_value("The name of a standard queue must not end with the .fifo suffix.")
    if not fifo and attributes.get("FifoQueue") == "true":
        raise invalid_value("The name of a FIFO queue can only end with the .fifo suffix.")
    check_attributes(attributes, fifo)
    now = broker.now()
    with broker.store.begin() as connection:
        existing = look_up_queue(connection, QueueName)
        if existing is None:
            _check_redrive(connection, QueueName, attributes)
            try:
                # If two processes create it at once, the second finds it.
                with connection.begin_nested():
                    connection.execute(
                        insert(queues).values(
                            name=QueueName,
                            fifo=fifo,
                            attributes=dumps(attributes),
                            tags=dumps(dict(tags or {})),
                            created_at=now,
                            modified_at=now,
                        )
                    )
            except IntegrityError:
                existing = look_up_queue(connection, QueueName)
        if existing is not None:
            _require_same(existing, attributes)
    return {"QueueUrl": names.queue_url(QueueName)}


def _check_redrive(connection: Connection, name: str, attributes: Mapping[str, str]) -> None:
    """
    Refuse a redrive policy that leads nowhere.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
    """
    policy = attributes.get("RedrivePolicy")
    if not policy:
        return
    target = parse_redrive_policy(policy)[0]
    if target == name:
        reason = "A queue cannot be its own dead-letter queue."
    elif look_up_queue(connection, target) is None:
        reason = "Dead letter target does not exist."
    elif names.is_fifo(target) != names.is_fifo(name):
        reason = "Dead-letter queue must be same type of queue as the source."
    else:
        return
    raise invalid_value(f"Value {policy} for parameter RedrivePolicy is invalid. Reason: {reason}")


def _require_same(queue: Queue, attributes: Mapping[str, str]) -> None:
    for name, value in attributes.items():
        if queue.attributes.get(name) != value:
            raise Refusal(
                "QueueNameExists",
                f"A queue already exists with the same name and a different value for attribute {name}",
            )


def get_queue_url(broker: Broker, QueueName: str, QueueOwnerAWSAccountId: str | None = None) -> dict[str, Any]:
    """Return the URL of a queue."""
    with broker.store.begin() as connection:
        return {"QueueUrl": names.queue_url(find_queue(connection, QueueName).name)}


def iter_sources(connection: Connection, target: Queue) -> list[Queue]:
    """Return the queues whose redrive policy names a queue, by name."""
    rows = connection.execute(select(*QUEUE_COLUMNS).order_by(queues.c.name)).all()
    return [queue for queue in starmap(to_queue, rows) if queue.redrive and queue.redrive[0] == target.name]


def delete_queue(broker: Broker, QueueUrl: str) -> None:
    """Delete a queue with its messages."""
    with broker.store.begin() as connection:
        queue = find_queue(connection, QueueUrl)
        connection.execute(delete(queues).where(queues.c.id == queue.id))
        _forget(connection)
    # who waits for its messages is to see that it is gone
    broker.notifier.wake([queue.name])


def purge_queue(broker: Broker, QueueUrl: str) -> None:
    """Delete the messages of a queue."""
    with broker.store.begin() as connection:
        queue = find_queue(connection, QueueUrl)
        connection.execute(delete(messages).where(messages.c.queue_id == queue.id))
        connection.execute(delete(groups).where(groups.c.queue_id == queue.id))


def get_queue_attributes(
    broker: Broker,
    QueueUrl: str,
    AttributeNames: Sequence[str] = (),
) -> dict[str, Any]:
    """Return attributes of a queue, the counts of its messages among them."""
    wants_counts = not {"All", *COUNTS}.isdisjoint(AttributeNames)
    with broker.store.begin() as connection:
        queue = find_queue(connection, QueueUrl)
        known = {
            **queue.attributes,
            **(count_messages(connection, queue.id, broker.now()) if wants_counts else {}),
            "QueueArn": queue.arn,
            "CreatedTimestamp": str(queue.created_at // 1000),
            "LastModifiedTimestamp": str(queue.modified_at // 1000),
        }
    if "All" in AttributeNames:
        return {"Attributes": known}
    possible = {*known, *COUNTS, "RedrivePolicy", "RedriveAllowPolicy", "Policy", "KmsMasterKeyId"}
    for name in AttributeNames:
        if name not in possible and name not in FIFO_ONLY:
            raise Refusal("InvalidAttributeName", f"Unknown Attribute {name}.")
    chosen = {name: known[name] for name in AttributeNames if name in known}
    return {"Attributes": chosen} if chosen else {}


FIFO_ONLY = {"FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"}


def set_queue_attributes(broker: Broker, QueueUrl: str, Attributes: Mapping[str, str]) -> None:
    """Change attributes of a queue; an empty policy is removed."""

    def check(queue: Queue) -> Mapping[str, str]:
        check_attributes(Attributes, queue.fifo)
        return Attributes

    change_attributes(broker, QueueUrl, check)


def change_attributes(broker: Broker, queue_url: str, change: Callable[[Queue], Mapping[str, str]]) -> None:
    """
    Change attributes of a queue.

    :param change: takes the queue, which nobody else changes meanwhile, and returns those to set; empty ones go
    """
    with broker.store.begin() as connection:
        queue = find_queue(connection, queue_url)
        statement = select(queues.c.attributes).where(queues.c.id == queue.id).with_for_update()
        text = connection.execute(statement).scalar_one()
        changed = change(find_queue(connection, queue_url))
        _check_redrive(connection, queue.name, changed)
        attributes = {**loads(text), **changed}
        kept = {name: value for name, value in attributes.items() if value}
        connection.execute(
            update(queues).where(queues.c.id == queue.id).values(attributes=dumps(kept), modified_at=broker.now())
        )
        _forget(connection)


def to_queue(row_id: int, name: str, fifo: Any, attributes: str, created_at: int, modified_at: int) -> Queue:
    """Return the queue of the columns of a row."""
    return Queue(row_id, name, bool(fifo), with_defaults(loads(attributes), fifo), created_at, modified_at)


#: The columns of which a queue is made.
QUEUE_COLUMNS = (
    queues.c.id,
    queues.c.name,
    queues.c.fifo,
    queues.c.attributes,
    queues.c.created_at,
    queues.c.modified_at,
)

SELECT_QUEUE = PreparedStatement(select(*QUEUE_COLUMNS).where(queues.c.name == bindparam("queue_name")))
