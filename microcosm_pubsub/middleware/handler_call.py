"""
How a handler is called: with one content or with many, as a function or as a coroutine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import iscoroutinefunction
from types import AsyncGeneratorType, GeneratorType
from typing import Any

from microcosm_pubsub.errors import HandlerError
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware.event_loop import EventLoop
from microcosm_pubsub.types import Call, Handler


def is_async(handler: Handler) -> bool:
    """Return whether a handler is a coroutine function, or an object whose `__call__` is one."""
    # bound to no instance, since it is the class that says what a call does
    return iscoroutinefunction(handler) or iscoroutinefunction(type(handler).__call__)


def make_handler_call(loop: EventLoop) -> Call:
    """Return what calls a message's handler with its content."""

    def call_handler(message: SQSMessage) -> Any:
        assert message.handler is not None, "UnhandledMessages lets no such message through"
        value = message.handler(message.content)
        # what nearly all return, and no work still to be done
        return value if value is None or type(value) is bool else await_value(loop, message.handler, value)

    return call_handler


def call(loop: EventLoop, handler: Callable[..., Any], *args: Any) -> Any:
    """
    Call a handler or a hook, and wait for it if it is a coroutine function.

    :raises HandlerError: if it gave a coroutine or a generator, which nobody would run
    """
    return await_value(loop, handler, handler(*args))


def await_value(loop: EventLoop, handler: Callable[..., Any], value: Any) -> Any:
    """
    Return what a handler or a hook gave, once it is there.

    :raises HandlerError: if it gave a coroutine or a generator, which nobody would run
    """
    if hasattr(type(value), "__await__") and is_async(handler):
        return loop.run(value)
    if error := find_undone(value):
        raise error
    return value


def find_undone(value: Any) -> HandlerError | None:
    """Return what is wrong with a value that is work still to be done, if it is that."""
    if isinstance(value, (GeneratorType, AsyncGeneratorType)):
        return HandlerError("The handler returned a generator, which nobody runs: return a truth value")
    if not hasattr(type(value), "__await__"):
        return None
    if hasattr(value, "close"):
        value.close()
    return HandlerError(
        "The handler is no coroutine function, but returned a coroutine, which nobody waits for: declare it with "
        "`async def`, or return a truth value"
    )


def call_batch_handler(loop: EventLoop, messages: Sequence[SQSMessage]) -> list[Any]:
    """
    Call the handler of messages with the list of their contents, and return what became of each.

    A list or tuple holds one value per content: truthy, falsy, or an exception. Anything else holds for all.

    :raises HandlerError: if a list does not hold as many values as there are messages, or the values are not there yet
    """
    handler = messages[0].handler
    assert handler is not None, "UnhandledMessages lets no such message through"
    value = call(loop, handler, [message.content for message in messages])
    if hasattr(type(value), "__next__"):
        raise HandlerError(f"The batch handler returned a {type(value).__name__}, which nobody runs: return a list")
    if not isinstance(value, (list, tuple)):
        return [value] * len(messages)
    if len(value) != len(messages):
        raise HandlerError(f"The batch handler returned {len(value)} values for {len(messages)} contents")
    return [find_undone(item) or item for item in value]
