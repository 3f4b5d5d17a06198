"""
What is published, how its author wants that done, and what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from microcosm_pubsub.errors import ConfigurationError


@dataclass(slots=True)
class PubsubMessage:
    """
    A message on its way to its topic.

    Publish steps make it, one after the other; after the last of them it is ready to be published.

    :param message: its JSON text, once it is encoded
    :param message_attributes: its SNS message attributes, in boto3's form
    :param opaque_data: what the text holds under `opaqueData`
    :param group_id: its message group, which a FIFO topic needs
    :param deduplication_id: by which a FIFO topic knows it again
    :param content: what its schema encodes; empty if somebody else has
    """

    media_type: str
    message: str
    message_attributes: dict[str, Any]
    opaque_data: dict[str, Any]
    topic_arn: str
    group_id: str | None = None
    deduplication_id: str | None = None
    content: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def size_bytes(self) -> int:
        """Return what the message counts against its topic's size limit: its text and its attributes."""
        attributes = sum(
            len(name) + sum(len(str(value)) for value in attribute.values())
            for name, attribute in self.message_attributes.items()
        )
        return len(self.message.encode()) + attributes


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """
    How one message is published.

    :param group: its message group: FIFO topics keep the order within one, and standard queues are fair between them;
        by default a FIFO topic's messages are grouped by the resource that they are about
    :param deduplication_id: a FIFO topic takes one message of this id within five minutes; one of its own by default
    :param attributes: more message attributes, text, by which subscriptions may filter
    :raises ConfigurationError: if a value cannot work
    """

    group: str | None = None
    deduplication_id: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("group", "deduplication_id"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value):
                raise ConfigurationError(f"PublishOptions: {name} is {value!r}, but must be a text that is not empty")
        for name, value in self.attributes.items():
            if not (isinstance(name, str) and isinstance(value, str) and name and value):
                raise ConfigurationError(
                    f"PublishOptions: the attribute {name!r} has a {type(value).__name__}, but its name and its value "
                    "must be texts that are not empty"
                )


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
