"""
The operations of botocore's service model that are called the short way: how a call is written, and its answer read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from microcosm_pubsub.fast.transport.errors import FallBack
from microcosm_pubsub.fast.transport.parts import TransportParts
from microcosm_pubsub.fast.transport.query import compile_answer, compile_form
from microcosm_pubsub.fast.transport.shape import compile_check, compile_json


#: The operations that are called for every few messages, by service.
OPERATIONS = {
    "sqs": ("ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch", "SendMessageBatch"),
    "sns": ("Publish", "PublishBatch"),
}

#: Reads an answer from its body and its headers by lower-case name.
Load = Callable[[bytes, dict[str, str]], dict[str, Any]]


class Model:
    """Writes the parameters of an operation, and reads its answers, after its service model."""

    def __init__(self, operation: Any, parts: TransportParts):
        protocol = operation.service_model.resolved_protocol
        check = compile_check(operation.input_shape)
        if check is None or operation.output_shape is None or operation.idempotent_members:
            raise FallBack(f"{operation.name} is not understood")
        self.operation, self._check = operation, check
        if protocol == "json":
            self._dump: Callable[[dict[str, Any]], bytes] = parts.dump_json
            self._load_json, self._read = parts.load_json, compile_json(operation.output_shape)
            self.load: Load = self._load
        elif protocol == "query":
            self._dump, self.load = compile_form(operation), compile_query_answer(operation)
        else:
            raise FallBack(f"the protocol {protocol} is not spoken")

    def dump(self, parameters: Any) -> bytes:
        """Return the body of a request."""
        if not self._check(parameters):
            raise FallBack("the parameters are unusual")
        try:
            return self._dump(parameters)
        except (TypeError, ValueError) as error:
            # The text cannot be written in UTF-8.
            raise FallBack("the parameters are unusual") from error

    def _load(self, content: bytes, headers: dict[str, str]) -> dict[str, Any]:
        answer: dict[str, Any] = self._read(self._load_json(content))
        metadata = answer["ResponseMetadata"] = {}
        if "x-amzn-requestid" in headers:
            metadata["RequestId"] = headers["x-amzn-requestid"]
        return answer


def compile_query_answer(operation: Any) -> Load:
    load_xml = compile_answer(operation)

    def load(content: bytes, headers: dict[str, str]) -> dict[str, Any]:
        answer: dict[str, Any]
        answer, metadata = load_xml(content)
        answer["ResponseMetadata"] = metadata
        return answer

    return load
