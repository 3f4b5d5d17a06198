"""
The query protocol, which SNS speaks: forms are sent, and XML is answered.

https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from microcosm_pubsub.fast.transport.errors import FallBack
from microcosm_pubsub.fast.transport.shape import Read, refuse


#: Adds the parts of a form that stand for a value, which has been checked, under a name.
Write = Callable[[Any, str, list[str]], None]

#: The characters of a URL that have a meaning in it, and may stand in most messages.
QUOTED = {chr(code): quote_plus(chr(code)) for code in range(128) if quote_plus(chr(code)) != chr(code)}

#: Texts of more different characters than this would be gone through too often.
SHORT = 40


def quote(text: str) -> str:
    """Return the text of `quote_plus`, made by whole texts in place of single characters."""
    if not text.isascii() or len(text) < SHORT:
        return quote_plus(text)
    # The percent sign comes first, and the substitute of the space last.
    if "%" in text:
        text = text.replace("%", "%25")
    for character in set(text) & QUOTED.keys() - {"%", " "}:
        text = text.replace(character, QUOTED[character])
    return text.replace(" ", "+")


def compile_form(operation: Any) -> Callable[[dict[str, Any]], bytes]:
    """Return the writer of an operation's parameters, which does as botocore's `QuerySerializer`."""
    write = compile_write(operation.input_shape)
    start = f"Action={operation.name}&Version={operation.metadata['apiVersion']}"

    def dump(parameters: dict[str, Any]) -> bytes:
        parts = [start]
        write(parameters, "", parts)
        return "&".join(parts).encode()

    return dump


def compile_write(shape: Any) -> Write:
    kind = shape.type_name
    if kind == "structure":
        return write_structure(shape)
    if kind == "list" and not shape.serialization.get("flattened"):
        return write_list(shape)
    if kind == "map" and not shape.serialization.get("flattened"):
        return write_map(shape)
    if kind == "string":
        return lambda value, name, parts: parts.append(f"{name}={quote(value)}")
    if kind == "integer":
        return lambda value, name, parts: parts.append(f"{name}={value}")
    return refuse_to_write


def refuse_to_write(value: Any, name: str, parts: list[str]) -> None:
    refuse(value)


def write_structure(shape: Any) -> Write:
    members = {
        name: (member.serialization.get("name", name), compile_write(member)) for name, member in shape.members.items()
    }

    def write(value: Any, prefix: str, parts: list[str]) -> None:
        start = prefix and f"{prefix}."
        for name, member in value.items():
            written_name, write_member = members[name]
            write_member(member, start + written_name, parts)

    return write


def write_list(shape: Any) -> Write:
    name = shape.member.serialization.get("name", "member")
    write_member = compile_write(shape.member)

    def write(value: Any, prefix: str, parts: list[str]) -> None:
        if not value:
            refuse(value)
        for index, member in enumerate(value, start=1):
            write_member(member, f"{prefix}.{name}.{index}", parts)

    return write


def write_map(shape: Any) -> Write:
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    write_key, write_member = compile_write(shape.key), compile_write(shape.value)

    def write(value: Any, prefix: str, parts: list[str]) -> None:
        for index, (key, member) in enumerate(value.items(), start=1):
            write_key(key, f"{prefix}.entry.{index}.{key_name}", parts)
            write_member(member, f"{prefix}.entry.{index}.{value_name}", parts)

    return write


def compile_answer(operation: Any) -> Callable[[bytes], tuple[Any, dict[str, Any]]]:
    """Return the reader of an answer and its metadata, which does as botocore's `QueryParser`."""
    wrapper = operation.output_shape.serialization["resultWrapper"]
    read = compile_xml(operation.output_shape)

    def load(content: bytes) -> tuple[Any, dict[str, Any]]:
        parser = XMLParser(target=TreeBuilder(), encoding="utf-8")
        try:
            parser.feed(content)
            children = children_of(parser.close())
        except ParseError as error:
            raise FallBack("no XML") from error
        metadata = children_of(children["ResponseMetadata"]) if "ResponseMetadata" in children else {}
        if wrapper not in children:
            raise FallBack(f"no {wrapper}")
        return read(children[wrapper]), {name: node.text for name, node in metadata.items()}

    return load


def tag_of(node: Element) -> str:
    return node.tag.rpartition("}")[2]


def children_of(node: Element) -> dict[str, Element]:
    children = {tag_of(child): child for child in node}
    if len(children) != len(node):
        raise FallBack("an element twice")
    return children


def compile_xml(shape: Any) -> Read:
    """Return the reader of an element."""
    if shape.type_name == "structure":
        return read_structure(shape)
    if shape.type_name == "list" and not shape.serialization.get("flattened"):
        read_member = compile_xml(shape.member)
        return lambda node: [read_member(child) for child in node]
    if shape.type_name == "string":
        return lambda node: node.text or ""
    if shape.type_name == "boolean":
        return lambda node: node.text == "true"
    return refuse


def read_structure(shape: Any) -> Read:
    members = {
        member.serialization.get("name", name): (name, compile_xml(member)) for name, member in shape.members.items()
    }

    def read(node: Any) -> dict[str, Any]:
        found = {}
        for tag, child in children_of(node).items():
            if tag in members:
                name, read_member = members[tag]
                found[name] = read_member(child)
        return found

    return read
