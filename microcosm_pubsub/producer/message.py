"""
What is published, and what came of it.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class PubsubMessage:
    """
    A message that is ready to be published.

    :param message: its JSON text
    :param message_attributes: its SNS message attributes, in boto3's form
    :param opaque_data: what the text holds under `opaqueData`
    :param group_id: its message group, if the topic is FIFO
    """

    media_type: str
    message: str
    message_attributes: dict[str, Any]
    opaque_data: dict[str, Any] | None
    topic_arn: str
    group_id: str | None = None

    @property
    def size_bytes(self) -> int:
        """Return what the message counts against its topic's size limit: its text and its attributes."""
        attributes = sum(
            len(name) + sum(len(str(value)) for value in attribute.values())
            for name, attribute in self.message_attributes.items()
        )
        return len(self.message.encode()) + attributes


@dataclass(frozen=True, slots=True)
class ProduceResult:
    """
    What came of producing one message of a batch.

    :param message_id: the id that the topic gave; None if it failed or was skipped
    :param error: why it was not published
    """

    message_id: str | None = None
    error: Exception | None = None

    @property
    def ok(self) -> bool:
        """Return whether nothing went wrong."""
        return self.error is None
