"""
SNS and SQS in memory.

Owns the queues and the topics, who is subscribed to what, the lock and the clock. Queues come into
being when their URL is first used, topics when their ARN is: any text is either. Nothing waits, and
nothing leaves the process.
"""

from collections.abc import Callable
from itertools import count
from threading import RLock
from time import time

from microcosm_pubsub.testing.notification import Notification
from microcosm_pubsub.testing.queue import FIRST_SEQUENCE_NUMBER, MemoryQueue, StoredMessage
from microcosm_pubsub.testing.queue_client import MemoryQueueClient
from microcosm_pubsub.testing.topic_client import MemoryTopicClient


class MemoryEngine:
    """
    Run queues and topics in memory, for the clients `queue_client` and `topic_client`.

    :param clock: tells the time, in seconds since the epoch; a test may move it
    :param default_queue_url: where a topic delivers that nobody has subscribed to; nowhere if None
    :param visibility_timeout_seconds: how long a received message is hidden, unless the receive tells
    """

    def __init__(
        self,
        clock: Callable[[], float] = time,
        default_queue_url: str | None = None,
        visibility_timeout_seconds: int = 30,
    ) -> None:
        self.clock = clock
        self.default_queue_url = default_queue_url
        self.visibility_timeout_seconds = visibility_timeout_seconds
        self.lock = RLock()
        self.queues: dict[str, MemoryQueue] = {}
        self.subscriptions: dict[str, dict[str, bool]] = {}
        self.sequence = count(FIRST_SEQUENCE_NUMBER)
        self.queue_client = MemoryQueueClient(self)
        self.topic_client = MemoryTopicClient(self)

    def subscribe(self, topic_arn: str, queue_url: str, raw: bool = False) -> None:
        """
        Deliver what is published to a topic to a queue, too.

        :param raw: deliver the message itself rather than SNS's envelope of it
        """
        with self.lock:
            self.subscriptions.setdefault(topic_arn, {})[queue_url] = raw

    def queue(self, queue_url: str) -> MemoryQueue:
        """Return the queue of this URL, which it creates if need be."""
        with self.lock:
            return self.queues.setdefault(queue_url, MemoryQueue(queue_url))

    def messages(self, queue_url: str) -> list[StoredMessage]:
        """Return what a queue holds, visible or not, oldest first."""
        with self.lock:
            return list(self.queue(queue_url).messages)

    def deliver(self, notification: Notification) -> None:
        """Write a published message into every queue that is subscribed to its topic."""
        with self.lock:
            subscriptions = self.subscriptions.get(notification.topic_arn)
            if subscriptions is None:
                subscriptions = {self.default_queue_url: False} if self.default_queue_url else {}
            for queue_url, raw in subscriptions.items():
                self._write(self.queue(queue_url), notification, raw)

    def _write(self, queue: MemoryQueue, notification: Notification, raw: bool) -> None:
        queue.send(
            body=notification.message if raw else notification.to_envelope(),
            now=notification.published_at,
            # A FIFO queue behind a standard topic, which AWS refuses, keeps the order of the topic.
            group_id=notification.group_id or (notification.topic_arn if queue.fifo else None),
            deduplication_id=notification.deduplication_id,
            message_attributes=notification.message_attributes if raw else None,
        )
