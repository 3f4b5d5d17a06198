"""
The types that the parts of the package share: what handles a message, wraps that, or is told of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from microcosm_pubsub.message import RawMessage as RawMessage
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.result import MessageHandlingResult


#: A user's handler: takes the content of a message, or of several, and returns what came of it.
Handler: TypeAlias = Callable[[Any], Any]

#: The handler of each media type.
Handlers: TypeAlias = Mapping[str, Handler]

#: Handles one message, through all that wraps it.
Call: TypeAlias = Callable[[SQSMessage], Any]

#: Wraps the handling of one message: `layer(call_next, message)`.
Layer: TypeAlias = Callable[[Call, SQSMessage], Any]

#: Handles some messages at once, and returns the result of each, in their order; raises nothing that a handler does.
UnitCall: TypeAlias = Callable[[Sequence[SQSMessage]], list[MessageHandlingResult]]

#: Wraps one message, or all those of a batch, outside of their layers: `layer(call_next, messages)`.
UnitLayer: TypeAlias = Callable[[UnitCall, Sequence[SQSMessage]], list[MessageHandlingResult]]


class Traces(Protocol):
    """Makes spans: it is told of receives, and stands around the handling of a message, or a batch."""

    def received(self, messages: Sequence[SQSMessage], seconds: float) -> None: ...

    def handle(self, call_next: UnitCall, messages: Sequence[SQSMessage]) -> list[MessageHandlingResult]: ...


#: Is told of a result, and can change nothing.
Observer: TypeAlias = Callable[[SQSMessage, MessageHandlingResult], None]

#: A message, and what came of handling it.
Handled: TypeAlias = tuple[SQSMessage, MessageHandlingResult]
