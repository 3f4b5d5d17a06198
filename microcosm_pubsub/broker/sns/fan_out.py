"""
From a topic to the queues and the other endpoints that are subscribed to it: in one transaction, which is short.

Nobody else writes to SQLite during a transaction. So what is to be put where is found out before it, for the topic, its
subscriptions and its queues as they were when something was last published there; in the transaction they are read, and
if they are not so any more, it is found out again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import Connection, bindparam, update

from microcosm_pubsub.broker.broker import Broker, Refusal
from microcosm_pubsub.broker.deduplications import forget_old, remember
from microcosm_pubsub.broker.postgresql import ensure_transaction
from microcosm_pubsub.broker.prepared_statement import PreparedStatement
from microcosm_pubsub.broker.schema import topics
from microcosm_pubsub.broker.sns.delivering import Delivery
from microcosm_pubsub.broker.sns.following import note_published
from microcosm_pubsub.broker.sns.notification import Notification
from microcosm_pubsub.broker.sns.reach import Reach, read_reach
from microcosm_pubsub.broker.sns.topics import Topic


#: At most this many topics are remembered.
MAX_REACHED = 1000

#: Makes the messages that are published to a topic; it may be called twice.
Make = Callable[[Topic], list[Notification]]


def publish_to(broker: Broker, topic_arn: str, make: Make) -> list[Notification]:
    """
    Make messages for a topic, put them on their way to all that is subscribed to it, and return them.

    :raises Refusal: if there is no such topic, or what `make` raises
    """
    known = broker.reached.get(topic_arn)
    prepared = None if known is None else _prepare(known, make)
    with broker.store.begin(autocommit=True) as connection:
        reach = read_reach(connection, topic_arn, known)
        topic = reach.topic
        if prepared is None or reach is not known:
            notifications = make(topic)
            fresh = _number(connection, topic, notifications, broker.now()) if topic.fifo else notifications
            prepared = notifications, Delivery(partial(reach.find_queue, connection))
            prepared[1].add_all(reach.subscriptions, fresh)
        notifications, delivery = prepared
        told = delivery.insert(broker, connection)
    broker.notifier.wake(told)
    if not topic.fifo:
        note_published(broker, notifications)
        _remember(broker, topic_arn, reach)
    return notifications


def _prepare(known: Reach, make: Make) -> tuple[list[Notification], Delivery] | None:
    """Return messages, and where they would go if nothing had changed; None if that cannot be said."""
    try:
        notifications = make(known.topic)
        delivery = Delivery(known.queues.__getitem__)
        delivery.add_all(known.subscriptions, notifications)
    except (KeyError, Refusal):
        # It is a dead-letter queue, or a queue that is gone; or what is refused now may be allowed by now.
        return None
    return notifications, delivery


def _remember(broker: Broker, topic_arn: str, reach: Reach) -> None:
    if len(broker.reached) >= MAX_REACHED:
        broker.reached.clear()
    broker.reached[topic_arn] = reach


def _number(
    connection: Connection,
    topic: Topic,
    notifications: Sequence[Notification],
    now: int,
) -> list[Notification]:
    """
    Give sequence numbers, in the order of publishing, and return the messages that are not duplicates.

    https://docs.aws.amazon.com/sns/latest/dg/fifo-message-dedup.html
    """
    ensure_transaction(connection)
    # This locks the topic's row: a message that is numbered first is also delivered first.
    (numbered,) = TAKE_NUMBERS.execute(connection, {"topic_row": topic.id, "count": len(notifications)})
    last = numbered.sequence
    forget_old(connection, now)
    by_group = topic.attributes.get("FifoThroughputScope") == "MessageGroup"
    fresh: list[Notification] = []
    for sequence, item in enumerate(notifications, start=last - len(notifications) + 1):
        scope = f"topic:{topic.id}:{item.group_id}" if by_group else f"topic:{topic.id}"
        item.sequence = sequence
        first = remember(connection, scope, item.deduplication_id, item.message_id, sequence, now)
        if first is None:
            fresh.append(item)
        else:
            item.message_id, item.sequence = first
    return fresh


TAKE_NUMBERS = PreparedStatement(
    update(topics)
    .where(topics.c.id == bindparam("topic_row"))
    .values(sequence=topics.c.sequence + bindparam("count"))
    .returning(topics.c.sequence)
)
