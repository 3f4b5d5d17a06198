"""
Publish messages, one by one or in batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from logging import getLogger
from string import punctuation
from time import perf_counter, time
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from marshmallow import ValidationError

from microcosm_pubsub.batch import MessageBatchSchema
from microcosm_pubsub.clients import CLIENT_ERRORS, TopicClient, error_code
from microcosm_pubsub.constants import (
    DEFAULT_TOPIC_SIZE_LIMIT_BYTES,
    FIFO_SUFFIX,
    MAX_BATCH_ENTRIES,
    MEDIA_TYPE_ATTRIBUTE,
    PUBLISHED_KEY,
    URI_KEY,
)
from microcosm_pubsub.errors import PublishError, PubSubError, TopicNotDefinedError
from microcosm_pubsub.producer.message import ProduceResult, PubsubMessage
from microcosm_pubsub.producer.topics import TopicArns
from microcosm_pubsub.registry import PubSubMessageSchemaRegistry


logger = getLogger(__name__)


class SNSProducer:
    """
    Publish messages, each to the topic of its media type.

    :param sns_client: makes the calls
    :param sns_topic_arns: the topic of each media type, and a `default`
    :param registry: knows the schemas
    :param opaque: data that goes with every message
    :param skip: whether to publish nothing at all
    :param deferred_batch_size: at most this many messages within one batch message
    :param metrics: is told of each call: media type, milliseconds, "success" or "failure"
    :param topic_size_limit_bytes: what a topic takes in one call
    :param now: tells the time of day, in seconds since the epoch
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
    ) -> None:
        self.sns_client = sns_client
        self.sns_topic_arns = sns_topic_arns
        self.registry = registry
        self.opaque = opaque
        self.skip = skip
        self.deferred_batch_size = deferred_batch_size
        self.metrics = metrics
        self.topic_size_limit_bytes = topic_size_limit_bytes
        self.now = now

    def produce(
        self,
        media_type: str,
        dct: Mapping[str, Any] | None = None,
        uri: str | None = None,
        **kwargs: Any,
    ) -> str | None:
        """
        Publish a message and return its id, or None if the producer is set to skip.

        :param dct: the content
        :param uri: what the message is about, if its schema has that
        :param kwargs: more content, which wins over `dct`
        :raises TopicNotDefinedError: if the media type has no topic
        :raises marshmallow.ValidationError: if the content does not fit the schema of the media type
        :raises PublishError: if the topic did not take it; the client's error is the cause
        """
        return self.publish_message(self.create_message(media_type, dct, uri=uri, **kwargs))

    def produce_batch(
        self,
        messages: Iterable[PubsubMessage | Mapping[str, Any]],
    ) -> list[ProduceResult]:
        """
        Publish messages, at most ten per call and within the topic's limit, and return a result for each.

        :param messages: made by `create_message`, or mappings of `produce`'s arguments
        """
        created = [self._create(message) for message in messages]
        results = [item if isinstance(item, ProduceResult) else ProduceResult() for item in created]
        if self.skip:
            return results
        by_topic: dict[str, list[tuple[int, PubsubMessage]]] = {}
        for index, item in enumerate(created):
            if isinstance(item, PubsubMessage):
                by_topic.setdefault(item.topic_arn, []).append((index, item))
        for topic_arn, entries in by_topic.items():
            for chunk in self._iter_chunks(entries):
                outcome = self._publish_chunk(topic_arn, [message for _, message in chunk])
                for (index, _), result in zip(chunk, outcome, strict=True):
                    results[index] = result
        return results

    def create_message(
        self,
        media_type: str,
        dct: Mapping[str, Any] | None,
        uri: str | None = None,
        opaque_data: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> PubsubMessage:
        """
        Return a message that is ready to be published.

        :param opaque_data: more opaque data, which wins over the graph's
        :raises TopicNotDefinedError: if the media type has no topic
        :raises marshmallow.ValidationError: if the content does not fit the schema of the media type
        """
        if not isinstance(media_type, str):
            raise PublishError(f"Cannot produce {media_type!r}: a media type must be text, such as created(...) gives")
        topic_arn = self.choose_topic_arn(media_type)
        content = {**(dct or {}), **kwargs}
        if uri is not None:
            content[URI_KEY] = uri
        opaque = self._make_opaque_data(opaque_data)
        try:
            codec = self.registry.find(media_type)
        except KeyError:
            raise PublishError(
                f"Cannot produce {media_type}: it has no schema; register one with @schema, or use a media "
                "type with a lifecycle change, such as created(...)"
            ) from None
        message = codec.encode({**content, "media_type": media_type, "opaque_data": opaque})
        fifo = topic_arn.endswith(FIFO_SUFFIX)
        return PubsubMessage(
            media_type=media_type,
            message=message,
            message_attributes=self.choose_message_attributes(media_type),
            opaque_data=opaque,
            topic_arn=topic_arn,
            # what is told of one resource stays in order
            group_id=make_group_id(content.get(URI_KEY) or content.get("id") or media_type) if fifo else None,
        )

    def publish_message(self, pubsub_message: PubsubMessage) -> str | None:
        """
        Publish a message that `create_message` made and return its id, or None if set to skip.

        :raises PublishError: if the topic did not take it; the client's error is the cause
        """
        if self.skip:
            return None
        start = perf_counter()
        outcome = "failure"
        try:
            response = self.sns_client.publish(
                TopicArn=pubsub_message.topic_arn,
                **_publish_entry(pubsub_message),
            )
            outcome = "success"
        except CLIENT_ERRORS as error:
            raise publish_error(pubsub_message, error_code(error)) from error
        finally:
            self._measure(pubsub_message.media_type, start, outcome)
        message_id: str = response["MessageId"]
        return message_id

    def choose_topic_arn(self, media_type: str) -> str:
        """
        Return the ARN of the topic of a media type.

        :raises TopicNotDefinedError: if it has none
        """
        topic_arn = self.sns_topic_arns.get(media_type)
        # whoever reads the default topic need not know how to unpack batches
        if topic_arn is None and media_type != MessageBatchSchema.MEDIA_TYPE:
            topic_arn = self.sns_topic_arns.default
        if not topic_arn:
            raise TopicNotDefinedError(
                f"No topic for {media_type}: set it in sns_topic_arns.mappings or under its lifecycle change, "
                "or (for all but batches) set sns_topic_arns.default"
            )
        return topic_arn

    def choose_message_attributes(self, media_type: str) -> dict[str, Any]:
        """Return the message attributes of a media type, by which subscriptions may filter."""
        return {MEDIA_TYPE_ATTRIBUTE: {"DataType": "String", "StringValue": media_type}}

    def _make_opaque_data(self, opaque_data: Mapping[str, Any] | None) -> dict[str, Any]:
        merged = {**(self.opaque or {}), PUBLISHED_KEY: str(self.now()), **(opaque_data or {})}
        return {str(key).lower(): value for key, value in merged.items()}

    def _create(self, message: PubsubMessage | Mapping[str, Any]) -> PubsubMessage | ProduceResult:
        if isinstance(message, PubsubMessage):
            return message
        arguments = {"dct": None, "media_type": None, **message}
        try:
            return self.create_message(**arguments)
        except (PubSubError, ValidationError) as error:
            return ProduceResult(error=error)

    def _iter_chunks(
        self,
        entries: list[tuple[int, PubsubMessage]],
    ) -> Iterator[list[tuple[int, PubsubMessage]]]:
        chunk: list[tuple[int, PubsubMessage]] = []
        size = 0
        for entry in entries:
            size += entry[1].size_bytes
            if chunk and (len(chunk) == MAX_BATCH_ENTRIES or size > self.topic_size_limit_bytes):
                yield chunk
                chunk, size = [], entry[1].size_bytes
            chunk.append(entry)
        if chunk:
            yield chunk

    def _publish_chunk(self, topic_arn: str, messages: list[PubsubMessage]) -> list[ProduceResult]:
        if len(messages) == 1:
            try:
                return [ProduceResult(message_id=self.publish_message(messages[0]))]
            except PublishError as error:
                return [ProduceResult(error=error)]
        start = perf_counter()
        outcome = "failure"
        try:
            response = self.sns_client.publish_batch(
                TopicArn=topic_arn,
                PublishBatchRequestEntries=[
                    {"Id": str(index), **_publish_entry(message)} for index, message in enumerate(messages)
                ],
            )
            outcome = "success"
        except CLIENT_ERRORS as error:
            return [_failed(message, error) for message in messages]
        finally:
            self._measure(messages[0].media_type, start, outcome)
        ids = {entry["Id"]: entry["MessageId"] for entry in response.get("Successful") or ()}
        codes = {entry["Id"]: entry.get("Code") for entry in response.get("Failed") or ()}
        return [
            ProduceResult(message_id=ids[str(index)])
            if str(index) in ids
            else ProduceResult(error=publish_error(message, str(codes.get(str(index), "no answer"))))
            for index, message in enumerate(messages)
        ]

    def _measure(self, media_type: str, start: float, outcome: str) -> None:
        if self.metrics is None:
            return
        # The outermost ring: an observer can change nothing, its own failure included.
        try:
            self.metrics(media_type, (perf_counter() - start) * 1000, outcome)
        except Exception:
            logger.warning("Cannot measure a publish of %s", media_type, exc_info=True)


def _publish_entry(message: PubsubMessage) -> dict[str, Any]:
    entry: dict[str, Any] = {"Message": message.message, "MessageAttributes": message.message_attributes}
    if message.group_id is not None:
        # an id of its own: botocore's retries are duplicates, two equal messages are not
        entry |= {"MessageGroupId": message.group_id, "MessageDeduplicationId": str(uuid4())}
    return entry


def _failed(message: PubsubMessage, cause: Exception) -> ProduceResult:
    error = publish_error(message, error_code(cause))
    error.__cause__ = cause
    return ProduceResult(error=error)


def make_group_id(value: Any) -> str:
    """
    Return a message group id: letters, digits and punctuation, at most 128 of them.

    https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
    """
    return quote(str(value), safe=punctuation)[:128]


def publish_error(message: PubsubMessage, code: str) -> PublishError:
    """Return the error that tells what was not published, and where."""
    return PublishError(f"Cannot publish {message.media_type} to {message.topic_arn}: {code}")
