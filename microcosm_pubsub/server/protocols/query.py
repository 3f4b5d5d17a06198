"""
The query protocol, which SNS and STS speak, and SQS too: forms in, XML out.

https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from microcosm_pubsub.broker.errors import load_service
from microcosm_pubsub.broker.sqs.sending import INVALID_CHARACTERS
from microcosm_pubsub.broker.validation import check_parameters
from microcosm_pubsub.server.http import Answer, RequestError
from microcosm_pubsub.server.protocols import json
from microcosm_pubsub.server.protocols.query_names import element_of, is_flat, names_of_entry


CONTENT_TYPE = b"text/xml"

#: More would be nobody's request: ten messages of ten attributes have 500.
MAX_FIELDS = 5000
MAX_DEPTH = 12

NAMESPACES = {
    "sqs": "http://queue.amazonaws.com/doc/2012-11-05/",
    "sns": "http://sns.amazonaws.com/doc/2010-03-31/",
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
}

Tree = dict[str, Any]


def read_form(*texts: bytes) -> dict[str, str]:
    """
    Return the fields of forms: a query, a body.

    :raises RequestError: if there are too many
    """
    fields: dict[str, str] = {}
    for text in texts:
        try:
            fields.update(parse_qsl(text.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"))
        except ValueError:
            raise RequestError("MalformedQueryString", "The request is no form of UTF-8 text.") from None
    return fields


def read_parameters(service: str, operation: str, fields: dict[str, str]) -> dict[str, Any]:
    """
    Return the parameters that a form holds, as boto3 takes them, and checked as boto3 does.

    :raises RequestError: if it cannot be read
    :raises botocore.exceptions.ParamValidationError: if boto3 would not send them
    """
    shape = load_service(service).operation_model(operation).input_shape
    if shape is None:
        return {}
    parameters: dict[str, Any] = _read_structure(service, shape, _to_tree(fields))
    check_parameters(service, operation, parameters)
    return parameters


def _to_tree(fields: dict[str, str]) -> Tree:
    tree: Tree = {}
    for name, value in fields.items():
        *parents, last = name.split(".", MAX_DEPTH)
        node = tree
        for parent in parents:
            child = node.setdefault(parent, {})
            if not isinstance(child, dict):
                child = node[parent] = {}
            node = child
        node.setdefault(last, value)
    return tree


def _read_structure(service: str, shape: Any, tree: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for member, member_shape in shape.members.items():
        node = tree.get(element_of(service, member, member_shape)) if isinstance(tree, dict) else None
        if node is not None:
            found[member] = _read(service, member, member_shape, node)
    return found


def _read(service: str, member: str, shape: Any, node: Any) -> Any:
    if shape.type_name == "structure":
        return _read_structure(service, shape, node)
    if shape.type_name == "list":
        return [_read(service, member, shape.member, item) for item in _items(node, is_flat(service, shape), "member")]
    if shape.type_name == "map":
        key_name, value_name = names_of_entry(service, member, shape)
        entries = [item for item in _items(node, is_flat(service, shape), "entry") if isinstance(item, dict)]
        return {
            str(entry.get(key_name, "")): _read(service, member, shape.value, entry.get(value_name, ""))
            for entry in entries
        }
    if not isinstance(node, str):
        raise RequestError("MalformedInput", f"{member} must be a single value.")
    return _read_scalar(member, shape, node)


def _items(node: Any, flat: bool, element: str) -> Iterator[Any]:
    if not flat:
        node = node.get(element) if isinstance(node, dict) else None
    if isinstance(node, dict):
        for key in sorted((key for key in node if key.isdecimal() and len(key) < 6), key=int):
            yield node[key]


def _read_scalar(member: str, shape: Any, text: str) -> Any:
    if shape.type_name in ("integer", "long"):
        digits = text.removeprefix("-")
        if not digits.isascii() or not digits.isdecimal() or len(digits) > 18:
            raise RequestError("MalformedInput", f"{member} must be a whole number.")
        return int(text)
    if shape.type_name == "boolean":
        return text.lower() == "true"
    if shape.type_name == "blob":
        return json.decode(text)
    return text


def write_answer(service: str, operation: str, answer: dict[str, Any] | None, request_id: str) -> Answer:
    """Return the answer of a call."""
    shape = load_service(service).operation_model(operation).output_shape
    result = ""
    if shape is not None:
        inner = "".join(_write_members(service, shape, answer or {}))
        result = f"<{operation}Result>{inner}</{operation}Result>"
    return _answer(
        200,
        f'<{operation}Response xmlns="{NAMESPACES[service]}">{result}<ResponseMetadata><RequestId>{request_id}'
        f"</RequestId></ResponseMetadata></{operation}Response>",
    )


def write_error(service: str, code: str, text: str, status: int, request_id: str) -> Answer:
    """Return the answer that says why a call was refused."""
    fault = "Sender" if status < 500 else "Receiver"
    return _answer(
        status,
        f'<ErrorResponse xmlns="{NAMESPACES.get(service, NAMESPACES["sns"])}"><Error><Type>{fault}</Type>'
        f"<Code>{_text(code)}</Code><Message>{_text(text)}</Message><Detail/></Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>",
    )


def _answer(status: int, xml: str) -> Answer:
    return Answer(status, f'<?xml version="1.0"?>\n{xml}'.encode(), CONTENT_TYPE)


def _write_members(service: str, shape: Any, value: dict[str, Any]) -> Iterator[str]:
    for member, member_shape in shape.members.items():
        if member in value and value[member] is not None:
            yield from _write(service, member, member_shape, value[member], element_of(service, member, member_shape))


def _write(service: str, member: str, shape: Any, value: Any, element: str) -> Iterator[str]:
    if shape.type_name == "structure":
        yield f"<{element}>{''.join(_write_members(service, shape, value))}</{element}>"
    elif shape.type_name == "list":
        flat = is_flat(service, shape)
        inner = [
            part
            for item in value
            for part in _write(service, member, shape.member, item, element if flat else "member")
        ]
        yield "".join(inner) if flat else f"<{element}>{''.join(inner)}</{element}>"
    elif shape.type_name == "map":
        key_name, value_name = names_of_entry(service, member, shape)
        tag = element if is_flat(service, shape) else "entry"
        inner = [
            f"<{tag}><{key_name}>{_text(key)}</{key_name}>"
            f"{''.join(_write(service, member, shape.value, item, value_name))}</{tag}>"
            for key, item in value.items()
        ]
        yield "".join(inner) if tag == element else f"<{element}>{''.join(inner)}</{element}>"
    else:
        yield f"<{element}>{_text(_write_scalar(value))}</{element}>"


def _write_scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(json.encode(value)) if isinstance(value, bytes) else str(value)


def _text(text: str) -> str:
    # A carriage return would be read as a line feed; characters that XML does not allow cannot be in a message.
    return escape(INVALID_CHARACTERS.sub("\ufffd", text), {"\r": "&#13;"})
