"""
One call of a batch handler, inside the layers of every message of the batch.

A layer wraps one message. For a batch, the layers of each message stand inside those of the message before it, and
the handler is called inside all of them, with the contents of the messages that no layer refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware import compose
from microcosm_pubsub.result import MessageHandlingResult
from microcosm_pubsub.types import Layer


#: So many calls stand inside each other for a message, beside one for each of its layers.
FRAMES_PER_MESSAGE = 4

#: So many calls may stand around and inside a batch.
FRAMES_AROUND = 300


class BatchRun:
    """
    Handle some messages by one call.

    :param messages: of one handler
    :param layers: what wraps the handling of each, the outermost first
    :param call: calls the handler with the messages that came through, and returns a value for each
    """

    def __init__(
        self,
        messages: Sequence[SQSMessage],
        layers: Sequence[Layer],
        call: Callable[[Sequence[SQSMessage]], list[Any]],
    ) -> None:
        self.messages = messages
        self.layers = layers
        self.call = call
        self.accepted: list[SQSMessage] = []
        self.values: list[Any] = []
        self.tracebacks: list[TracebackType | None] = []
        self.results: dict[int, MessageHandlingResult] = {}

    def run(self) -> list[MessageHandlingResult]:
        """Return the result of each message, in their order."""
        self._descend(0)
        return [self.results[position] for position in range(len(self.messages))]

    def _descend(self, position: int) -> None:
        if position == len(self.messages):
            self._call()
            return
        index: int | None = None

        def innermost(message: SQSMessage) -> Any:
            nonlocal index
            if index is None:
                index = len(self.accepted)
                self.accepted.append(message)
                self._descend(position + 1)
            value = self.values[index]
            if isinstance(value, BaseException):
                # as it was: each raise adds to the traceback, and there may be one for each message
                raise value.with_traceback(self.tracebacks[index])
            if isinstance(value, type) and issubclass(value, BaseException):
                raise value
            return value

        call = compose(self.layers, innermost)
        self.results[position] = MessageHandlingResult.capture(call, self.messages[position])
        if index is None:
            self._descend(position + 1)

    def _call(self) -> None:
        if not self.accepted:
            return
        # no ring: what the handler raises is raised again inside the layers of each message
        try:
            self.values = self.call(self.accepted)
        except BaseException as error:
            self.values = [error] * len(self.accepted)
        self.tracebacks = [getattr(value, "__traceback__", None) for value in self.values]


def max_batch_size(layers: int, recursion_limit: int) -> int:
    """Return how many messages Python lets stand inside each other, each within so many layers."""
    return (recursion_limit - FRAMES_AROUND) // (layers + FRAMES_PER_MESSAGE)
