"""
Handlers that call a function: its arguments come out of the message, and its components out of the graph.
"""

from __future__ import annotations

from asyncio import CancelledError, current_task
from collections.abc import Callable
from inspect import Parameter, Signature, iscoroutinefunction
from typing import Any, Protocol

from microcosm_pubsub.calls.parameters import Parameters
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware.handler_call import find_undone
from microcosm_pubsub.result import is_interrupt


class Run(Protocol):
    """One call of a function, for one message."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def succeed(self, value: Any) -> None:
        """Take the value that the function returned."""
        ...

    def fail(self, error: BaseException) -> None:
        """Take the error that the function raised; raise the outcome of the message."""
        ...

    def cancel(self, error: CancelledError) -> None:
        """Take that the function, a coroutine, was told to end, or raised this itself."""
        ...


#: Begins a call for a message; None if there is nothing to be done for it. Arguments that are given to the function
#: stand beside the message.
Begin = Callable[[SQSMessage, dict[str, Any]], Run | None]


class CallHandler:
    """
    Handle the messages that call one function.

    It asks the graph for what the function is given, as any handler does: by its signature.

    :param function: the function, or a method that is bound
    :param parameters: its parameters
    :param begin: begins a call of it
    :param replies: holds its answers, if it gives any
    """

    def __init__(
        self, function: Callable[..., Any], parameters: Parameters, begin: Begin, replies: object = None
    ) -> None:
        self.function = function
        self.parameters = parameters
        self.begin = begin
        self.replies = replies
        #: Whether its messages are those of tasks that are remembered.
        self.has_ledger = False
        # Log lines and dead letters name it by these.
        self.__module__ = function.__module__
        self.__qualname__ = function.__qualname__
        received = Parameter("received", Parameter.POSITIONAL_ONLY, annotation=SQSMessage)
        self.__signature__ = Signature([received, *parameters.declared.given])

    def __call__(self, message: SQSMessage, /, **given: Any) -> bool:
        """Call the function, and return that this was done."""
        run = self.begin(message, given)
        if run is None:
            return True
        try:
            value = self.function(*run.args, **run.kwargs)
            if value is not None and (undone := find_undone(value)):
                raise undone
        except BaseException as error:
            # A function that would end the program has failed, as a handler has that does.
            if not is_interrupt(error):
                run.fail(error)
            raise
        run.succeed(value)
        return True


class AsyncCallHandler(CallHandler):
    """Handle the messages that call one coroutine function."""

    async def __call__(self, message: SQSMessage, /, **given: Any) -> bool:  # type: ignore[override]
        """Call the function, and return that this was done."""
        run = self.begin(message, given)
        if run is None:
            return True
        try:
            value = await self.function(*run.args, **run.kwargs)
            if value is not None and (undone := find_undone(value)):
                raise undone
        except GeneratorExit:
            # The coroutine is closed: nobody waits for it any more.
            raise
        except BaseException as error:
            if isinstance(error, CancelledError):
                run.cancel(error)
            else:
                run.fail(error)
            raise
        run.succeed(value)
        return True


def is_told_to_end() -> bool:
    """Return whether the coroutine that runs is cancelled from outside, as one is that takes longer than it may."""
    task = current_task()
    return task is not None and task.cancelling() > 0


def make_call_handler(
    function: Callable[..., Any], parameters: Parameters, begin: Begin, replies: object = None
) -> CallHandler:
    """Return the handler of a function, or of a coroutine function."""
    cls = AsyncCallHandler if iscoroutinefunction(function) else CallHandler
    return cls(function, parameters, begin, replies)
