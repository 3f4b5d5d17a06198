"""
The result of a delivery to an endpoint that is no queue: it is over, or tried again, or given up.

A delivery that is given up goes to the subscription's dead-letter queue, if there is one.

https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
"""

from __future__ import annotations

from logging import getLogger

from sqlalchemy import Connection

from microcosm_pubsub.broker.broker import Broker, Refusal
from microcosm_pubsub.broker.names import name_of
from microcosm_pubsub.broker.sns.deliveries import MAX_AGE_MS, DueDelivery, postpone, strike_off
from microcosm_pubsub.broker.sns.delivering import put_into_dead_letter_queue
from microcosm_pubsub.broker.sns.delivery_policy import RetryPolicy, policy_of
from microcosm_pubsub.broker.sns.subscription import BY_ID, Subscription, to_subscription
from microcosm_pubsub.broker.sns.topics import look_up_topic


logger = getLogger(__name__)


def was_sent(broker: Broker, outgoing: DueDelivery) -> None:
    """Forget a delivery that its endpoint took."""
    with broker.store.begin() as connection:
        strike_off(connection, outgoing)


def was_not_sent(broker: Broker, outgoing: DueDelivery, reason: str, is_final: bool) -> None:
    """
    Have it tried again when its policy says so, or give it up.

    :param reason: why its endpoint did not take it
    :param is_final: whether to try again would help nothing
    """
    now = broker.now()
    with broker.store.begin() as connection:
        subscription = _find_subscription(connection, outgoing)
        delay = None
        if not is_final and now - outgoing.created_at < MAX_AGE_MS:
            delay = _find_policy(connection, outgoing, subscription).delay_seconds(outgoing.attempts)
        if delay is not None:
            postpone(connection, outgoing, now + int(delay * 1000))
        elif strike_off(connection, outgoing):
            logger.warning(
                "%s %s %s after %d attempts, as %s did not take it: %s",
                outgoing.kind,
                outgoing.notification.message_id,
                _put_aside(broker, connection, outgoing, subscription),
                outgoing.attempts,
                outgoing.endpoint,
                reason,
            )


def _find_subscription(connection: Connection, outgoing: DueDelivery) -> Subscription | None:
    row = connection.execute(BY_ID, {"subscription_row": outgoing.subscription_id}).first()
    return None if row is None else to_subscription(*row)


def _find_policy(connection: Connection, outgoing: DueDelivery, subscription: Subscription | None) -> RetryPolicy:
    topic = look_up_topic(connection, name_of(outgoing.notification.topic_arn))
    own = {} if subscription is None else subscription.attributes
    try:
        return policy_of(own, {} if topic is None else topic.attributes)
    except Refusal:
        # This policy was set before policies were checked.
        return policy_of({}, {})


def _put_aside(broker: Broker, connection: Connection, outgoing: DueDelivery, subscription: Subscription | None) -> str:
    """Put a delivery that is given up into the dead-letter queue, and return what became of it."""
    try:
        if subscription is not None and put_into_dead_letter_queue(
            broker, connection, subscription, outgoing.notification
        ):
            return "was put into the dead-letter queue"
    except Refusal as refusal:
        return f"was dropped (the dead-letter queue does not take it: {refusal.text})"
    return "was dropped"
