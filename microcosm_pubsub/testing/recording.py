"""
Recording of calls.

Owns the only use of `unittest.mock` in the package: clients that do their work and record it, a
producer that does nothing else, and the reading of what either recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from json import dumps
from typing import Any
from unittest.mock import AsyncMock, MagicMock, NonCallableMock
from uuid import uuid4

from microcosm_pubsub.codecs.content import Payload, read_fields
from microcosm_pubsub.constants import DEFAULT_TOPIC_SIZE_LIMIT_BYTES, MEDIA_TYPE_ATTRIBUTE, URI_KEY
from microcosm_pubsub.producer import ProduceResult, PubsubMessage, SNSProducer, TopicArns
from microcosm_pubsub.producer.topic_calls import publish_each
from microcosm_pubsub.registry.media_type import find_declared_media_type
from microcosm_pubsub.testing.single_calls import BATCH_METHODS, SingleCalls


#: The topic of a message whose producer knows no topics.
NO_TOPIC = ""

#: One batch message of a recorded producer holds at most this many messages.
DEFERRED_BATCH_SIZE = 100

#: One recorded call: the method's name, its positional and its keyword arguments.
RecordedCall = tuple[str, tuple[Any, ...], dict[str, Any]]


def record(client: Any) -> Any:
    """
    Return an object that records every call and passes it on to the client.

    It is a `unittest.mock.MagicMock`: a test may read `publish.call_args`, or set
    `receive_message.return_value` or `side_effect`, which then stand in for the client. A batch call makes a recorded
    call for each of its entries, so that a test need not know whether messages went together.
    """
    recorded = MagicMock(wraps=client)
    for name in BATCH_METHODS:
        if hasattr(client, name):
            setattr(recorded, name, MagicMock(wraps=SingleCalls(recorded, client, name)))
    return recorded


def recording_producer() -> Any:
    """
    Return a producer that publishes nothing and records its calls.

    It is a `unittest.mock.MagicMock` of an `SNSProducer`, whose methods answer with message ids of their own making
    until a test sets what they return. It has no attributes that a producer does not have.
    """
    producer = MagicMock(
        spec=SNSProducer(sns_client=None, sns_topic_arns=TopicArns({}), registry=None),  # type: ignore[arg-type]
        deferred_batch_size=DEFERRED_BATCH_SIZE,
        topic_size_limit_bytes=DEFAULT_TOPIC_SIZE_LIMIT_BYTES,
    )
    stand_in = ProducerStandIn(producer)
    for name in ("produce", "create_message", "publish_message", "produce_batch"):
        setattr(producer, name, MagicMock(wraps=getattr(stand_in, name)))
    producer.produce_async = AsyncMock(wraps=stand_in.produce_async)
    return producer


def recorded_calls(recorded: Any) -> list[RecordedCall] | None:
    """
    Return the calls of an object's own methods, in order; None if the object does not record.

    Those of a method that was reset are left out, as are batch calls that made a call for each entry.
    """
    if not isinstance(recorded, NonCallableMock):
        return None
    left = Counter({name: len(child.call_args_list) for name, child in iter_methods(recorded)})
    calls: list[RecordedCall] = []
    for name, args, kwargs in reversed(recorded.mock_calls):
        if name in left:
            left[name] -= 1
            if left[name] < 0:
                continue
        if not is_spread(recorded, name, args, kwargs):
            calls.append((name, args, kwargs))
    return calls[::-1]


def iter_methods(recorded: NonCallableMock) -> Iterator[tuple[str, Any]]:
    """Iterate over the names and the mocks of the methods that were called."""
    for name in {name for name, _, _ in recorded.mock_calls if name.isidentifier()}:
        child = getattr(recorded, name, None)
        if isinstance(child, NonCallableMock):
            yield name, child


def is_spread(recorded: NonCallableMock, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Return whether a recorded call made a call for each of its entries."""
    wrapped = getattr(getattr(recorded, name, None), "_mock_wraps", None) if name.isidentifier() else None
    owner = wrapped if isinstance(wrapped, SingleCalls) else getattr(wrapped, "__self__", None)
    return (
        name in (*BATCH_METHODS, "produce_batch")
        and isinstance(owner, (SingleCalls, ProducerStandIn))
        and owner.has_made(*args, **kwargs)
    )


def read_content(media_type: Any, content: Any) -> tuple[Any, dict[str, Any]]:
    """Return the media type and the content that a producer is given, which may be an instance of a class."""
    if not isinstance(media_type, str) and read_fields(media_type):
        media_type, content = find_declared_media_type(type(media_type)), media_type
    return media_type, dict(content or {}) if isinstance(content, (Mapping, type(None))) else read_fields(content)


class ProducerStandIn:
    """
    Answer as a producer does, and publish nothing: no schema and no topic is needed.

    :param recorded: the producer for which it stands in, which takes a call for each message of a batch
    """

    def __init__(self, recorded: Any) -> None:
        self.recorded = recorded
        #: The messages that were published one by one, by their identity, which lasts as long as they are kept.
        self._made: dict[int, Any] = {}

    def produce(
        self,
        media_type: str | Payload,
        dct: Mapping[str, Any] | Payload | None = None,
        uri: str | None = None,
        **kwargs: Any,
    ) -> str:
        """Return a new message id."""
        return str(uuid4())

    async def produce_async(
        self,
        media_type: str | Payload,
        dct: Mapping[str, Any] | Payload | None = None,
        uri: str | None = None,
        **kwargs: Any,
    ) -> str:
        """Return a new message id."""
        return str(uuid4())

    def create_message(
        self,
        media_type: str | Payload,
        dct: Mapping[str, Any] | Payload | None = None,
        uri: str | None = None,
        opaque_data: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> PubsubMessage:
        """Return the message that was asked for, as it is."""
        told, fields = read_content(media_type, dct)
        content = {**fields, **kwargs, **({} if uri is None else {URI_KEY: uri})}
        opaque = {} if opaque_data is None else {"opaqueData": dict(opaque_data)}
        return PubsubMessage(
            media_type=told,
            message=dumps({**content, **opaque, "mediaType": told}, default=str),
            message_attributes={MEDIA_TYPE_ATTRIBUTE: {"DataType": "String", "StringValue": told}},
            opaque_data=dict(opaque_data or {}),
            topic_arn=NO_TOPIC,
        )

    def publish_message(self, pubsub_message: Any) -> str:
        """Return a new message id."""
        return str(uuid4())

    def produce_batch(self, messages: Iterable[Any]) -> list[ProduceResult]:
        """Return the result of each message; for those that `create_message` made, recorded calls are made."""
        made = list(messages)
        if any(isinstance(message, Mapping) for message in made):
            return [ProduceResult(message_id=str(uuid4())) for _ in made]
        self._made[id(messages)] = messages
        return publish_each(self.recorded.publish_message, made)

    def has_made(self, messages: Iterable[Any]) -> bool:
        """Return whether it made the calls for the messages of a batch."""
        return id(messages) in self._made
