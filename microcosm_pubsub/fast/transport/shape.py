"""
The members of botocore's service model that the short way reads and writes, compiled once for each operation.

The compiled functions know the usual alone: a member, a type or a value that it does not know is `FallBack`, and
botocore validates, writes or reads it, with its own errors.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import Any

from microcosm_pubsub.fast.transport.errors import FallBack


#: Tells whether a value is as the model says, and plain enough to be written as it is.
Check = Callable[[Any], bool]

#: Returns what botocore reads from a value, or raises `FallBack`.
Read = Callable[[Any], Any]


def compile_check(shape: Any) -> Check | None:
    """Return a check whether a value fits a shape, or None for a shape that has to be converted first."""
    kind = shape.type_name
    if kind == "structure":
        return check_structure(shape)
    if kind == "list":
        member = compile_check(shape.member)
        return check_list(member) if member else None
    if kind == "map":
        return check_map(shape)
    least = shape.metadata.get("min")
    if kind == "string":
        if least:
            return lambda value: type(value) is str and len(value) >= least
        return lambda value: type(value) is str
    if kind == "integer" and least is None:
        # Every JSON writer can write numbers of this range.
        return lambda value: type(value) is int and -(2**63) <= value < 2**63
    if kind == "boolean":
        return lambda value: type(value) is bool
    return None


def check_structure(shape: Any) -> Check:
    # A member that has to be converted, or renamed, is as unknown as one that does not exist.
    members = {
        name: fits
        for name, member in shape.members.items()
        if member.serialization.get("name", name) == name and (fits := compile_check(member))
    }
    # Most members are texts, of which nothing more is checked.
    texts = frozenset(name for name in members if is_text(shape.members[name]))
    required = frozenset(shape.required_members)

    def check(value: Any) -> bool:
        if type(value) is not dict:
            return False
        for name, member in value.items():
            if type(member) is str and name in texts:
                continue
            fits = members.get(name)
            if fits is None or not fits(member):
                return False
        return required <= value.keys()

    return check


def is_text(shape: Any) -> bool:
    """Return whether any text fits a shape."""
    return bool(shape.type_name == "string" and not shape.metadata.get("min"))


def check_list(fits: Check) -> Check:
    return lambda value: type(value) is list and all(map(fits, value))


def check_map(shape: Any) -> Check | None:
    key, member = compile_check(shape.key), compile_check(shape.value)
    if not key or not member:
        return None
    return lambda value: type(value) is dict and all(map(key, value)) and all(map(member, value.values()))


def compile_json(shape: Any) -> Read:
    """Return the reader of a value of a JSON answer, which does as botocore's `JSONParser`."""
    kind = shape.type_name
    if kind == "structure":
        return read_structure(shape)
    if kind == "list":
        return read_list(compile_json(shape.member))
    if kind == "map":
        return read_map(shape)
    if kind == "blob":
        return lambda value: b64decode(expect(value, str))
    if (expected := {"string": str, "integer": int, "boolean": bool}.get(kind)) is None:
        return refuse
    return lambda value: expect(value, expected)


def expect(value: Any, expected: type) -> Any:
    if type(value) is not expected:
        raise FallBack(f"{type(value).__name__} in place of {expected.__name__}")
    return value


def refuse(value: Any) -> Any:
    raise FallBack("a type that is not read here")


def read_structure(shape: Any) -> Read:
    members = {
        member.serialization.get("name", name): (name, compile_json(member)) for name, member in shape.members.items()
    }
    texts = {tag: name for tag, (name, _) in members.items() if shape.members[name].type_name == "string"}

    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise FallBack("no object")
        found = {}
        for tag, member in value.items():
            if type(member) is str and tag in texts:
                found[texts[tag]] = member
            elif tag in members and member is not None:
                name, read_member = members[tag]
                found[name] = read_member(member)
        return found

    return read


def read_list(read_member: Read) -> Read:
    def read(value: Any) -> list[Any]:
        return [read_member(member) for member in expect(value, list)]

    return read


def read_map(shape: Any) -> Read:
    read_key, read_member = compile_json(shape.key), compile_json(shape.value)
    if shape.key.type_name == shape.value.type_name == "string":
        return read_texts

    def read(value: Any) -> dict[Any, Any]:
        return {read_key(name): read_member(member) for name, member in expect(value, dict).items()}

    return read


def read_texts(value: Any) -> dict[str, str]:
    """Read texts by name, which JSON's names are too."""
    texts: dict[str, str] = expect(value, dict)
    for text in texts.values():
        expect(text, str)
    return texts
