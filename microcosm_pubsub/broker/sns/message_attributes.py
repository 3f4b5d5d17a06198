"""
Message attributes: what SNS takes.

https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
"""

from __future__ import annotations

from collections.abc import Mapping
from re import search
from typing import Any

from microcosm_pubsub.broker.sns.refusals import invalid_value
from microcosm_pubsub.broker.sqs.message_attributes import HALVES, is_number


MAX_NAME_LENGTH = 256

#: The field that holds a value of each type.
FIELDS = {"String": "String", "Number": "String", "Binary": "Binary"}

Attributes = Mapping[str, Mapping[str, Any]]


def check_message_attributes(attributes: Attributes) -> dict[str, dict[str, Any]]:
    """
    Return message attributes, each with its type and its one value.

    :raises Refusal: if SNS refuses them
    """
    for name in attributes:
        _check_name(name)
    return {name: _check_attribute(name, attribute) for name, attribute in attributes.items()}


def read_streams(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a message, with bytes in the place of streams of them, as boto3 takes both."""
    attributes: Attributes | None = parameters.get("MessageAttributes")
    if not attributes:
        return dict(parameters)
    read = {
        name: {key: value.read() if hasattr(value, "read") else value for key, value in attribute.items()}
        for name, attribute in attributes.items()
    }
    return {**parameters, "MessageAttributes": read}


def _check_name(name: str) -> None:
    if len(name) > MAX_NAME_LENGTH:
        raise invalid_value(f"Length of message attribute name must be less than {MAX_NAME_LENGTH} bytes.")
    found = search(r"[^A-Za-z0-9_.-]", name)
    if found is not None:
        raise invalid_value(
            f"Invalid non-alphanumeric character '#x{ord(found[0]):X}' was found in the message attribute name. Can "
            "only include alphanumeric characters, hyphens, underscores, or dots."
        )
    if name.startswith("."):
        raise invalid_value("Invalid message attribute name starting with character '.' was found.")
    if name.endswith("."):
        raise invalid_value("Invalid message attribute name ending with character '.' was found.")
    if ".." in name:
        raise invalid_value("Message attribute name can not have successive '.' character.")


def _check_attribute(name: str, attribute: Mapping[str, Any]) -> dict[str, Any]:
    kind = attribute["DataType"]
    expected = FIELDS.get(kind.split(".")[0])
    if expected is None:
        raise invalid_value(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes "
            "is Binary, Number, and String."
        )
    other = "BinaryValue" if expected == "String" else "StringValue"
    value = attribute.get(f"{expected}Value")
    if value is None and attribute.get(other) is not None:
        raise invalid_value(f"The message attribute '{name}' with type '{kind}' must use field '{expected}'.")
    if not value:
        raise invalid_value(
            f"The message attribute '{name}' must contain non-empty message attribute value for message attribute "
            f"type '{kind}'."
        )
    if HALVES.search(kind) or (expected == "String" and HALVES.search(value)):
        raise invalid_value(f"The message attribute '{name}' must be text without halves of surrogate pairs.")
    if kind.split(".")[0] == "Number" and not is_number(value):
        raise invalid_value(f"Could not cast message attribute '{name}' value to number.")
    if expected == "Binary":
        return {"DataType": kind, "BinaryValue": value.encode() if isinstance(value, str) else bytes(value)}
    return {"DataType": kind, "StringValue": value}
