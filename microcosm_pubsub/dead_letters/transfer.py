"""
Messages as lines of JSON, for files: out of a queue, and into one.

A line is a raw message as `receive_message` gives it, without what belongs to that receive; binary attributes are in
base64. A daemon replays such a file with `--sqs-queue-url FILE`.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from json import dumps, loads
from typing import Any, cast

from microcosm_pubsub.dead_letters.sender import OutgoingMessage
from microcosm_pubsub.errors import DecodeError
from microcosm_pubsub.message.raw import MessageAttribute, RawMessage


KEYS = ("MessageId", "Body", "MessageAttributes", "Attributes")


def to_line(raw: RawMessage) -> str:
    """Return the line of a message, without a newline."""
    given: Mapping[str, object] = raw
    fields = {key: given[key] for key in KEYS if key in given}
    if attributes := raw.get("MessageAttributes"):
        fields["MessageAttributes"] = {name: _encode(attribute) for name, attribute in attributes.items()}
    return dumps(fields)


def from_line(line: bytes, token: str) -> OutgoingMessage:
    """
    Return the message that a line holds.

    :param token: tells this import from others: a FIFO queue would take a message that it has seen lately, under the
        id that it has, for the same one, and drop it
    :raises DecodeError: if it holds none
    """
    try:
        raw: Any = loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise DecodeError("it is no JSON") from None
    if not isinstance(raw, dict) or not isinstance(raw.get("Body"), str) or not raw["Body"]:
        raise DecodeError("it is no object with a text as `Body`")
    for key in ("Attributes", "MessageAttributes"):
        if not isinstance(raw.setdefault(key, {}), dict):
            raise DecodeError(f"its `{key}` are no object")
    attributes = {name: _decode(name, attribute) for name, attribute in raw["MessageAttributes"].items()}
    return OutgoingMessage(cast(RawMessage, raw), attributes, deduplication_id=f"{raw.get('MessageId') or ''}:{token}")


def _encode(attribute: MessageAttribute) -> dict[str, object]:
    value = attribute.get("BinaryValue")
    return {**attribute, "BinaryValue": b64encode(value).decode()} if isinstance(value, bytes) else dict(attribute)


def _decode(name: str, attribute: Any) -> MessageAttribute:
    if not isinstance(attribute, dict) or not isinstance(attribute.get("DataType"), str):
        raise DecodeError(f"its message attribute {name!r} has no `DataType`")
    if "BinaryValue" not in attribute:
        return cast(MessageAttribute, attribute)
    try:
        decoded = {**attribute, "BinaryValue": b64decode(attribute["BinaryValue"], validate=True)}
        return cast(MessageAttribute, decoded)
    except (Base64Error, TypeError, ValueError):
        raise DecodeError(f"its message attribute {name!r} is not in base64") from None
