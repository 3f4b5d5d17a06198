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
from time import perf_counter, time
from types import TracebackType
from typing import Any

from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware.layer import Check, FlatLayer, Steps, compose, leave, split_flat
from microcosm_pubsub.result import MessageHandlingResult, waited_seconds
from microcosm_pubsub.types import Layer


#: At most this many calls of plain functions stand inside each other: a fraction of what Python allows, and enough for
#: a hundred messages within one such layer each.
MAX_NESTED_LAYERS = 100

#: Calls the handler of messages once, and returns a value for each.
CallMany = Callable[[Sequence[SQSMessage]], list[Any]]


class BatchCall:
    """
    Handle some messages by one call of their handler.

    :param layers: the layers around the handling of each, the outermost first
    :param call: calls the handler with the messages that came through, and returns a value for each
    """

    def __init__(self, layers: Sequence[Layer], call: CallMany) -> None:
        self.flat, self.nested = split_flat(layers)
        self.call = call

    def __call__(self, messages: Sequence[SQSMessage]) -> list[MessageHandlingResult]:
        """Return the result of each message, in their order."""
        return [result for chunk in self._split(messages) for result in BatchRun(self, chunk).run()]

    def _split(self, messages: Sequence[SQSMessage]) -> Iterator[Sequence[SQSMessage]]:
        size = max(1, MAX_NESTED_LAYERS // len(self.nested)) if self.nested else len(messages)
        return (messages[start : start + size] for start in range(0, len(messages), max(1, size)))


@dataclass(frozen=True, slots=True)
class CallResult:
    """The value that a call returned, or its error with the traceback that it had then."""

    value: Any = None
    error: BaseException | None = None
    traceback: TracebackType | None = None

    def get(self) -> Any:
        """Return it, or raise it."""
        if self.error is not None:
            # Each raise lengthens the traceback, and the error may be raised once per message.
            raise self.error.with_traceback(self.traceback)
        return self.value


def capture(get: Callable[[], Any]) -> CallResult:
    """Return the result of a call."""
    # This is no ring: the error is raised again where the message's result is made of it.
    try:
        return CallResult(get())
    except BaseException as error:
        return CallResult(error=error, traceback=error.__traceback__)


def read_result(value: Any) -> CallResult:
    """Return the outcome that a handler's value for one message stands for: errors may be among the values."""
    if isinstance(value, BaseException):
        return CallResult(error=value, traceback=value.__traceback__)
    if isinstance(value, type) and issubclass(value, BaseException):
        # A class is truthy: the message would be deleted.
        return capture(partial(_raise, value))
    return CallResult(value)


def _raise(error: type[BaseException]) -> None:
    raise error


class Passage:
    """One message of a batch on its way through its flat layers, and its result."""

    __slots__ = ("arrived_at", "ended", "message", "outcome", "started", "waiting")

    def __init__(self, message: SQSMessage) -> None:
        self.message = message
        self.waiting: list[Steps] = []
        self.arrived_at = time()
        self.started = self.ended = perf_counter()
        self.outcome = CallResult()

    def enter(self, layers: Sequence[FlatLayer]) -> bool:
        """Go through layers, and return whether all let the message through."""
        try:
            for layer in layers:
                if isinstance(layer, Check):
                    layer.check(self.message)
                    continue
                steps = layer.enter(self.message)
                try:
                    next(steps)
                except StopIteration as end:
                    self.leave(CallResult(end.value).get)
                    return False
                self.waiting.append(steps)
        except BaseException as error:
            # This is no ring, as in `capture`.
            self.leave(CallResult(error=error, traceback=error.__traceback__).get)
            return False
        return True

    def leave(self, get: Callable[[], Any]) -> None:
        """Give the layers that wait, from the inside out, the result of the rest; it raises nothing."""
        outcome = capture(get)
        while self.waiting:
            outcome = capture(partial(leave, self.waiting.pop(), outcome.value, outcome.error))
        self.outcome = outcome
        self.ended = perf_counter()

    def result(self) -> MessageHandlingResult:
        """Return the message's result."""
        result = MessageHandlingResult.capture(lambda message: self.outcome.get(), self.message)
        result.elapsed_time = (self.ended - self.started) * 1000
        result.handle_start_time = waited_seconds(self.message, self.arrived_at)
        return result


class BatchRun:
    """
    The handling of some messages by one call of their handler.

    :param batch: knows the layers and the handler
    """

    def __init__(self, batch: BatchCall, messages: Sequence[SQSMessage]) -> None:
        self.batch = batch
        self.passages = [Passage(message) for message in messages]
        #: The messages that came through their layers, and what the handler made of each.
        self.accepted: list[SQSMessage] = []
        self.outcomes: list[CallResult] = []

    def run(self) -> list[MessageHandlingResult]:
        """Return the result of each message, in their order."""
        if self.batch.nested:
            self._descend(0)
        else:
            self._go_through()
        return [passage.result() for passage in self.passages]

    def _go_through(self) -> None:
        entered = [passage for passage in self.passages if passage.enter(self.batch.flat)]
        self.accepted = [passage.message for passage in entered]
        self._call_handler()
        for passage, outcome in reversed(list(zip(entered, self.outcomes, strict=True))):
            passage.leave(outcome.get)

    def _descend(self, start: int) -> None:
        """Handle the messages from one position on, each inside the plain layers of the one before it."""
        for position in range(start, len(self.passages)):
            if self.passages[position].enter(self.batch.flat) and self._nest(position):
                return
        self._call_handler()

    def _nest(self, position: int) -> bool:
        """Go through the plain layers of a message, and return whether they let it, and so all later ones, through."""
        passage = self.passages[position]
        index: int | None = None

        def innermost(message: SQSMessage) -> Any:
            nonlocal index
            if index is None:
                index = len(self.accepted)
                self.accepted.append(message)
                self._descend(position + 1)
            return self.outcomes[index].get()

        passage.leave(partial(compose(self.batch.nested, innermost), passage.message))
        return index is not None

    def _call_handler(self) -> None:
        if not self.accepted:
            return
        outcome = capture(partial(self.batch.call, self.accepted))
        values = [outcome.error] * len(self.accepted) if outcome.error is not None else outcome.value
        self.outcomes = [read_result(value) for value in values]
