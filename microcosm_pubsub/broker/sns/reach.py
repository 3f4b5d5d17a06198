"""
The reach of a topic: what is subscribed to it, and the queues among that, read with one statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, select

from microcosm_pubsub.broker import names
from microcosm_pubsub.broker.prepared_statement import PreparedStatement
from microcosm_pubsub.broker.schema import queues, subscriptions, topics
from microcosm_pubsub.broker.sns.refusals import not_found
from microcosm_pubsub.broker.sns.subscription import CONFIRMED, SUBSCRIPTION_COLUMNS, Subscription, to_subscription
from microcosm_pubsub.broker.sns.topics import TOPIC_COLUMNS, Topic, to_topic, topic_name
from microcosm_pubsub.broker.sqs.queues import QUEUE_COLUMNS, Queue, look_up_queue, to_queue


@dataclass(frozen=True, slots=True)
class Reach:
    """
    A topic, the subscriptions to which it delivers, and the queues among these, by name.

    :param rows: as which they stand in the database
    """

    rows: list[Any]
    topic: Topic
    subscriptions: list[Subscription]
    queues: dict[str, Queue]

    def find_queue(self, connection: Connection, name: str) -> Queue | None:
        """Return the queue of a name, which may be none of ours: a dead-letter queue; None if there is none."""
        return self.queues.get(name) or look_up_queue(connection, name)


def read_reach(connection: Connection, topic_arn: str, known: Reach | None = None) -> Reach:
    """
    Return the reach of a topic.

    :param known: as it was read before; is returned if nothing has changed
    :raises Refusal: if there is no such topic
    """
    rows = SELECT_REACH.execute(connection, {"topic_name": topic_name(topic_arn)})
    if not rows:
        raise not_found("Topic")
    if known is not None and rows == known.rows:
        return known
    found = [to_queue(*row[QUEUE]) for row in rows if row[QUEUE.start] is not None]
    return Reach(
        rows,
        topic=to_topic(*rows[0][TOPIC]),
        subscriptions=[to_subscription(*row[SUBSCRIPTION]) for row in rows if row[SUBSCRIPTION.start] is not None],
        queues={queue.name: queue for queue in found},
    )


TOPIC = slice(0, len(TOPIC_COLUMNS))
SUBSCRIPTION = slice(TOPIC.stop, TOPIC.stop + len(SUBSCRIPTION_COLUMNS))
QUEUE = slice(SUBSCRIPTION.stop, SUBSCRIPTION.stop + len(QUEUE_COLUMNS))

#: The name of the queue that ends its ARN, behind what all of them begin with.
NAME_IN_ENDPOINT = func.substr(subscriptions.c.endpoint, len(names.stored_queue_arn("")) + 1)

#: A topic to which nothing is subscribed has one row, without a subscription.
SELECT_REACH = PreparedStatement(
    select(
        *(
            column.label(f"column_{number}")
            for number, column in enumerate((*TOPIC_COLUMNS, *SUBSCRIPTION_COLUMNS, *QUEUE_COLUMNS))
        )
    )
    .select_from(topics)
    .outerjoin(subscriptions, and_(subscriptions.c.topic_id == topics.c.id, subscriptions.c.state == CONFIRMED))
    .outerjoin(queues, and_(subscriptions.c.protocol == "sqs", queues.c.name == NAME_IN_ENDPOINT))
    .where(topics.c.name == bindparam("topic_name"))
    .order_by(subscriptions.c.id)
)
