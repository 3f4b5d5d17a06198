"""
How a handler is called: with one content or with many, as a function or as a coroutine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import iscoroutinefunction
from typing import Any

from microcosm_pubsub.errors import HandlerError
from microcosm_pubsub.event_loop import EventLoop
from microcosm_pubsub.message import SQSMessage


Handler = Callable[[Any], Any]


def is_async(handler: Handler) -> bool:
    """Tell whether a handler is a coroutine function, or an object whose `__call__` is one."""
    # bound to no instance, since it is the class that says what a call does
    return iscoroutinefunction(handler) or iscoroutinefunction(type(handler).__call__)


def call_handler(loop: EventLoop, message: SQSMessage) -> Any:
    """Call a message's handler with its content."""
    assert message.handler is not None, "middleware.ignore_unknown lets no such message through"
    return call(loop, message.handler, message.content)


def call(loop: EventLoop, handler: Handler, content: Any) -> Any:
    """
    Call a handler, and wait for it if it is a coroutine function.

    :raises HandlerError: if it gave a coroutine though it is none, which nobody would wait for
    """
    value = handler(content)
    if not hasattr(type(value), "__await__"):
        return value
    if is_async(handler):
        return loop.run(value)
    if hasattr(value, "close"):
        value.close()
    raise HandlerError(
        "The handler is no coroutine function, but returned a coroutine, which nobody waits for: declare it with "
        "`async def`, or return a truth value"
    )


def call_batch_handler(loop: EventLoop, messages: Sequence[SQSMessage]) -> list[Any]:
    """
    Call the handler of messages with the list of their contents, and return what became of each.

    A list or tuple holds one value per content: truthy, falsy, or an exception. Anything else holds for all.

    :raises HandlerError: if a list does not hold as many values as there are messages
    """
    handler = messages[0].handler
    assert handler is not None, "middleware.ignore_unknown lets no such message through"
    value = call(loop, handler, [message.content for message in messages])
    if not isinstance(value, (list, tuple)):
        return [value] * len(messages)
    if len(value) != len(messages):
        raise HandlerError(f"The batch handler returned {len(value)} values for {len(messages)} contents")
    return list(value)
