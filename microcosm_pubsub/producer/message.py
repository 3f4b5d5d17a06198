"""
Messages on their way out, the options of their authors, and the results of producing them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from microcosm_pubsub.errors import ConfigurationError, article
from microcosm_pubsub.message.raw import MessageAttribute


#: A hundred years, since times are numbers of some size.
MAX_DELAY_SECONDS = 100 * 366 * 24 * 60 * 60


class Tracked(Protocol):
    """Follows a message on its way to its topic."""

    is_sent: bool
    #: The open span, for traces.
    span: Any

    def end(self, result: ProduceResult) -> None: ...


@dataclass(slots=True)
class PubsubMessage:
    """
    A message on its way to its topic.

    Publish steps make it, one after the other; after the last of them it is ready to be published.

    :param message: its JSON text, once it is encoded
    :param message_attributes: its SNS message attributes, in boto3's form
    :param opaque_data: the data that the text holds under `opaqueData`
    :param group_id: its message group, which a FIFO topic needs
    :param deduplication_id: by which a FIFO topic knows it again
    :param content: the content that its schema encodes; empty if somebody else has
    :param due_at: when to publish it, in seconds since the epoch; None is now
    :param tracked: is told when it is published, or kept for later
    """

    media_type: str
    message: str
    message_attributes: dict[str, MessageAttribute]
    opaque_data: dict[str, Any]
    topic_arn: str
    group_id: str | None = None
    deduplication_id: str | None = None
    content: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    due_at: float | None = None
    tracked: Tracked | None = field(default=None, repr=False, compare=False)

    @property
    def size_bytes(self) -> int:
        """Return the bytes that the message counts against its topic's size limit: its text and its attributes."""
        attributes = sum(
            len(name) + sum(len(str(value)) for value in attribute.values())
            for name, attribute in self.message_attributes.items()
        )
        return len(self.message.encode()) + attributes


#: What may be a group, or a deduplication id.
#: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
GROUP = re.compile("[!-~]{1,128}")


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """
    The options with which one message is published.

    :param group: its message group: FIFO topics keep the order within one, and standard queues are fair between them;
        by default a FIFO topic's messages are grouped by the resource that they are about
    :param deduplication_id: a FIFO topic takes one message of this id within five minutes; one of its own by default
    :param attributes: more message attributes, text, by which subscriptions may filter
    :param delay_seconds: it is published this many seconds later; that needs a database
    :param at: or then, a time with its zone
    :raises ConfigurationError: if a value cannot work
    """

    group: str | None = None
    deduplication_id: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float | None = None
    at: datetime | None = None

    def __post_init__(self) -> None:
        self._check_time()
        for name in ("group", "deduplication_id"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and GROUP.fullmatch(value)):
                raise ConfigurationError(
                    f"PublishOptions: {name} is {value!r:.200}, but must be 1 to 128 ASCII letters, digits and "
                    "punctuation"
                )
        for name, value in self.attributes.items():
            if not (isinstance(name, str) and isinstance(value, str) and name and value):
                raise ConfigurationError(
                    f"PublishOptions: the attribute {name!r} has {article(value)}, but its name and its value "
                    "must be texts that are not empty"
                )

    def make_attributes(self) -> dict[str, MessageAttribute]:
        """Return the attributes as SNS takes them, in boto3's form."""
        return {name: {"DataType": "String", "StringValue": text} for name, text in self.attributes.items()}

    def find_due_at(self, now: float) -> float | None:
        """Return when to publish the message, in seconds since the epoch; None if that is now."""
        due_at = self.at.timestamp() if self.at is not None else now + (self.delay_seconds or 0)
        return due_at if due_at > now else None

    def _check_time(self) -> None:
        delay = self.delay_seconds
        if delay is not None and not (type(delay) in (int, float) and 0 <= delay <= MAX_DELAY_SECONDS):
            raise ConfigurationError(f"delay_seconds is {delay!r}, but must be a number of seconds from 0")
        if self.at is not None and not isinstance(self.at, datetime):
            raise ConfigurationError(f"at is {article(self.at)}, but must be a datetime")
        if self.at is not None and self.at.utcoffset() is None:
            raise ConfigurationError(
                f"at is {self.at.isoformat()}, a time without a zone, which means another moment elsewhere: give it "
                "one, such as datetime.now(UTC) has"
            )
        if self.at is not None and delay is not None:
            raise ConfigurationError("A message is published after delay_seconds, or at a time, but not both")


DEFAULT_OPTIONS = PublishOptions()


@dataclass(frozen=True, slots=True)
class ProduceResult:
    """
    The result of producing one message of a batch.

    :param message_id: the id that the topic gave; None if it failed or was skipped
    :param error: why it was not published
    """

    message_id: str | None = None
    error: Exception | None = None

    @property
    def ok(self) -> bool:
        """Return whether nothing went wrong."""
        return self.error is None
