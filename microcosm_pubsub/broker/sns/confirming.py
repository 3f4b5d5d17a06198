"""
The begin and the end of a subscription: of a queue at once, of a web server with its consent.

A web server that is subscribed is sent a message with a token; the subscription is confirmed when that comes back. When
it is deleted, the server is told so, and can take that back with another token, for three days.

https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.confirm.html
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import replace
from secrets import token_hex
from typing import Any

from sqlalchemy import Connection, bindparam, delete, update

from microcosm_pubsub.broker import names
from microcosm_pubsub.broker.broker import Broker, Refusal
from microcosm_pubsub.broker.schema import subscriptions
from microcosm_pubsub.broker.sns.deliveries import CONFIRMATION, FAREWELL, add_deliveries
from microcosm_pubsub.broker.sns.endpoints import WEB
from microcosm_pubsub.broker.sns.notification import Notification
from microcosm_pubsub.broker.sns.refusals import invalid_parameter
from microcosm_pubsub.broker.sns.subscription import (
    BY_NAME,
    CONFIRMED,
    DELETED,
    PENDING,
    SUBSCRIPTIONS,
    Subscription,
    subscription_name,
    to_subscription,
)
from microcosm_pubsub.broker.sns.topics import find_topic


#: A subscription waits this long to be confirmed, or for its deletion to be taken back.
#: https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html
MAX_PENDING_MS = 3 * 24 * 3600 * 1000

#: Whether the call under way is unsigned, where calls are signed.
anonymous: ContextVar[bool] = ContextVar("pubsub_broker_anonymous", default=False)


def ask_to_confirm(broker: Broker, connection: Connection, subscription: Subscription) -> None:
    """Have a message sent to an endpoint that asks it to confirm its subscription."""
    subscription = _give_token(broker, connection, subscription, PENDING)
    arn = names.topic_arn(subscription.topic_name)
    text = f"You have chosen to subscribe to the topic {arn}.\nTo confirm the subscription, visit the SubscribeURL"
    message = Notification(arn, f"{text} included in this message.", broker.now())
    add_deliveries(broker, connection, subscription, [message], CONFIRMATION)


def _give_token(broker: Broker, connection: Connection, subscription: Subscription, state: str) -> Subscription:
    home = names.place.get()
    url = subscription.url if home is names.HOME else home.url
    token = subscription.token if state == subscription.state and subscription.token else token_hex(64)
    now = broker.now()
    connection.execute(SWEEP, {"oldest": now - MAX_PENDING_MS, "kept": subscription.id})
    values = {"new_state": state, "new_token": token, "new_url": url, "now": now, "row": subscription.id}
    connection.execute(CHANGE, values)
    return replace(subscription, state=state, token=token, url=url)


def confirm_subscription(
    broker: Broker, TopicArn: str, Token: str, AuthenticateOnUnsubscribe: str = "false"
) -> dict[str, Any]:
    """Confirm a subscription by the token that was sent to its endpoint."""
    if AuthenticateOnUnsubscribe not in ("true", "false"):
        raise invalid_parameter("AuthenticateOnUnsubscribe Reason: must be true or false")
    authenticated = AuthenticateOnUnsubscribe == "true" and not anonymous.get()
    with broker.store.begin() as connection:
        topic = find_topic(connection, TopicArn)
        row = connection.execute(BY_TOKEN, {"topic": topic.id, "given_token": Token}).first()
        if row is None:
            raise invalid_parameter("Token")
        if row.state != CONFIRMED:
            values = {"row": row.id, "authenticated_now": authenticated, "now": broker.now()}
            connection.execute(CONFIRM, values)
    return {"SubscriptionArn": to_subscription(*row).arn}


def unsubscribe(broker: Broker, SubscriptionArn: str) -> None:
    """Delete a subscription, if it is there; a web server that had confirmed it is told."""
    name = subscription_name(SubscriptionArn)
    with broker.store.begin() as connection:
        row = connection.execute(BY_NAME.with_for_update(of=subscriptions), {"subscription": name}).first()
        if row is None:
            return
        subscription = to_subscription(*row)
        if subscription.authenticated and anonymous.get():
            raise Refusal("AuthorizationErrorException", "Whoever deletes this subscription must sign", status=403)
        if subscription.protocol in WEB and subscription.state == CONFIRMED:
            _say_farewell(broker, connection, subscription)
        else:
            connection.execute(delete(subscriptions).where(subscriptions.c.id == subscription.id))


def _say_farewell(broker: Broker, connection: Connection, subscription: Subscription) -> None:
    subscription = _give_token(broker, connection, subscription, DELETED)
    text = (
        f"You have chosen to deactivate subscription {subscription.arn}.\nTo cancel this operation and restore the "
        "subscription, visit the SubscribeURL included in this message."
    )
    message = Notification(names.topic_arn(subscription.topic_name), text, broker.now())
    add_deliveries(broker, connection, subscription, [message], FAREWELL)


CHANGE = (
    update(subscriptions)
    .where(subscriptions.c.id == bindparam("row"))
    .values(
        state=bindparam("new_state"),
        token=bindparam("new_token"),
        url=bindparam("new_url"),
        changed_at=bindparam("now"),
    )
)

CONFIRM = (
    update(subscriptions)
    .where(subscriptions.c.id == bindparam("row"))
    .values(state=CONFIRMED, authenticated=bindparam("authenticated_now"), changed_at=bindparam("now"))
)

SWEEP = delete(subscriptions).where(
    subscriptions.c.state != CONFIRMED,
    subscriptions.c.changed_at < bindparam("oldest"),
    subscriptions.c.id != bindparam("kept"),
)

BY_TOKEN = SUBSCRIPTIONS.where(
    subscriptions.c.topic_id == bindparam("topic"), subscriptions.c.token == bindparam("given_token")
).with_for_update(of=subscriptions)
