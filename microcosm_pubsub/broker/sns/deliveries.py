"""
Deliveries that are on their way to endpoints that are no queues.

A publish writes it into the database, with its other deliveries; a server takes it from there, sends it, and strikes it
off. While one server tries, its row is not due for others; if the server dies, it is due again after a while. So a
message is sent at least once, and what nobody took in time is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from json import dumps, loads
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.schema import deliveries
from microcosm_pubsub.broker.sns.delivery_policy import content_type_of
from microcosm_pubsub.broker.sns.notification import Notification
from microcosm_pubsub.broker.sns.subscription import Subscription
from microcosm_pubsub.broker.sqs.message_attributes import dump_attributes, load_attributes


NOTIFICATION, CONFIRMATION, FAREWELL = "Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"

#: A server has the deliveries that it took to itself for this time; it waits for an answer for 15 s at most.
TAKEN_MS = 60_000

#: A delivery that nobody sent within this time is dropped, one that was tried for this time given up; AWS: an hour.
#: https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
MAX_AGE_MS = 2 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """
    One message on its way to one endpoint.

    :param kind: the kind of message: a notification, or one that asks to confirm a subscription or its end
    :param subscription_arn: empty for a number that is subscribed to nothing
    :param url: with which the URLs in it begin; None if the subscriber did not call a server
    :param token: with which a subscription is confirmed
    :param content_type: that its policy wants; None if it wants none
    :param attempts: how often it was tried, with this time
    """

    id: int
    kind: str
    protocol: str
    endpoint: str
    notification: Notification
    subscription_id: int | None
    subscription_arn: str
    url: str | None
    token: str | None
    raw: bool
    content_type: str | None
    attempts: int
    created_at: int


def add_deliveries(
    broker: Broker,
    connection: Connection,
    subscription: Subscription,
    notifications: Iterable[Notification],
    kind: str = NOTIFICATION,
) -> None:
    """Put messages on their way to an endpoint."""
    now = broker.now()
    connection.execute(SWEEP, {"oldest": now - MAX_AGE_MS})
    for notification in notifications:
        values = {
            # A message about a subscription's end outlives the subscription.
            "subscription_id": subscription.id if kind == NOTIFICATION else None,
            "kind": kind,
            "protocol": subscription.protocol,
            "endpoint": subscription.endpoint,
            "content": _to_content(notification, subscription),
            "created_at": now,
            "due_at": now,
        }
        connection.execute(insert(deliveries), values)
    # A server that looks before the transaction has ended looks again soon.
    broker.on_delivery()


def add_text_message(broker: Broker, connection: Connection, number: str, notification: Notification) -> None:
    """Put a message on its way to a telephone number that is subscribed to nothing."""
    add_deliveries(broker, connection, Subscription(0, "", "", "sms", number, {}), [notification], kind="Text")


def _to_content(notification: Notification, subscription: Subscription) -> str:
    return dumps(
        {
            "topic_arn": notification.topic_arn,
            "message": notification.message,
            "published_at": notification.published_at,
            "subject": notification.subject,
            "message_attributes": dump_attributes(notification.message_attributes),
            "message_id": notification.message_id,
            "signature_version": notification.signature_version,
            "subscription": subscription.name,
            "url": subscription.url,
            "token": subscription.token,
            "raw": subscription.raw,
            "content_type": content_type_of(subscription.attributes),
        }
    )


def take_deliveries(broker: Broker, protocols: Iterable[str], limit: int) -> list[DueDelivery]:
    """Return the deliveries that are due by some protocols, and give them to this caller for a while."""
    now = broker.now()
    with broker.store.begin() as connection:
        rows = connection.execute(
            TAKE, {"now": now, "taken_until": now + TAKEN_MS, "most": limit, "spoken": list(protocols)}
        ).all()
    return [_to_outgoing(row) for row in sorted(rows, key=lambda row: row.id)]


def _to_outgoing(row: Any) -> DueDelivery:
    said = loads(row.content)
    name, url, token, raw, content_type = map(said.pop, ("subscription", "url", "token", "raw", "content_type"))
    attributes = load_attributes(said.pop("message_attributes"))
    return DueDelivery(
        id=row.id,
        kind=row.kind,
        protocol=row.protocol,
        endpoint=row.endpoint,
        notification=Notification(**said, message_attributes=attributes),
        subscription_id=row.subscription_id,
        subscription_arn=f"{said['topic_arn']}:{name}" if name else "",
        url=url,
        token=token,
        raw=raw,
        content_type=content_type,
        attempts=row.attempts,
        created_at=row.created_at,
    )


def next_due_at(broker: Broker, protocols: Iterable[str]) -> int | None:
    """Return when something is due next by some protocols; None if nothing is on its way."""
    with broker.store.begin() as connection:
        return connection.execute(NEXT_DUE, {"spoken": list(protocols)}).scalar()


def strike_off(connection: Connection, outgoing: DueDelivery) -> bool:
    """Forget a delivery that was sent, or given up; return whether it was there."""
    return connection.execute(STRIKE_OFF, {"row": outgoing.id}).rowcount > 0


def postpone(connection: Connection, outgoing: DueDelivery, due_at: int) -> None:
    """Have it tried again at a time."""
    connection.execute(POSTPONE, {"row": outgoing.id, "later": due_at})


SWEEP = delete(deliveries).where(deliveries.c.created_at < bindparam("oldest"))

SPOKEN = deliveries.c.protocol.in_(bindparam("spoken", expanding=True))

TAKE = (
    update(deliveries)
    .where(
        deliveries.c.id.in_(
            select(deliveries.c.id)
            .where(deliveries.c.due_at <= bindparam("now"), SPOKEN)
            .order_by(deliveries.c.due_at, deliveries.c.id)
            .limit(bindparam("most"))
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
    )
    .values(due_at=bindparam("taken_until"), attempts=deliveries.c.attempts + 1)
    .returning(deliveries)
)

NEXT_DUE = select(deliveries.c.due_at).where(SPOKEN).order_by(deliveries.c.due_at).limit(1)

STRIKE_OFF = delete(deliveries).where(deliveries.c.id == bindparam("row"))

POSTPONE = update(deliveries).where(deliveries.c.id == bindparam("row")).values(due_at=bindparam("later"))
