"""
The calls to a topic: messages in, what came of each out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from microcosm_pubsub.clients import CLIENT_ERRORS, TOPIC_ERRORS, TopicClient, error_code
from microcosm_pubsub.constants import DEFAULT_TOPIC_SIZE_LIMIT_BYTES, MAX_BATCH_ENTRIES
from microcosm_pubsub.errors import PublishError
from microcosm_pubsub.producer.message import ProduceResult, PubsubMessage


#: The errors of a whole call that may be one message's: none of the call's messages was published then.
#: https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html#API_PublishBatch_Errors
MAY_BE_OF_ONE = frozenset(
    {
        "BatchRequestTooLong",
        "BatchRequestTooLongException",
        "InvalidParameter",
        "InvalidParameterException",
        "InvalidParameterValueException",
        "ParamValidationError",
        "ParameterValueInvalid",
        "ValidationException",
    }
)


def publish(client: TopicClient, messages: Sequence[PubsubMessage]) -> list[ProduceResult]:
    """
    Publish messages of one topic in one call, and return the result of each.

    If the call is refused for what one of them may be the reason of, such as a group that is missing, each is published
    alone: the others do not suffer.

    :param messages: at least one, at most ten
    """
    try:
        if len(messages) == 1:
            # A batch of one costs the same, and hides the error in its answer.
            published = client.publish(TopicArn=messages[0].topic_arn, **make_entry(messages[0]))
            return [ProduceResult(message_id=published["MessageId"])]
        answer: Any = client.publish_batch(
            TopicArn=messages[0].topic_arn,
            PublishBatchRequestEntries=[
                {"Id": str(index), **make_entry(message)} for index, message in enumerate(messages)
            ],
        )
    except CLIENT_ERRORS as error:
        if len(messages) > 1 and error_code(error) in MAY_BE_OF_ONE:
            return [result for message in messages for result in publish(client, [message])]
        return [_failed(message, error) for message in messages]
    if not isinstance(answer, Mapping):
        # A test's mock, which answers with another one, is told what single calls answer.
        return [result for message in messages for result in publish(client, [message])]
    ids = {entry["Id"]: entry["MessageId"] for entry in answer.get("Successful") or ()}
    codes = {entry["Id"]: entry.get("Code") for entry in answer.get("Failed") or ()}
    return [
        ProduceResult(message_id=ids[str(index)])
        if str(index) in ids
        else ProduceResult(error=publish_error(message, str(codes.get(str(index), "no answer"))))
        for index, message in enumerate(messages)
    ]


def publish_each(
    publish_message: Callable[[PubsubMessage], str | None], messages: Iterable[PubsubMessage]
) -> list[ProduceResult]:
    """
    Publish messages by a producer's own `publish_message`, one by one, and return the result of each.

    :param publish_message: may be user code, whose errors concern one message
    """
    results = []
    for message in messages:
        # The method may be overridden: whatever it raises concerns this message, and the others are still published.
        try:
            results.append(ProduceResult(message_id=publish_message(message)))
        except Exception as error:
            results.append(ProduceResult(error=error))
    return results


def make_entry(message: PubsubMessage) -> dict[str, Any]:
    """Return the parameters that say a message, in boto3's form."""
    entry: dict[str, Any] = {"Message": message.message, "MessageAttributes": message.message_attributes}
    if message.group_id is not None:
        entry["MessageGroupId"] = message.group_id
    if message.deduplication_id is not None:
        entry["MessageDeduplicationId"] = message.deduplication_id
    return entry


def iter_chunks(messages: Sequence[PubsubMessage], limit_bytes: int) -> Iterator[list[int]]:
    """
    Iterate over the positions of messages that go into one call each: of one topic, at most ten, and within its limit.

    :param limit_bytes: the most that a topic takes in one call
    """
    by_topic: dict[str, list[int]] = {}
    for index, message in enumerate(messages):
        by_topic.setdefault(message.topic_arn, []).append(index)
    for indexes in by_topic.values():
        chunk: list[int] = []
        size = 0
        for index in indexes:
            added = messages[index].size_bytes
            if chunk and (len(chunk) == MAX_BATCH_ENTRIES or size + added > limit_bytes):
                yield chunk
                chunk, size = [], 0
            chunk.append(index)
            size += added
        yield chunk


def publish_error(message: PubsubMessage, code: str) -> PublishError:
    """Return the error for a message that was not published, with what can be done about it."""
    why = f"{code}; {TOPIC_ERRORS[code]}" if code in TOPIC_ERRORS else code
    if message.size_bytes > DEFAULT_TOPIC_SIZE_LIMIT_BYTES:
        why += (
            f"; the message has {message.size_bytes} bytes, and a topic takes {DEFAULT_TOPIC_SIZE_LIMIT_BYTES} unless "
            "its MaximumMessageSize is set higher"
        )
    return PublishError(f"Cannot publish {message.media_type} to {message.topic_arn}: {why}")


def _failed(message: PubsubMessage, cause: Exception) -> ProduceResult:
    code = error_code(cause)
    if code == "ServiceUnavailable" and isinstance(cause, ClientError):
        # The broker's database failed, and its text says why; that of other errors may quote the message.
        code = f"{code}: {cause.response['Error'].get('Message')}"
    error = publish_error(message, code)
    error.__cause__ = cause
    return ProduceResult(error=error)
