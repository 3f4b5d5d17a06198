"""
Make the context of a message known while it is handled.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from microcosm.opaque import NormalizedDict, Opaque

from microcosm_pubsub.constants import TTL_KEY
from microcosm_pubsub.context import current_messages_or_none, handling
from microcosm_pubsub.fast import PLAIN
from microcosm_pubsub.fast.context_value import ContextValue
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware.layer import Steps
from microcosm_pubsub.types import Call


class ProvideContext:
    """
    A layer that puts a message's context into the graph's opaque data and into log lines.

    :param opaque: the graph's `opaque`
    :param make_context: the graph's `sqs_message_context`
    """

    def __init__(self, opaque: Any, make_context: Callable[[SQSMessage], dict[str, Any]]) -> None:
        self.make_context = make_context
        is_plain = PLAIN or type(opaque) is not Opaque
        self.initialize = initialize_by_itself(opaque) if is_plain else initialize_shallowly(opaque)

    def __call__(self, call_next: Call, message: SQSMessage) -> Any:
        """Handle a message in its context."""
        message.context = context = self.make_context(message)
        with self.initialize(context), handling(message):
            return call_next(message)

    def enter(self, message: SQSMessage) -> Steps:
        """Do the same for a message of a batch, in whose contexts the later ones are handled."""
        context = self.make_context(message)
        outer = current_messages_or_none()
        if outer and outer[-1].context and TTL_KEY in context and TTL_KEY in outer[-1].context:
            # what the handler of a batch causes has as few hops left as any of its messages
            context[TTL_KEY] = min(context[TTL_KEY], outer[-1].context[TTL_KEY], key=int)
        message.context = context
        with self.initialize(context), handling(message):
            return (yield)


def initialize_shallowly(opaque: Opaque) -> Callable[[Mapping[str, Any]], AbstractContextManager[Any]]:
    """Return what `opaque.initialize` does, without the deep copy that it makes for every message."""
    store = opaque._store

    def initialize(context: Mapping[str, Any]) -> ContextValue[Any]:
        # as they are: the keys of both are in lower case already
        values = NormalizedDict.__new__(NormalizedDict)
        dict.update(values, store.get())
        dict.update(values, context)
        return ContextValue(store, values)

    return initialize


def initialize_by_itself(opaque: Any) -> Callable[[Mapping[str, Any]], AbstractContextManager[Any]]:
    """Return what initializes opaque data of another kind than microcosm's."""
    return lambda context: opaque.initialize(lambda: context)
