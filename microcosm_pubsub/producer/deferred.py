"""
Produce at the end of a block, and only if the block ends cleanly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from microcosm_pubsub.batch import BatchedMessageSchema, MessageBatchSchema
from microcosm_pubsub.codecs.content import Payload
from microcosm_pubsub.constants import DEFAULT_TOPIC_SIZE_LIMIT_BYTES
from microcosm_pubsub.errors import PublishError
from microcosm_pubsub.producer.message import ProduceResult, PubsubMessage
from microcosm_pubsub.producer.protocol import BatchingProducer, Producer
from microcosm_pubsub.producer.topic_calls import publish_each


P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D", bound="DeferredProducer")

#: The frame of a batch message, and its opaque data, take at most this much of a topic's size limit.
BATCH_OVERHEAD_BYTES = 8 * 1024

#: A batch message holds at most this many messages, unless the producer says otherwise.
DEFAULT_BATCH_SIZE = 100

#: Writes a message within a batch; its opaque data stands in its text already.
BATCHED = BatchedMessageSchema(exclude=["opaque_data"])


class DeferredProducer:
    """
    Take messages as a producer does, and publish them all at the clean end of a block.

    A message that is wrong raises where it is produced. If the block raises, nothing is published. A block
    within a block publishes with the outer one.

    :param producer: the producer that publishes
    """

    def __init__(self, producer: BatchingProducer) -> None:
        self.producer = producer
        self.messages: list[PubsubMessage] = []

    def produce(
        self,
        media_type: str | Payload,
        dct: Mapping[str, Any] | Payload | None = None,
        uri: str | None = None,
        **kwargs: Any,
    ) -> None:
        """
        Take a message; the arguments and errors are those of `SNSProducer.produce`, but for `PublishError`.
        """
        self.messages.append(self.producer.create_message(media_type, dct, uri=uri, **kwargs))

    def create_message(
        self,
        media_type: str | Payload,
        dct: Mapping[str, Any] | Payload | None = None,
        uri: str | None = None,
        opaque_data: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> PubsubMessage:
        """Return a message that is ready to be published, as the producer does."""
        return self.producer.create_message(media_type, dct, uri, opaque_data, **kwargs)

    def produce_batch(self, messages: Iterable[PubsubMessage | Mapping[str, Any]]) -> list[ProduceResult]:
        """
        Take messages, such as those of a block within this one; a wrong one raises here.

        :param messages: made by `create_message`, or mappings of `produce`'s arguments
        """
        taken = [each if isinstance(each, PubsubMessage) else self.create_message(**each) for each in messages]
        self.messages.extend(taken)
        return [ProduceResult() for _ in taken]

    @property
    def deferred_batch_size(self) -> int:
        """Return how many messages a batch message holds at most."""
        return find_number(self.producer, "deferred_batch_size", DEFAULT_BATCH_SIZE)

    @property
    def topic_size_limit_bytes(self) -> int:
        """Return the most that a topic takes in one call."""
        return find_number(self.producer, "topic_size_limit_bytes", DEFAULT_TOPIC_SIZE_LIMIT_BYTES)

    def __enter__(self: D) -> D:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        messages, self.messages = self.messages, []
        if exc_type is None and messages:
            self.publish(messages)

    def publish(self, messages: list[PubsubMessage]) -> None:
        """
        Publish the messages of a block.

        :raises PublishError: if any was not published, after all others were tried
        """
        failed = [result.error for result in publish_all(self.producer, messages) if not result.ok]
        if failed:
            raise PublishError(
                f"{len(failed)} of {len(messages)} messages were not published; first: {failed[0]}"
            ) from failed[0]


class DeferredBatchProducer(DeferredProducer):
    """
    Take messages as a producer does, and publish them as few batch messages at the clean end of a block.

    A batch message holds at most `deferred_batch_size` messages, and no more than its topic takes; a message
    that would be alone in one is published as itself.
    """

    def publish(self, messages: list[PubsubMessage]) -> None:
        """
        Publish the messages of a block in batch messages.

        :raises TopicNotDefinedError: if the batch media type has no topic of its own
        :raises PublishError: if any was not published, after all others were tried
        """
        now = [message for message in messages if message.due_at is None]
        # These are published each at its own time.
        later = [message for message in messages if message.due_at is not None]
        super().publish([*(self._pack(chunk) for chunk in self.generate_message_batches(now)), *later])

    def _pack(self, chunk: list[PubsubMessage]) -> PubsubMessage:
        if len(chunk) == 1:
            return chunk[0]
        batch: PubsubMessage = self.producer.create_message(
            MessageBatchSchema.MEDIA_TYPE,
            {"messages": [BATCHED.dump(message) for message in chunk]},
        )
        for message in chunk:
            if message.tracked is not None:
                # The batch is published in its place.
                message.tracked.end(ProduceResult())
                message.tracked = None
        return batch

    def generate_message_batches(
        self, messages: Iterable[PubsubMessage] | None = None
    ) -> Iterator[list[PubsubMessage]]:
        """
        Iterate over the messages that go together into one batch message each.

        :param messages: those that were produced so far, if not given
        """
        limit = self.topic_size_limit_bytes - BATCH_OVERHEAD_BYTES
        chunk: list[PubsubMessage] = []
        size = 0
        for message in self.messages if messages is None else messages:
            # Within the batch the message is JSON within JSON, whose quotes are escaped.
            added = 2 * message.size_bytes
            if chunk and (len(chunk) == self.deferred_batch_size or size + added > limit):
                yield chunk
                chunk, size = [], 0
            chunk.append(message)
            size += added
        if chunk:
            yield chunk


def publish_all(producer: Producer, messages: list[PubsubMessage]) -> list[ProduceResult]:
    """
    Publish messages together; one by one if the producer, as one of version 3 or a mock, knows no other way.

    :returns: the result of each
    """
    # A mock has whatever attribute it is asked for, but its class does not.
    if hasattr(producer.__class__, "produce_batch"):
        return producer.produce_batch(messages)
    publish_message: Callable[[PubsubMessage], str | None] = producer.publish_message  # type: ignore[attr-defined]
    return publish_each(publish_message, messages)


def find_number(producer: BatchingProducer, name: str, default: int) -> int:
    """Return a number that a producer tells, or the default if it does not."""
    value = getattr(producer, name, default)
    return value if isinstance(value, int) else default


def deferred(component: Any, key: str = "sns_producer") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """
    Return a decorator that makes the producer of a component deferred while a function of it runs.

    :param key: the component's attribute that holds the producer
    """
    return _deferring(DeferredProducer, component, key)


def deferred_batch(component: Any, key: str = "sns_producer") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """
    Return a decorator that makes the producer of a component batch while a function of it runs.

    :param key: the component's attribute that holds the producer
    """
    return _deferring(DeferredBatchProducer, component, key)


def _deferring(
    deferred_cls: type[DeferredProducer], component: Any, key: str
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    def decorator(func: Callable[P, R]) -> Callable[P, R]:
        @wraps(func)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            producer = getattr(component, key)
            with deferred_cls(producer) as deferred_producer:
                setattr(component, key, deferred_producer)
                try:
                    return func(*args, **kwargs)
                finally:
                    setattr(component, key, producer)

        return wrapper

    return decorator
