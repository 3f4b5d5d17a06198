"""
The methods of boto3's clients that any client must have, and those of clients that administrate.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, TypeGuard, cast

from microcosm_pubsub.message.raw import BatchAnswer, ReceiveAnswer, SendAnswer


#: The answer of a call that few make; its keys are boto3's.
Answer: TypeAlias = dict[str, Any]


class QueueClient(Protocol):
    """The methods of boto3's SQS client that consuming calls."""

    def receive_message(self, **kwargs: Any) -> ReceiveAnswer: ...

    def delete_message(self, **kwargs: Any) -> object: ...

    def delete_message_batch(self, **kwargs: Any) -> BatchAnswer: ...

    def change_message_visibility(self, **kwargs: Any) -> object: ...

    def change_message_visibility_batch(self, **kwargs: Any) -> BatchAnswer: ...


class AdminQueueClient(QueueClient, Protocol):
    """The methods of boto3's SQS client beside consuming: for dead letters, replies, topologies and commands."""

    def cancel_message_move_task(self, **kwargs: Any) -> object: ...

    def create_queue(self, **kwargs: Any) -> Answer: ...

    def delete_queue(self, **kwargs: Any) -> object: ...

    def get_queue_attributes(self, **kwargs: Any) -> Answer: ...

    def get_queue_url(self, **kwargs: Any) -> Answer: ...

    def list_dead_letter_source_queues(self, **kwargs: Any) -> Answer: ...

    def list_message_move_tasks(self, **kwargs: Any) -> Answer: ...

    def list_queues(self, **kwargs: Any) -> Answer: ...

    def purge_queue(self, **kwargs: Any) -> object: ...

    def send_message(self, **kwargs: Any) -> SendAnswer: ...

    def send_message_batch(self, **kwargs: Any) -> BatchAnswer: ...

    def set_queue_attributes(self, **kwargs: Any) -> object: ...

    def start_message_move_task(self, **kwargs: Any) -> Answer: ...


class TopicClient(Protocol):
    """The methods of boto3's SNS client that publishing calls."""

    def publish(self, **kwargs: Any) -> SendAnswer: ...

    def publish_batch(self, **kwargs: Any) -> BatchAnswer: ...


class AdminTopicClient(TopicClient, Protocol):
    """The methods of boto3's SNS client beside publishing."""

    @property
    def exceptions(self) -> Any: ...

    def create_topic(self, **kwargs: Any) -> Answer: ...

    def get_subscription_attributes(self, **kwargs: Any) -> Answer: ...

    def get_topic_attributes(self, **kwargs: Any) -> Answer: ...

    def list_subscriptions_by_topic(self, **kwargs: Any) -> Answer: ...

    def list_topics(self, **kwargs: Any) -> Answer: ...

    def set_subscription_attributes(self, **kwargs: Any) -> object: ...

    def set_topic_attributes(self, **kwargs: Any) -> object: ...

    def subscribe(self, **kwargs: Any) -> Answer: ...


def as_admin(client: QueueClient) -> AdminQueueClient:
    """Return a client for calls that it may lack: such a call fails as one that the queue refuses."""
    return cast(AdminQueueClient, client)


def can_administrate(client: QueueClient) -> TypeGuard[AdminQueueClient]:
    """Return whether a client knows of attributes: files, stdin and Lambda's events are no queues, and have none."""
    return getattr(client, "get_queue_attributes", None) is not None
