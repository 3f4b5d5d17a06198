"""
Make the context of a message known while it is handled.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

from microcosm.opaque import NormalizedDict, Opaque

from microcosm_pubsub.constants import TTL_KEY
from microcosm_pubsub.context.current import MESSAGES, current_messages_or_none, handling
from microcosm_pubsub.fast import PLAIN
from microcosm_pubsub.fast.context_value import ContextValues
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware.layer import Steps
from microcosm_pubsub.types import Call


EnterContext: TypeAlias = Callable[[Mapping[str, Any], SQSMessage], AbstractContextManager[None]]


class ProvideContext:
    """
    A layer that puts a message's context into the graph's opaque data and into log lines.

    :param opaque: the graph's `opaque`
    :param make_context: the graph's `sqs_message_context`
    """

    def __init__(self, opaque: Any, make_context: Callable[[SQSMessage], dict[str, Any]]) -> None:
        self.make_context = make_context
        is_plain = PLAIN or type(opaque) is not Opaque
        #: enters the context of a message
        self.enter_context = enter_plainly(opaque) if is_plain else enter_shallowly(opaque)

    def __call__(self, call_next: Call, message: SQSMessage) -> Any:
        """Handle a message in its context."""
        message.context = context = self.make_context(message)
        with self.enter_context(context, message):
            return call_next(message)

    def enter(self, message: SQSMessage) -> Steps:
        """Do the same for a message of a batch, in whose contexts the later ones are handled."""
        context = self.make_context(message)
        outer = current_messages_or_none()
        if outer and outer[-1].context and TTL_KEY in context and TTL_KEY in outer[-1].context:
            # what the handler of a batch causes has as few hops left as any of its messages
            context[TTL_KEY] = min(context[TTL_KEY], outer[-1].context[TTL_KEY], key=int)
        message.context = context
        with self.enter_context(context, message):
            return (yield)


def enter_shallowly(opaque: Opaque) -> EnterContext:
    """Return what `opaque.initialize` and `handling` do together, without a deep copy for every message."""
    store = opaque._store

    def enter(context: Mapping[str, Any], message: SQSMessage) -> ContextValues:
        # as they are: the keys of both are in lower case already
        values = NormalizedDict.__new__(NormalizedDict)
        dict.update(values, store.get())
        dict.update(values, context)
        return ContextValues(store, values, MESSAGES, (*MESSAGES.get(), message))

    return enter


def enter_plainly(opaque: Any) -> EnterContext:
    """Return what puts a context into opaque data of any kind, and notes that its message is being handled."""

    @contextmanager
    def enter(context: Mapping[str, Any], message: SQSMessage) -> Iterator[None]:
        with opaque.initialize(lambda: context), handling(message):
            yield

    return enter
