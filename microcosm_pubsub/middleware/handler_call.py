"""
Calling a handler: with one content or with many, as a function or as a coroutine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from types import AsyncGeneratorType, GeneratorType
from typing import Any

from microcosm_pubsub.codecs import ContentCodec
from microcosm_pubsub.errors import HandlerError, article
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware.event_loop import EventLoop
from microcosm_pubsub.types import Call, Handler


def is_async(handler: Handler) -> bool:
    """Return whether a handler is a coroutine function, or an object whose `__call__` is one."""
    # The method is taken from the class: the class says what a call does.
    return iscoroutinefunction(handler) or iscoroutinefunction(type(handler).__call__)


@dataclass(frozen=True, slots=True)
class Arguments:
    """
    The arguments of a handler.

    :param named: the arguments beside its content, by parameter: a function of the messages that are handled
    :param takes_message: whether it takes the message in the place of its content
    :param codec: makes the content, if the envelope left it as it was written; None if the handler takes any
    :param returns_none: whether it has succeeded when it returns None
    """

    named: Mapping[str, Callable[[Sequence[SQSMessage]], Any]] = field(default_factory=dict)
    takes_message: bool = False
    codec: ContentCodec | None = None
    returns_none: bool = False

    @property
    def are_plain(self) -> bool:
        """Return whether the handler is called with the content alone, as it came, and its value says all."""
        return not (self.named or self.takes_message or self.codec or self.returns_none)

    @property
    def are_message(self) -> bool:
        """Return whether the handler is called with the message alone."""
        return self.takes_message and not self.named and self.codec is None

    def get_first(self, message: SQSMessage) -> Any:
        """
        Return the argument that stands for one message.

        :raises MessageValidationError: if its content does not fit
        """
        # dict comes first: a check for any Mapping costs ten times as much.
        if self.codec is not None and isinstance(message.content, (dict, Mapping)):
            # An envelope that knows no schemas left the content as it was written.
            opaque_data = message.opaque_data
            message.content = self.codec.decode(message.content)
            message.opaque_data = opaque_data
        return message if self.takes_message else message.content

    def get_others(self, messages: Sequence[SQSMessage]) -> dict[str, Any]:
        """Return the handler's other arguments."""
        return {name: get(messages) for name, get in self.named.items()}

    def judge(self, value: Any) -> Any:
        """Return the value of a handler, which may say that it returns nothing."""
        return True if value is None and self.returns_none else value


PLAIN_ARGUMENTS = Arguments()


def make_handler_call(loop: EventLoop, arguments: Arguments = PLAIN_ARGUMENTS) -> Call:
    """
    Return the function that calls a message's handler.

    :param arguments: the handler's arguments
    """

    def call_handler(message: SQSMessage) -> Any:
        assert message.handler is not None, "UnhandledMessages lets no such message through"
        value = message.handler(message.content)
        # Nearly all handlers return one of these, and neither has to be awaited.
        return value if value is None or type(value) is bool else await_value(loop, message.handler, value)

    def call_with_arguments(message: SQSMessage) -> Any:
        assert message.handler is not None, "UnhandledMessages lets no such message through"
        others = arguments.get_others([message]) if arguments.named else {}
        value = message.handler(arguments.get_first(message), **others)
        return value if type(value) is bool else arguments.judge(await_value(loop, message.handler, value))

    def call_with_message(message: SQSMessage) -> Any:
        assert message.handler is not None, "UnhandledMessages lets no such message through"
        value = message.handler(message)
        return value if type(value) is bool else arguments.judge(await_value(loop, message.handler, value))

    if arguments.are_plain:
        return call_handler
    return call_with_message if arguments.are_message else call_with_arguments


def call(loop: EventLoop, handler: Callable[..., Any], *args: Any) -> Any:
    """
    Call a handler or a hook, and wait for it if it is a coroutine function.

    :raises HandlerError: if it gave a coroutine or a generator, which nobody would run
    """
    return await_value(loop, handler, handler(*args))


def await_value(loop: EventLoop, handler: Callable[..., Any], value: Any) -> Any:
    """
    Return the value that a handler or a hook gave, once it is there.

    :raises HandlerError: if it gave a coroutine or a generator, which nobody would run
    """
    if hasattr(type(value), "__await__") and is_async(handler):
        return loop.run(value)
    if error := find_undone(value):
        raise error
    return value


def find_undone(value: Any) -> HandlerError | None:
    """Return the fault of a value that is work still to be done, if it is that."""
    if isinstance(value, (GeneratorType, AsyncGeneratorType)):
        return HandlerError("The handler returned a generator, which nobody runs: return a value")
    if not hasattr(type(value), "__await__"):
        return None
    if hasattr(value, "close"):
        value.close()
    return HandlerError(
        "The handler is no coroutine function, but returned a coroutine, which nobody waits for: declare it with "
        "`async def`, or return a value"
    )


def call_batch_handler(
    loop: EventLoop, messages: Sequence[SQSMessage], arguments: Arguments = PLAIN_ARGUMENTS
) -> list[Any]:
    """
    Call the handler of messages with the list of their contents, and return the value for each.

    A list or tuple holds one value per content: truthy, falsy, or an exception. Anything else holds for all.

    :raises HandlerError: if a list does not hold as many values as there are messages, or the values are not there yet
    """
    handler = messages[0].handler
    assert handler is not None, "UnhandledMessages lets no such message through"
    firsts = [arguments.get_first(message) for message in messages]
    value = arguments.judge(await_value(loop, handler, handler(firsts, **arguments.get_others(messages))))
    if hasattr(type(value), "__next__"):
        raise HandlerError(f"The batch handler returned {article(value)}, which nobody runs: return a list")
    if not isinstance(value, (list, tuple)):
        return [value] * len(messages)
    if len(value) != len(messages):
        raise HandlerError(f"The batch handler returned {len(value)} values for {len(messages)} contents")
    return [find_undone(item) or item for item in value]
