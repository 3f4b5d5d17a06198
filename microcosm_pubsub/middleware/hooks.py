"""
Hooks, by which a handler class is told of each message beside handling it.

    class Handler:
        def on_start(self, message): ...
        def on_success(self, message, result): ...
        def on_error(self, message, error): ...

`on_error` may return what is to become of the message: a `Nack`, a `SkipMessage`, a `DeadLetter`, or any other of
their kind. A hook's own error is logged and counted, and changes nothing.
"""

from __future__ import annotations

from logging import getLogger
from typing import Any

from microcosm_pubsub.errors import HandlerSignal
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware.event_loop import EventLoop
from microcosm_pubsub.middleware.handler_call import call
from microcosm_pubsub.middleware.layer import Around, Steps
from microcosm_pubsub.result import is_interrupt
from microcosm_pubsub.retry import RetryPolicy
from microcosm_pubsub.types import Handler


logger = getLogger("microcosm_pubsub.dispatcher")

NAMES = ("on_start", "on_success", "on_error")


class Hooks(Around):
    """
    A layer that calls the hooks of handlers.

    :param loop: runs hooks that are coroutine functions
    """

    def __init__(self, loop: EventLoop) -> None:
        super().__init__(self._steps)
        self.loop = loop
        #: The number of hooks that failed.
        self.failures = 0

    def is_needed(self, handler: Handler | None, policy: RetryPolicy) -> bool:
        """Return whether a handler has hooks."""
        return any(getattr(handler, name, None) is not None for name in NAMES)

    def _steps(self, message: SQSMessage) -> Steps:
        self._call(message, "on_start")
        try:
            result = yield
        except HandlerSignal:
            # The handler raised an outcome, and no error.
            raise
        except BaseException as error:
            # A handler that would end the program has failed; GeneratorExit says that these steps are closed unused.
            if isinstance(error, GeneratorExit) or is_interrupt(error):
                raise
            outcome = self._call(message, "on_error", error)
            if isinstance(outcome, HandlerSignal):
                raise outcome from error
            raise
        self._call(message, "on_success", result)
        return result

    def _call(self, message: SQSMessage, name: str, *args: Any) -> Any:
        hook = getattr(message.handler, name, None)
        if hook is None:
            return None
        # Hooks are user code that looks on: a hook's error, or its exit, must not be taken for the handler's.
        try:
            return call(self.loop, hook, message, *args)
        except BaseException as error:
            if is_interrupt(error):
                raise
            self.failures += 1
            logger.warning("The hook %s of %s failed", name, type(message.handler).__qualname__, exc_info=True)
            return None
