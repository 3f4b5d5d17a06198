"""
Channels, operations and messages as an AsyncAPI 3 document: https://www.asyncapi.com/docs/reference/specification/v3.0.0

A topic is a channel to which messages are sent, a daemon's queue one of which they are received.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from microcosm_pubsub.constants import FIFO_SUFFIX, MEDIA_TYPE_ATTRIBUTE
from microcosm_pubsub.gate.description import MessageDescription
from microcosm_pubsub.gate.fields import JsonSchema


ASYNCAPI_VERSION = "3.0.0"
BINDING_VERSION = "0.2.0"


def make_document(
    name: str,
    messages: Mapping[str, MessageDescription],
    handled: Iterable[str],
    queue: str | None,
    topics: Mapping[str, str | None],
) -> dict[str, Any]:
    """
    Return an AsyncAPI document.

    :param name: of the program
    :param messages: by media type
    :param handled: the media types that it handles
    :param queue: the name of its queue, if it has one
    :param topics: the ARN of each media type's topic, if it has one
    """
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    by_topic: dict[str, list[str]] = {}
    for media_type in messages:
        by_topic.setdefault(topics.get(media_type) or "topic", []).append(media_type)
    for arn, media_types in sorted(by_topic.items()):
        topic = arn.rpartition(":")[2]
        channel = to_key(f"topic {topic}")
        channels[channel] = make_channel(topic, media_types, {"sns": make_topic_binding(topic)})
        operations[to_key(f"send to {topic}")] = make_operation("send", channel, media_types)
    received = [media_type for media_type in messages if media_type in set(handled)]
    if queue is not None and received:
        channel = to_key(f"queue {queue}")
        channels[channel] = make_channel(queue, received, {"sqs": make_queue_binding(queue)})
        operations[to_key(f"receive from {queue}")] = make_operation("receive", channel, received)
    schemas: dict[str, JsonSchema] = {}
    made = {to_key(each.media_type): make_message(each, schemas) for each in messages.values()}
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {"title": name, "version": "1.0.0"},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": made, "schemas": schemas},
    }


def make_channel(address: str, media_types: Iterable[str], bindings: dict[str, Any]) -> dict[str, Any]:
    """Return a channel and the messages in it."""
    keys = map(to_key, media_types)
    messages = {key: {"$ref": f"#/components/messages/{key}"} for key in keys}
    return {"address": address, "messages": messages, "bindings": bindings}


def make_operation(action: str, channel: str, media_types: Iterable[str]) -> dict[str, Any]:
    """Return the operation at a channel."""
    messages = [{"$ref": f"#/channels/{channel}/messages/{to_key(media_type)}"} for media_type in media_types]
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "messages": messages}


def make_message(description: MessageDescription, schemas: dict[str, JsonSchema]) -> dict[str, Any]:
    """
    Return a message: its content, with the media type and the opaque data that stand beside it.

    :param schemas: of the document, to which those within it are added
    """
    payload = deepcopy(description.reads)
    schemas.update(take_definitions(payload, to_key(description.media_type)))
    envelope = {"mediaType": {"type": "string"}, "opaqueData": {"type": "object"}}
    payload["properties"] = {**envelope, **payload.get("properties", {})}
    payload["required"] = sorted({"mediaType", *payload.get("required", ())})
    made: dict[str, Any] = {
        "name": description.media_type,
        "title": description.schema,
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "properties": {MEDIA_TYPE_ATTRIBUTE: {"type": "string", "const": description.media_type}},
        },
        "payload": payload,
    }
    return {**made, "description": description.doc} if description.doc else made


def take_definitions(payload: JsonSchema, prefix: str) -> dict[str, JsonSchema]:
    """
    Take the definitions out of a payload, whose references are those of the whole document, and return them by name.

    :param prefix: of their names there
    """
    found = payload.pop("$defs", {})
    names = {name: f"{prefix}-{to_key(name)}" for name in found}
    rename(payload, names)
    for each in found.values():
        rename(each, names)
    return {names[name]: each for name, each in found.items()}


def rename(value: Any, names: Mapping[str, str]) -> None:
    """Let references mean the schemas of the document."""
    if isinstance(value, list):
        for each in value:
            rename(each, names)
    elif isinstance(value, dict):
        name = str(value.get("$ref", "")).removeprefix("#/$defs/")
        if name in names:
            value["$ref"] = f"#/components/schemas/{names[name]}"
        for each in value.values():
            rename(each, names)


def make_topic_binding(topic: str) -> dict[str, Any]:
    """Return the binding of a topic, for SNS."""
    binding: dict[str, Any] = {"name": topic, "bindingVersion": "0.1.0"}
    if topic.endswith(FIFO_SUFFIX):
        binding["ordering"] = {"type": "FIFO", "contentBasedDeduplication": False}
    return binding


def make_queue_binding(queue: str) -> dict[str, Any]:
    """Return the binding of a queue, for SQS."""
    return {"queue": {"name": queue, "fifoQueue": queue.endswith(FIFO_SUFFIX)}, "bindingVersion": BINDING_VERSION}


def to_key(text: str) -> str:
    """Return a name that AsyncAPI takes as a key."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text)
