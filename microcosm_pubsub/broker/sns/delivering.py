"""
Deliver published messages to what is subscribed: put them into queues, or on their way to other endpoints.

All messages for a queue are put into it at once. A message that a queue does not take goes to the subscription's
dead-letter queue, if it has one. The destinations can be found before the transaction, from queues as they were; the
transaction checks that they still are so.

https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from logging import getLogger
from typing import Any

from sqlalchemy import Connection

from microcosm_pubsub.broker import names
from microcosm_pubsub.broker.broker import Broker, Refusal
from microcosm_pubsub.broker.postgresql import ensure_transaction
from microcosm_pubsub.broker.sns.deliveries import add_deliveries
from microcosm_pubsub.broker.sns.notification import Notification
from microcosm_pubsub.broker.sns.subscription import Subscription
from microcosm_pubsub.broker.sqs.message_attributes import MAX_MESSAGE_ATTRIBUTES
from microcosm_pubsub.broker.sqs.queues import Queue, look_up_queue
from microcosm_pubsub.broker.sqs.sending import Draft, insert_drafts, make_draft


logger = getLogger(__name__)


def put_into_dead_letter_queue(
    broker: Broker, connection: Connection, subscription: Subscription, notification: Notification
) -> bool:
    """
    Put messages that cannot be delivered into the subscription's dead-letter queue, and return whether it has one.

    :raises Refusal: if the queue does not take it
    """
    if subscription.dead_letter_queue is None:
        return False
    delivery = Delivery(partial(look_up_queue, connection))
    delivery.add_to(subscription.dead_letter_queue, subscription, notification)
    # On SQLite whoever is told waits for the end of this transaction.
    broker.notifier.wake(delivery.insert(broker, connection))
    return True


class Delivery:
    """
    Gather messages by queue, and those that go elsewhere.

    :param look_up: finds a queue by its name; None if there is none
    """

    def __init__(self, look_up: Callable[[str], Queue | None]) -> None:
        self._look_up = look_up
        self._queues: dict[str, Queue | None] = {}
        self._drafts: dict[str, list[Draft]] = {}
        self._elsewhere: list[tuple[Subscription, list[Notification]]] = []

    def add_all(self, subscriptions: Iterable[Subscription], notifications: Sequence[Notification]) -> None:
        """Add messages for the subscriptions that want them."""
        for subscription in subscriptions:
            wanted = [notification for notification in notifications if subscription.accepts(notification)]
            if subscription.protocol == "sqs":
                for notification in wanted:
                    self.add(subscription, notification)
            elif wanted:
                said = [notification.for_protocol(subscription.protocol) for notification in wanted]
                self._elsewhere.append((subscription, said))

    def add(self, subscription: Subscription, notification: Notification) -> None:
        """
        Add a message for a subscription; if no queue takes it, it is dropped with a warning.

        With raw delivery, a message with more attributes than a message of SQS can have is dropped:
        https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
        """
        if subscription.raw and len(notification.message_attributes) > MAX_MESSAGE_ATTRIBUTES:
            fault = f"raw delivery takes at most {MAX_MESSAGE_ATTRIBUTES} message attributes"
        else:
            try:
                self.add_to(names.name_of(subscription.endpoint), subscription, notification)
                return
            except Refusal as refusal:
                fault = refusal.text
            try:
                if subscription.dead_letter_queue is not None:
                    self.add_to(subscription.dead_letter_queue, subscription, notification)
                    return
            except Refusal as refusal:
                fault = f"{fault} Nor can it be put into the dead-letter queue: {refusal.text}"
        logger.warning(
            "Message %s was dropped, as it cannot be delivered to %s: %s",
            notification.message_id,
            subscription.endpoint,
            fault,
        )

    def add_to(self, name: str, subscription: Subscription, notification: Notification) -> None:
        """
        Add a message for a queue.

        :raises Refusal: if the queue does not take it
        """
        if name not in self._queues:
            self._queues[name] = self._look_up(name)
        queue = self._queues[name]
        if queue is None:
            raise Refusal("QueueDoesNotExist", "The specified queue does not exist.")
        draft = make_draft(queue, **to_send(queue, subscription, notification))
        self._drafts.setdefault(name, []).append(draft)
        notification.copies.append(draft)

    def insert(self, broker: Broker, connection: Connection) -> list[str]:
        """Put the messages into their queues, whose names are returned, or on their way to other endpoints."""
        if self._elsewhere or len(self._drafts) > 1:
            ensure_transaction(connection)
        for subscription, notifications in self._elsewhere:
            add_deliveries(broker, connection, subscription, notifications)
        found = [queue for queue in self._queues.values() if queue is not None and queue.name in self._drafts]
        # The order is always the same: two calls that wait for each other's queues would wait for ever.
        for queue in sorted(found, key=lambda queue: queue.id):
            insert_drafts(broker, connection, queue, self._drafts[queue.name])
        return list(self._drafts)


def to_send(queue: Queue, subscription: Subscription, notification: Notification) -> dict[str, Any]:
    """
    Return the parameters with which a message is sent to a queue.

    A group id goes to standard queues as well, for their fairness:
    https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
    """
    parameters: dict[str, Any] = {"MessageGroupId": notification.group_id}
    if queue.fifo:
        parameters["MessageDeduplicationId"] = notification.deduplication_id
    if subscription.raw:
        return {
            **parameters,
            "MessageBody": notification.message,
            "MessageAttributes": notification.message_attributes,
        }
    return {**parameters, "MessageBody": notification.to_envelope(subscription.arn)}
