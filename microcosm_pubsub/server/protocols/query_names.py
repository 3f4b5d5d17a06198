"""
The names of lists and maps in the query protocol.

botocore's model of SQS tells of the JSON protocol alone. In that of the query protocol, which SDKs had until 2023, the
element of a list has the list's name in the singular, and an entry of a batch the name of its shape; a test compares
this with the last model that said so.
"""

from __future__ import annotations

from typing import Any


#: Names that do not follow from the member's.
EXCEPTIONS = {"Actions": "ActionName"}


def is_flat(service: str, shape: Any) -> bool:
    """Return whether the elements of a list or a map stand directly under its name."""
    return service == "sqs" or bool(shape.serialization.get("flattened"))


def element_of(service: str, member: str, shape: Any) -> str:
    """Return the name of a member on the wire."""
    if service != "sqs" or shape.type_name not in ("list", "map"):
        return str(shape.serialization.get("name") or member)
    if member in EXCEPTIONS:
        return EXCEPTIONS[member]
    if member in ("Entries", "Successful", "Failed", "Results"):
        return str(shape.member.name)
    return f"{member[0].upper()}{member[1:]}".removesuffix("s")


def names_of_entry(service: str, member: str, shape: Any) -> tuple[str, str]:
    """Return the names of the key and the value of a map."""
    if service == "sqs":
        return ("Key", "Value") if member.lower() == "tags" else ("Name", "Value")
    return str(shape.key.serialization.get("name") or "key"), str(shape.value.serialization.get("name") or "value")
