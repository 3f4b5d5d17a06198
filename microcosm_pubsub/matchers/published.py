"""
The messages that a producer published.

Owns the reading of recorded calls, whichever side of the producer recorded them: a producer's own
calls when the whole producer is recorded, its SNS client's calls when only that is. Either way a
test sees the same `PublishedMessage`s, in the order in which they were published.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from json import loads
from typing import Any

from microcosm_pubsub.codecs.content import Payload, read_fields
from microcosm_pubsub.constants import MEDIA_TYPE_ATTRIBUTE, URI_KEY
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.testing.recording import read_content, recorded_calls


@dataclass(frozen=True, slots=True)
class PublishedMessage:
    """
    One published message, as it was encoded.

    :param content: the message's fields, without media type and opaque data
    :param topic_arn: where it was published; None if a recorded producer never chose a topic
    """

    media_type: str | None
    uri: str | None = None
    content: dict[str, Any] = field(default_factory=dict)
    opaque_data: dict[str, Any] = field(default_factory=dict)
    topic_arn: str | None = None

    @classmethod
    def from_fields(
        cls,
        fields: Mapping[str, Any],
        media_type: str | None = None,
        topic_arn: str | None = None,
    ) -> PublishedMessage:
        """
        Create a message from its fields.

        :param fields: by wire name or by attribute name
        :param media_type: is used if the fields do not tell
        """
        content = dict(fields)
        named = [content.pop(name, None) for name in ("mediaType", "media_type")]
        opaque_data = [content.pop(name, None) for name in ("opaqueData", "opaque_data")]
        return cls(
            media_type=media_type or named[0] or named[1],
            uri=content.get(URI_KEY),
            content=content,
            opaque_data=dict(opaque_data[0] or opaque_data[1] or {}),
            topic_arn=topic_arn or None,
        )

    @classmethod
    def from_text(
        cls,
        text: str,
        media_type: str | None = None,
        topic_arn: str | None = None,
    ) -> PublishedMessage:
        """Create a message from its JSON text."""
        fields = loads(text)
        return cls.from_fields(fields if isinstance(fields, Mapping) else {}, media_type, topic_arn)

    @classmethod
    def from_call(cls, call: Any) -> PublishedMessage:
        """
        Create a message from one recorded call that published it.

        :param call: one of `mock_calls` or `call_args_list`, of a producer or of an SNS client
        :raises ConfigurationError: if the call published none
        """
        message = next(cls.iter_from_mock_calls([call]), None)
        if message is None:
            raise ConfigurationError(f"The call {call!r} published no message")
        return message

    @classmethod
    def iter_from_mock_calls(cls, mock_calls: Iterable[Any]) -> Iterator[PublishedMessage]:
        """
        Iterate over the messages that recorded calls published.

        :param mock_calls: those of a producer, of an SNS client, or of one of their methods
        """
        for call in mock_calls:
            name, args, kwargs = call if len(call) == 3 else ("", *call)
            reader = READERS.get(name) if name else _find_reader(args, kwargs)
            if reader is not None:
                yield from reader(*args, **kwargs)

    @classmethod
    def iter_from_sns_producer(cls, sns_producer: Any) -> Iterator[PublishedMessage]:
        """Iterate over the messages that a producer published, oldest first."""
        yield from published_messages_for(sns_producer)

    def __str__(self) -> str:
        opaque_data = f" opaque_data={self.opaque_data}" if self.opaque_data else ""
        return f"{self.media_type} {self.content}{opaque_data}"


def published_messages_for(producer: Any) -> list[PublishedMessage]:
    """
    List the messages that a producer published, oldest first.

    :param producer: a producer whose `sns_client` is recorded, or that is recorded itself
    :raises ConfigurationError: if neither is
    """
    calls = recorded_calls(producer)
    if calls is None:
        calls = recorded_calls(getattr(producer, "sns_client", None))
    if calls is None:
        raise ConfigurationError(
            f"{type(producer).__name__} does not record what it publishes; take the producer of a graph "
            "created with testing=True, or give it an sns_client from microcosm_pubsub.testing.record"
        )
    return list(PublishedMessage.iter_from_mock_calls(calls))


def _find_reader(args: Any, kwargs: Mapping[str, Any]) -> Callable[..., Iterator[PublishedMessage]]:
    """Return the reader of a call of a method whose name is not known."""
    if "PublishBatchRequestEntries" in kwargs:
        return _publish_batch
    if "TopicArn" in kwargs:
        return _publish
    first = args[0] if args else None
    if isinstance(first, (str, type(None))) or (read_fields(first) and not hasattr(first, "message")):
        return _produce
    return _publish_message if isinstance(first, Mapping) or hasattr(first, "message") else _produce_batch


def _publish(**kwargs: Any) -> Iterator[PublishedMessage]:
    """Read `sns_client.publish`."""
    yield _entry(kwargs, kwargs.get("TopicArn"))


def _publish_batch(**kwargs: Any) -> Iterator[PublishedMessage]:
    """Read `sns_client.publish_batch`."""
    for entry in kwargs["PublishBatchRequestEntries"]:
        yield _entry(entry, kwargs.get("TopicArn"))


def _entry(entry: Mapping[str, Any], topic_arn: str | None) -> PublishedMessage:
    attribute = (entry.get("MessageAttributes") or {}).get(MEDIA_TYPE_ATTRIBUTE, {})
    return PublishedMessage.from_text(entry["Message"], attribute.get("StringValue"), topic_arn)


def _produce(
    media_type: str | Payload,
    dct: Mapping[str, Any] | Payload | None = None,
    uri: str | None = None,
    **kwargs: Any,
) -> Iterator[PublishedMessage]:
    """Read `producer.produce`."""
    told, content = read_content(media_type, dct)
    fields = {**content, **kwargs}
    if uri is not None:
        fields[URI_KEY] = uri
    yield PublishedMessage.from_fields(fields, told)


def _publish_message(pubsub_message: Any) -> Iterator[PublishedMessage]:
    """Read `producer.publish_message`, or one message of a batch."""
    if isinstance(pubsub_message, Mapping):
        return _produce(**pubsub_message)
    text, media_type, topic_arn = pubsub_message.message, pubsub_message.media_type, pubsub_message.topic_arn
    return iter([PublishedMessage.from_text(text, media_type, topic_arn)])


def _produce_batch(messages: Iterable[Any], *args: Any, **kwargs: Any) -> Iterator[PublishedMessage]:
    """Read `producer.produce_batch`."""
    for message in messages:
        yield from _publish_message(message)


#: By the name of the recorded method: what a call of it published.
READERS: dict[str, Callable[..., Iterator[PublishedMessage]]] = {
    "publish": _publish,
    "publish_batch": _publish_batch,
    "produce": _produce,
    "produce_async": _produce,
    "publish_message": _publish_message,
    "produce_batch": _produce_batch,
}
