"""
What we call: the methods of boto3's clients that any client must have.
"""

from __future__ import annotations

from typing import Any, Protocol


class QueueClient(Protocol):
    """What we call of boto3's SQS client."""

    def receive_message(self, **kwargs: Any) -> dict[str, Any]: ...

    def delete_message(self, **kwargs: Any) -> Any: ...

    def delete_message_batch(self, **kwargs: Any) -> dict[str, Any]: ...

    def change_message_visibility(self, **kwargs: Any) -> Any: ...

    def change_message_visibility_batch(self, **kwargs: Any) -> dict[str, Any]: ...


class TopicClient(Protocol):
    """What we call of boto3's SNS client."""

    def publish(self, **kwargs: Any) -> dict[str, Any]: ...

    def publish_batch(self, **kwargs: Any) -> dict[str, Any]: ...
