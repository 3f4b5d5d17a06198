"""
Message attributes: their form in the database, their limits, and their digest.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import md5
from json import dumps, loads
from re import ASCII, fullmatch
from re import compile as compile_pattern
from typing import Any

from microcosm_pubsub.broker.broker import invalid_value


MAX_MESSAGE_ATTRIBUTES = 10

#: Halves of surrogate pairs, which JSON may hold, and UTF-8 may not.
HALVES = compile_pattern("[\ud800-\udfff]")

NUMBER = compile_pattern(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", ASCII)

Attributes = Mapping[str, Mapping[str, Any]]


def check_message_attributes(attributes: Attributes) -> dict[str, dict[str, Any]]:
    """
    Return message attributes with binary values as bytes, from any type that boto3 takes for them.

    :raises Refusal: if SQS refuses them
    """
    if len(attributes) > MAX_MESSAGE_ATTRIBUTES:
        raise invalid_value(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{MAX_MESSAGE_ATTRIBUTES}]."
        )
    return {name: _check_attribute(name, attribute) for name, attribute in attributes.items()}


def _check_attribute(name: str, attribute: Mapping[str, Any]) -> dict[str, Any]:
    if not fullmatch(r"[A-Za-z0-9_.-]{1,256}", name):
        raise invalid_value(
            f"Message (user) attribute name '{name}' can only have letters, digits, underscores, hyphens and dots."
        )
    if name.startswith(".") or name.endswith(".") or ".." in name:
        raise invalid_value(
            f"Message (user) attribute name '{name}' can neither begin nor end with a dot, nor have two in a row."
        )
    kind = attribute.get("DataType", "")
    base = kind.split(".")[0]
    if base not in ("String", "Number", "Binary"):
        raise invalid_value(
            f"The type of message (user) attribute '{name}' is invalid. You must use only the following supported "
            "type prefixes: Binary, Number, String."
        )
    field = "BinaryValue" if base == "Binary" else "StringValue"
    value: Any = attribute.get(field)
    if hasattr(value, "read"):
        value = value.read()
    if not value:
        raise invalid_value(f"Message (user) attribute '{name}' must contain a non-empty value of type '{base}'.")
    if HALVES.search(kind) or (base != "Binary" and HALVES.search(value)):
        raise invalid_value(f"Message (user) attribute '{name}' must be text without halves of surrogate pairs.")
    if base == "Number" and not is_number(value):
        raise invalid_value(f"Can't cast the value of message (user) attribute '{name}' to a number.")
    if base == "Binary":
        value = value.encode() if isinstance(value, str) else bytes(value)
    return {"DataType": kind, field: value}


def is_number(text: str) -> bool:
    """Return whether text is a number, as attributes of that type hold one."""
    return NUMBER.fullmatch(text) is not None


def size_of(attributes: Attributes) -> int:
    """Return the bytes that message attributes count against a size limit: names, types and values."""
    return sum(
        len(name.encode()) + len(attribute["DataType"].encode()) + len(_value(attribute))
        for name, attribute in attributes.items()
    )


def dump_attributes(attributes: Attributes) -> str | None:
    """Return message attributes as JSON, or None if there are none."""
    if not attributes:
        return None
    return dumps(
        {
            name: {
                key: b64encode(value).decode() if isinstance(value, bytes) else value
                for key, value in attribute.items()
            }
            for name, attribute in attributes.items()
        }
    )


@lru_cache(maxsize=1024)
def _load(text: str) -> dict[str, dict[str, Any]]:
    loaded: dict[str, dict[str, Any]] = loads(text)
    for attribute in loaded.values():
        if "BinaryValue" in attribute:
            attribute["BinaryValue"] = b64decode(attribute["BinaryValue"])
    return loaded


def load_attributes(text: str | None) -> dict[str, dict[str, Any]]:
    """Return the message attributes that JSON says."""
    return {name: dict(attribute) for name, attribute in _load(text).items()} if text else {}


def select_attributes(attributes: dict[str, Any], wanted: Sequence[str]) -> dict[str, Any]:
    """Return those message attributes that a receive asks for, by name or by prefix."""
    if "All" in wanted or ".*" in wanted:
        return attributes
    prefixes = tuple(name[:-2] for name in wanted if name.endswith(".*"))
    return {
        name: value for name, value in attributes.items() if name in wanted or (prefixes and name.startswith(prefixes))
    }


def digest(attributes: Attributes) -> str:
    """
    Return the MD5 digest of message attributes, in hexadecimal.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation
    """
    hashed = md5(usedforsecurity=False)
    for name in sorted(attributes):
        attribute = attributes[name]
        for part in (name.encode(), attribute["DataType"].encode()):
            hashed.update(len(part).to_bytes(4, "big") + part)
        value = _value(attribute)
        hashed.update(b"\x02" if "BinaryValue" in attribute else b"\x01")
        hashed.update(len(value).to_bytes(4, "big") + value)
    return hashed.hexdigest()


@lru_cache(maxsize=1024)
def digest_of_text(text: str) -> str:
    """Return the digest of message attributes that are given as JSON."""
    return digest(_load(text))


def _value(attribute: Mapping[str, Any]) -> bytes:
    if "BinaryValue" in attribute:
        return bytes(attribute["BinaryValue"])
    return str(attribute.get("StringValue", "")).encode()
