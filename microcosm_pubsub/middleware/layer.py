"""
The shapes of a layer, and how layers become one call.

A layer is a function `layer(call_next, message)`. Around one message layers stand inside each other. Around a batch
the layers of every message must be entered before its one handler is called, and a function cannot wait in the middle
without standing on the stack. So there are two more shapes, which need no place on it: a `Check` has nothing to do
after the handler, and a generator waits at its `yield`:

    @around
    def timed(message):
        start = perf_counter()
        result = yield
        print(perf_counter() - start)
        return result
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial, update_wrapper
from typing import Any, Protocol, TypeAlias, runtime_checkable

from microcosm_pubsub.errors import HandlerError
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.registry import HandlerOptions
from microcosm_pubsub.retry import RetryPolicy
from microcosm_pubsub.types import Call, Handler, Layer, UnitCall, UnitLayer


#: Does what comes before the handler, waits for its value at a `yield`, and returns what the layer makes of it.
Steps: TypeAlias = Generator[None, Any, Any]


class Check:
    """
    A layer that lets a message through, or raises, and has nothing to do afterwards.

    :param check: raises for a message that is not to be handled
    """

    def __init__(self, check: Callable[[SQSMessage], None]) -> None:
        self.check = check
        update_wrapper(self, check)

    def __call__(self, call_next: Call, message: SQSMessage) -> Any:
        """Handle a message that passes."""
        self.check(message)
        return call_next(message)


@runtime_checkable
class Enterable(Protocol):
    """A layer that can wait for a value without standing on the stack."""

    def __call__(self, call_next: Call, message: SQSMessage, /) -> Any: ...

    def enter(self, message: SQSMessage) -> Steps:
        """Return a generator that does the layer's part, and waits for the value that the rest would return."""


class Around:
    """
    A layer that is written as a generator.

    :param steps: takes a message, yields once where the handler is called, and returns the layer's value; what the
        handler raised is raised there
    """

    def __init__(self, steps: Callable[[SQSMessage], Steps]) -> None:
        self.enter = steps
        update_wrapper(self, steps)

    def __call__(self, call_next: Call, message: SQSMessage) -> Any:
        """Handle a message between the generator's two halves."""
        steps = self.enter(message)
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        try:
            value = call_next(message)
        except BaseException as error:
            return leave(steps, error=error)
        return leave(steps, value)


def around(steps: Callable[[SQSMessage], Steps]) -> Around:
    """Return the layer that a generator function of a message stands for."""
    return Around(steps)


def leave(steps: Steps, value: Any = None, error: BaseException | None = None) -> Any:
    """Give a layer that waits its value, or the error that was raised instead, and return the layer's value."""
    try:
        if error is None:
            steps.send(value)
        else:
            steps.throw(error)
    except StopIteration as end:
        if end is error:
            # A lambda that yields lets it out on Python 3.12.
            raise
        return end.value
    except RuntimeError as failure:
        if isinstance(error, StopIteration) and failure.__cause__ is error:
            # Python does not let it out of a generator: https://peps.python.org/pep-0479/
            raise error from None
        raise
    steps.close()
    raise HandlerError("A layer yields more than once: let it yield where the handler is called, and then return")


#: Layers that need no place on the stack while a batch is handled.
FlatLayer: TypeAlias = Check | Enterable


def split_flat(layers: Iterable[Layer]) -> tuple[tuple[FlatLayer, ...], tuple[Layer, ...]]:
    """Return the flat layers that come first, and the others."""
    flat: list[FlatLayer] = []
    nested: list[Layer] = []
    for layer in layers:
        if not nested and isinstance(layer, (Check, Enterable)):
            flat.append(layer)
        else:
            nested.append(layer)
    return tuple(flat), tuple(nested)


def choose_layers(layers: Iterable[Layer], handler: Handler | None, policy: RetryPolicy) -> tuple[Layer, ...]:
    """
    Return those layers that have something to do for a handler.

    A layer whose `is_needed(handler, policy)` returns False has nothing to do.
    """
    return tuple(layer for layer in layers if getattr(layer, "is_needed", _always)(handler, policy))


def _always(handler: Handler | None, policy: RetryPolicy) -> bool:
    return True


def compose(layers: Iterable[Layer], call: Call) -> Call:
    """Return a call that goes through the layers, the first one outermost, to `call`."""
    checks: list[Callable[[SQSMessage], None]] = []
    for layer in reversed(tuple(layers)):
        if isinstance(layer, Check):
            checks.insert(0, layer.check)
            continue
        call = partial(layer, _check_first(checks, call))
        checks = []
    return _check_first(checks, call)


def _check_first(checks: Sequence[Callable[[SQSMessage], None]], call: Call) -> Call:
    """Return a call that comes after some checks, which need no call inside each other."""
    if not checks:
        return call
    checks = tuple(checks)

    def checked(message: SQSMessage) -> Any:
        for check in checks:
            check(message)
        return call(message)

    return checked


def choose_unit_layers(
    layers: Iterable[UnitLayer], handler: Handler | None, options: HandlerOptions
) -> tuple[UnitLayer, ...]:
    """
    Return the unit layers of a handler.

    A layer with a method `for_handler(handler, options)` has one of its own for each handler, or None.
    """
    chosen = (getattr(layer, "for_handler", lambda *_, own=layer: own)(handler, options) for layer in layers)
    return tuple(layer for layer in chosen if layer is not None)


def compose_units(layers: Iterable[UnitLayer], call: UnitCall) -> UnitCall:
    """Return a call that goes through the layers around units, the first one outermost, to `call`."""
    for layer in reversed(tuple(layers)):
        call = partial(layer, call)
    return call
