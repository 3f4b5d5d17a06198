"""
Make the context of a message known while it is handled.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from microcosm.opaque import NormalizedDict, Opaque

from microcosm_pubsub.constants import TTL_KEY
from microcosm_pubsub.context.current import MESSAGES, current_messages_or_none, handling
from microcosm_pubsub.fast import PLAIN
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware.layer import Steps
from microcosm_pubsub.types import Call


#: Calls the rest with a message whose context is known.
CallInContext: TypeAlias = Callable[[Mapping[str, Any], Call, SQSMessage], Any]


class ProvideContext:
    """
    A layer that puts a message's context into the graph's opaque data and into log lines.

    :param opaque: the graph's `opaque`
    :param make_context: the graph's `sqs_message_context`
    """

    def __init__(self, opaque: Any, make_context: Callable[[SQSMessage], dict[str, Any]]) -> None:
        self.opaque = opaque
        self.make_context = make_context
        is_plain = PLAIN or type(opaque) is not Opaque
        self.call_in_context = self._call_plainly if is_plain else make_shallow_call(opaque)

    def __call__(self, call_next: Call, message: SQSMessage) -> Any:
        """Handle a message in its context."""
        message.context = context = self.make_context(message)
        return self.call_in_context(context, call_next, message)

    def enter(self, message: SQSMessage) -> Steps:
        """Do the same for a message of a batch, in whose contexts the later ones are handled."""
        context = self.make_context(message)
        outer = current_messages_or_none()
        if outer and outer[-1].context and TTL_KEY in context and TTL_KEY in outer[-1].context:
            # Messages that a batch handler publishes have as few hops left as any of the batch's messages.
            context[TTL_KEY] = min(context[TTL_KEY], outer[-1].context[TTL_KEY], key=int)
        message.context = context
        with self.opaque.initialize(lambda: context), handling(message):
            return (yield)

    def _call_plainly(self, context: Mapping[str, Any], call_next: Call, message: SQSMessage) -> Any:
        with self.opaque.initialize(lambda: context), handling(message):
            return call_next(message)


def make_shallow_call(opaque: Opaque) -> CallInContext:
    """
    Return a function that calls in a context as `opaque.initialize` does, without the deep copy that it makes each
    time.
    """
    store = opaque._store

    def call_in_context(context: Mapping[str, Any], call_next: Call, message: SQSMessage) -> Any:
        # The keys of both are in lower case already.
        values = NormalizedDict.__new__(NormalizedDict)
        dict.update(values, store.get())
        dict.update(values, context)
        before = store.set(values)
        others = MESSAGES.set((*MESSAGES.get(), message))
        try:
            return call_next(message)
        finally:
            MESSAGES.reset(others)
            store.reset(before)

    return call_in_context
