"""
The JSON 1.0 protocol, which SQS speaks.

https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
https://smithy.io/2.0/aws/protocols/aws-query-compatible-trait.html (the error's header)
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from functools import cache
from json import loads as standard_loads
from typing import Any

from orjson import JSONDecodeError, dumps, loads

from microcosm_pubsub.broker.errors import load_service
from microcosm_pubsub.broker.validation import check_parameters, load_input
from microcosm_pubsub.server.http import Answer, RequestError


CONTENT_TYPE = b"application/x-amz-json-1.0"

Reader = Callable[[Any], Any]


def read_parameters(service: str, operation: str, body: bytes) -> dict[str, Any]:
    """
    Return the parameters that a body holds, as boto3 takes them, and checked as boto3 does.

    :raises RequestError: if it holds none
    :raises botocore.exceptions.ParamValidationError: if boto3 would not send them
    """
    try:
        document = load(body)
    except (ValueError, RecursionError):
        raise RequestError("SerializationException", "The request's body is no JSON.") from None
    if not isinstance(document, dict):
        raise RequestError("SerializationException", "The request's body is no JSON object.")
    if load_input(service, operation)[1](document):
        # There is nothing to read: no null, no binary value.
        return document
    reader = _load_reader(service, operation)
    parameters = document if reader is None else dict(reader(document))
    check_parameters(service, operation, parameters)
    return parameters


def load(body: bytes) -> Any:
    """Return the value of JSON, which may hold halves of surrogate pairs."""
    try:
        return loads(body or b"{}")
    except JSONDecodeError:
        # The standard library is slower, and more lenient: the broker then says what is wrong with the text.
        return standard_loads(body)


@cache
def _load_reader(service: str, operation: str) -> Reader | None:
    return compile_reader(load_service(service).operation_model(operation).input_shape)


def compile_reader(shape: Any) -> Reader | None:
    """Return a function that makes of a JSON value boto3's for a shape; None if it is that already."""
    match shape.type_name:
        case "structure":
            return _compile_structure({name: compile_reader(member) for name, member in shape.members.items()})
        case "list":
            return _compile_list(compile_reader(shape.member))
        case "map":
            return _compile_map(compile_reader(shape.value))
        case "blob":
            return decode
        case _:
            return None


def _compile_list(item: Reader | None) -> Reader | None:
    if item is None:
        return None
    return lambda value: [item(each) for each in value] if isinstance(value, list) else value


def _compile_map(item: Reader | None) -> Reader | None:
    if item is None:
        return None
    return lambda value: {key: item(each) for key, each in value.items()} if isinstance(value, dict) else value


def _compile_structure(members: dict[str, Reader | None]) -> Reader:
    readers = {name: reader for name, reader in members.items() if reader is not None}

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        # An unknown member comes from a newer model, and a null one counts as absent.
        known = {name: item for name, item in value.items() if item is not None and name in members}
        for name, reader in readers.items():
            if name in known:
                known[name] = reader(known[name])
        return known

    return read


def decode(text: Any) -> bytes:
    """
    Return the bytes of base64.

    :raises RequestError: if it is none
    """
    try:
        return b64decode(text, validate=True)
    except (Base64Error, TypeError, ValueError):
        raise RequestError("SerializationException", "A binary value is no base64.") from None


def encode(value: Any) -> Any:
    """Return the JSON form of a value that the writer does not know."""
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"JSON has nothing for {type(value).__name__}")


def write_answer(answer: dict[str, Any] | None) -> Answer:
    """Return the answer of a call."""
    return Answer(200, dumps(answer, default=encode) if answer else b"{}", CONTENT_TYPE)


def write_error(name: str, code: str, text: str, status: int) -> Answer:
    """
    Return the answer that says why a call was refused.

    :param name: of the error's shape
    :param code: that the query protocol has for it
    """
    body = dumps({"__type": f"com.amazonaws.sqs#{name}", "message": text.encode(errors="replace").decode()})
    fault = "Sender" if status < 500 else "Receiver"
    header = (b"x-amzn-query-error", f"{code};{fault}".encode("latin-1", "replace"))
    return Answer(status, body, CONTENT_TYPE, (header,))
