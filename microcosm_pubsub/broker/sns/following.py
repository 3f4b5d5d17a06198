"""
Whether somebody has received what was published: for who waits for an answer, and asks.

A copy in a queue that nobody has received still becomes visible when it did at first, which an index finds. So nothing
is written for it, and little is kept: by whoever published, in memory, of the last messages.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, select

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.prepared_statement import PreparedStatement
from microcosm_pubsub.broker.schema import messages
from microcosm_pubsub.broker.sns.notification import Notification


#: At most this many messages are followed; nothing is known of those before them.
MAX_FOLLOWED = 10_000


def follow(broker: Broker) -> None:
    """Follow what is published from now on."""
    if broker.followed is None:
        broker.followed = {}


def note_published(broker: Broker, notifications: Iterable[Notification]) -> None:
    """Note into which queues messages were put, if somebody is to follow them."""
    followed = broker.followed
    if followed is None:
        return
    for notification in notifications:
        while len(followed) >= MAX_FOLLOWED:
            # the oldest; another thread may have been quicker
            followed.pop(next(iter(followed)), None)
        followed[notification.message_id] = [copy.place for copy in notification.copies]


def was_taken(broker: Broker, message_id: str) -> bool | None:
    """
    Return whether somebody has received a message; None if that is not known.

    :param message_id: that the publisher was told
    """
    places = None if broker.followed is None else broker.followed.get(message_id)
    if places is None:
        return None
    with broker.store.begin(autocommit=True) as connection:
        return any(not UNRECEIVED.execute(connection, place) for place in places)


UNRECEIVED = PreparedStatement(
    select(messages.c.id).where(
        messages.c.queue_id == bindparam("queue_row"),
        messages.c.visible_at == bindparam("at"),
        messages.c.message_id == bindparam("copy"),
        messages.c.receive_count == 0,
    )
)
