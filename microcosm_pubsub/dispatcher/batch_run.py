"""
One call of a batch handler, inside the layers of every message of the batch.

The layers of each message are entered in turn, then the handler is called with the contents of the messages that no
layer refused, and its values, or what it raised, go out through the layers of each, the last message first. Checks and
generators wait for that in a list. A layer that is a plain function can only wait on the stack: from the first such
layer on, the layers of a message stand around all that follows, and such a batch is split so that they fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from types import TracebackType
from typing import Any

from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware.layer import Check, Steps, compose, is_flat, leave
from microcosm_pubsub.result import MessageHandlingResult
from microcosm_pubsub.types import Layer


#: At most this many calls of plain functions stand inside each other: a fraction of what Python allows, and enough for
#: a hundred messages within one such layer each.
MAX_NESTED_LAYERS = 100

#: Calls the handler of messages once, and returns a value for each.
CallMany = Callable[[Sequence[SQSMessage]], list[Any]]


class BatchCall:
    """
    Handle some messages by one call of their handler.

    :param layers: what wraps the handling of each, the outermost first
    :param call: calls the handler with the messages that came through, and returns a value for each
    """

    def __init__(self, layers: Sequence[Layer], call: CallMany) -> None:
        self.flat = tuple(takewhile(is_flat, layers))
        self.nested = tuple(layers[len(self.flat) :])
        self.call = call

    def __call__(self, messages: Sequence[SQSMessage]) -> list[MessageHandlingResult]:
        """Return the result of each message, in their order."""
        return [result for chunk in self._split(messages) for result in BatchRun(self, chunk).run()]

    def _split(self, messages: Sequence[SQSMessage]) -> Iterator[Sequence[SQSMessage]]:
        size = max(1, MAX_NESTED_LAYERS // len(self.nested)) if self.nested else len(messages)
        return (messages[start : start + size] for start in range(0, len(messages), max(1, size)))


@dataclass(slots=True)
class Outcome:
    """What a call returned or raised; an error with the traceback that it had then."""

    value: Any = None
    error: BaseException | None = None
    traceback: TracebackType | None = None

    def get(self) -> Any:
        """Return it, or raise it."""
        if self.error is not None:
            # each raise adds to the traceback, and there may be one for each message
            raise self.error.with_traceback(self.traceback)
        return self.value


class BatchRun:
    """
    The handling of some messages by one call of their handler.

    :param batch: knows the layers and the handler
    """

    def __init__(self, batch: BatchCall, messages: Sequence[SQSMessage]) -> None:
        self.batch = batch
        self.messages = messages
        #: the messages that came through their layers, and what the handler made of each
        self.accepted: list[SQSMessage] = []
        self.outcomes: list[Outcome] = []
        self.results: dict[int, MessageHandlingResult] = {}

    def run(self) -> list[MessageHandlingResult]:
        """Return the result of each message, in their order."""
        self._handle_from(0)
        return [self.results[position] for position in range(len(self.messages))]

    def _handle_from(self, start: int) -> None:
        """Handle the messages from one position on."""
        waiting: list[tuple[int, Passage]] = []
        for position in range(start, len(self.messages)):
            passage = Passage(self.messages[position])
            if passage.enter(self.batch.flat):
                waiting.append((position, passage))
                if self.batch.nested and self._nest(position, passage):
                    # the handler was called inside
                    break
            else:
                self.results[position] = passage.result()
        else:
            self._call_handler()
        for position, passage in reversed(waiting):
            self.results[position] = passage.result()

    def _nest(self, position: int, passage: Passage) -> bool:
        """Handle the later messages inside the plain layers of one, and return whether these let it through."""
        index: int | None = None

        def innermost(message: SQSMessage) -> Any:
            nonlocal index
            if index is None:
                index = len(self.accepted)
                self.accepted.append(message)
                self._handle_from(position + 1)
            return self.outcomes[index].get()

        passage.finish(partial(compose(self.batch.nested, innermost), passage.message))
        return index is not None

    def _call_handler(self) -> None:
        if not self.accepted:
            return
        # no ring: what the handler raises is raised again inside the layers of each message
        try:
            values = self.batch.call(self.accepted)
        except BaseException as error:
            values = [error] * len(self.accepted)
        self.outcomes = [make_outcome(value) for value in values]
