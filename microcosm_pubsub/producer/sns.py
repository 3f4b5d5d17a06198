"""
Publish messages, one by one or in batches.
"""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from time import time
from typing import Any

from marshmallow import ValidationError

from microcosm_pubsub.batch import MessageBatchSchema
from microcosm_pubsub.clients import TopicClient
from microcosm_pubsub.codecs.content import Payload
from microcosm_pubsub.constants import (
    DEFAULT_TOPIC_SIZE_LIMIT_BYTES,
    MEDIA_TYPE_ATTRIBUTE,
    PUBLISHED_KEY,
    URI_KEY,
)
from microcosm_pubsub.errors import ConfigurationError, PubSubError, TopicNotDefinedError
from microcosm_pubsub.message.raw import MessageAttribute
from microcosm_pubsub.producer.content import find_codec, find_media_type
from microcosm_pubsub.producer.group import add_group
from microcosm_pubsub.producer.identity import add_identity
from microcosm_pubsub.producer.message import DEFAULT_OPTIONS, ProduceResult, PublishOptions, PubsubMessage
from microcosm_pubsub.producer.pipeline import MeasurePublishing, PublishLayer, PublishStep, compose
from microcosm_pubsub.producer.topic_calls import iter_chunks, publish, publish_each
from microcosm_pubsub.producer.topics import TopicArns
from microcosm_pubsub.registry import PubSubMessageSchemaRegistry


class SNSProducer:
    """
    Publish messages, each to the topic of its media type.

    `steps` and `layers`, in the order in which a message goes through them, are explained in `producer.pipeline`.

    :param sns_client: makes the calls
    :param sns_topic_arns: the topic of each media type, and a `default`
    :param registry: knows the schemas
    :param opaque: data that goes with every message
    :param skip: whether to publish nothing at all
    :param deferred_batch_size: at most this many messages within one batch message
    :param metrics: is told of each call: media type, milliseconds, "success" or "failure"
    :param topic_size_limit_bytes: the most that a topic takes in one call
    :param now: tells the time of day, in seconds since the epoch
    :param steps: more steps, before a message is encoded
    :param body_steps: more steps, after that
    :param layers: layers around each call to a topic, the outermost first
    :param can_wait: whether one of these keeps messages to publish later
    """

    def __init__(
        self,
        sns_client: TopicClient,
        sns_topic_arns: TopicArns,
        registry: PubSubMessageSchemaRegistry,
        opaque: Mapping[str, Any] | None = None,
        skip: bool = False,
        deferred_batch_size: int = 100,
        metrics: Callable[[str, float, str], None] | None = None,
        topic_size_limit_bytes: int = DEFAULT_TOPIC_SIZE_LIMIT_BYTES,
        now: Callable[[], float] = time,
        steps: Sequence[PublishStep] = (),
        body_steps: Sequence[PublishStep] = (),
        layers: Sequence[PublishLayer] = (),
        can_wait: bool = False,
    ) -> None:
        self.sns_client = sns_client
        self.sns_topic_arns = sns_topic_arns
        self.registry = registry
        self.opaque = opaque
        self.skip = skip
        self.deferred_batch_size = deferred_batch_size
        self.topic_size_limit_bytes = topic_size_limit_bytes
        self.now = now
        self.can_wait = can_wait
        self.steps: tuple[PublishStep, ...] = (
            add_identity,
            self.add_opaque_data,
            self.set_topic,
            self.add_attributes,
            add_group,
            *steps,
            self.encode,
            *body_steps,
        )
        self.layers: tuple[PublishLayer, ...] = tuple(layers)
        if metrics is not None:
            self.layers += (MeasurePublishing(metrics),)
        self._publish = compose(self.layers, lambda messages: publish(self.sns_client, messages))

    def produce(
        self,
        media_type: str | Payload,
        dct: Mapping[str, Any] | Payload | None = None,
        uri: str | None = None,
        **kwargs: Any,
    ) -> str | None:
        """
        Publish a message and return its id, or None if the producer is set to skip.

        :param media_type: or an instance of a class that is registered for one, which is then the content
        :param dct: the content: a mapping, or an instance of the class of the media type
        :param uri: the URI that the message is about, if its schema has one
        :param kwargs: more content, which wins over `dct`; but `options`, if they are `PublishOptions`, say how to
            publish, and `delay_seconds` or `at`, unless the schema has a field of that name, when
        :raises ConfigurationError: if it must be published later, and there is no database
        :raises TopicNotDefinedError: if the media type has no topic
        :raises marshmallow.ValidationError: if the content does not fit the schema of the media type
        :raises PublishError: if the topic did not take it; the client's error is the cause
        """
        return self.publish_message(self.create_message(media_type, dct, uri=uri, **kwargs))

    async def produce_async(
        self,
        media_type: str | Payload,
        dct: Mapping[str, Any] | Payload | None = None,
        uri: str | None = None,
        **kwargs: Any,
    ) -> str | None:
        """
        Publish a message from a coroutine, whose event loop goes on meanwhile: another thread waits for the topic.

        The arguments, the result and the errors are those of `produce`. When the coroutine is cancelled, the message
        may be published all the same.
        """
        return await to_thread(self.produce, media_type, dct, uri, **kwargs)

    def produce_batch(self, messages: Iterable[PubsubMessage | Mapping[str, Any]]) -> list[ProduceResult]:
        """
        Publish messages, at most ten per call and within the topic's limit, and return a result for each.

        :param messages: made by `create_message`, or mappings of `produce`'s arguments
        """
        created = [self._create(message) for message in messages]
        results = [item if isinstance(item, ProduceResult) else ProduceResult() for item in created]
        if self.skip:
            return results
        positions = [index for index, item in enumerate(created) if isinstance(item, PubsubMessage)]
        ready = [item for item in created if isinstance(item, PubsubMessage)]
        for chunk in iter_chunks(ready, self.topic_size_limit_bytes):
            outcome = self._publish_chunk([ready[index] for index in chunk])
            for index, result in zip(chunk, outcome, strict=True):
                results[positions[index]] = result
        return results

    def create_message(
        self,
        media_type: str | Payload,
        dct: Mapping[str, Any] | Payload | None = None,
        uri: str | None = None,
        opaque_data: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> PubsubMessage:
        """
        Return a message that is ready to be published.

        :param media_type: or an instance of a class that is registered for one, which is then the content
        :param dct: the content: a mapping, or an instance of the class of the media type
        :param opaque_data: more opaque data, which wins over the graph's
        :param kwargs: more content; but `options`, if they are `PublishOptions`, say how to publish, and
            `delay_seconds` or `at` when
        :raises TopicNotDefinedError: if the media type has no topic
        :raises marshmallow.ValidationError: if the content does not fit the schema of the media type
        """
        if not isinstance(media_type, str):
            dct = media_type
            media_type = find_media_type(self.registry, dct)
        options = self._take_options(media_type, kwargs)
        if dct is not None and not isinstance(dct, Mapping):
            dct = find_codec(self.registry, media_type).to_mapping(dct)
        content = {**(dct or {}), **kwargs}
        if uri is not None:
            content[URI_KEY] = uri
        message = PubsubMessage(
            media_type=media_type,
            message="",
            message_attributes=options.make_attributes(),
            opaque_data=dict(opaque_data or {}),
            topic_arn="",
            group_id=options.group,
            deduplication_id=options.deduplication_id,
            content=content,
            due_at=options.find_due_at(self.now()),
        )
        if message.due_at is not None and not self.can_wait:
            raise ConfigurationError(
                f"Cannot publish {media_type} later: SNS has no delay, and there is no outbox that would keep it until "
                "then; set pubsub_database.url"
            )
        for step in self.steps:
            step(message)
        return message

    def publish_message(self, pubsub_message: PubsubMessage) -> str | None:
        """
        Publish a message that `create_message` made and return its id, or None if set to skip.

        :raises PublishError: if the topic did not take it; the client's error is the cause
        """
        if self.skip:
            return None
        (result,) = self._publish([pubsub_message])
        if result.error is not None:
            raise result.error
        return result.message_id

    def choose_topic_arn(self, media_type: str) -> str:
        """
        Return the ARN of the topic of a media type.

        :raises TopicNotDefinedError: if it has none
        """
        topic_arn = self.sns_topic_arns.get(media_type)
        # Consumers of the default topic need not know how to unpack bundles.
        if topic_arn is None and media_type != MessageBatchSchema.MEDIA_TYPE:
            topic_arn = self.sns_topic_arns.default
        if not topic_arn:
            raise TopicNotDefinedError(
                f"No topic for {media_type}: set it in sns_topic_arns.mappings or under its lifecycle change, or (for "
                "all but batches) set sns_topic_arns.default; or publish to the embedded broker (PUBSUB_BROKER_URL), "
                "which has a topic for them"
            )
        return topic_arn

    def choose_message_attributes(self, media_type: str) -> dict[str, MessageAttribute]:
        """Return the message attributes of a media type, by which subscriptions may filter."""
        return {MEDIA_TYPE_ATTRIBUTE: {"DataType": "String", "StringValue": media_type}}

    # The steps that every message goes through.

    def add_opaque_data(self, message: PubsubMessage) -> None:
        """Add the graph's opaque data, and when the message is published; values that the message has already win."""
        merged = {**(self.opaque or {}), PUBLISHED_KEY: str(self.now()), **message.opaque_data}
        message.opaque_data = {str(key).lower(): value for key, value in merged.items()}

    def set_topic(self, message: PubsubMessage) -> None:
        """Choose the topic of the message's media type."""
        message.topic_arn = self.choose_topic_arn(message.media_type)

    def add_attributes(self, message: PubsubMessage) -> None:
        """Add the message attributes of the message's media type, which win."""
        message.message_attributes.update(self.choose_message_attributes(message.media_type))

    def encode(self, message: PubsubMessage) -> None:
        """
        Encode the content by the schema of the message's media type.

        :raises marshmallow.ValidationError: if the content does not fit
        """
        codec = find_codec(self.registry, message.media_type)
        written = {"media_type": message.media_type, "opaque_data": message.opaque_data}
        message.message = codec.encode({**message.content, **written})

    def _take_options(self, media_type: str, kwargs: dict[str, Any]) -> PublishOptions:
        """Return how a message is published, and take that from among its content, which may have such fields too."""
        options = kwargs.pop("options") if isinstance(kwargs.get("options"), PublishOptions) else DEFAULT_OPTIONS
        given = {"delay_seconds", "at"} & kwargs.keys()
        if not given:
            return options
        codec = find_codec(self.registry, media_type)
        return replace(options, **{name: kwargs.pop(name) for name in given if not codec.has_field(name)})

    def _create(self, message: PubsubMessage | Mapping[str, Any]) -> PubsubMessage | ProduceResult:
        if isinstance(message, PubsubMessage):
            return message
        try:
            return self.create_message(**{"dct": None, "media_type": None, **message})
        except (PubSubError, ValidationError) as error:
            return ProduceResult(error=error)

    def _publish_chunk(self, messages: list[PubsubMessage]) -> list[ProduceResult]:
        if type(self).publish_message is not SNSProducer.publish_message or "publish_message" in vars(self):
            # A subclass, or a test, is to see every message that is published.
            return publish_each(self.publish_message, messages)
        # A layer is user code: what it raises concerns the messages of this call, and the others are still published.
        try:
            return self._publish(messages)
        except Exception as error:
            return [ProduceResult(error=error) for _ in messages]
