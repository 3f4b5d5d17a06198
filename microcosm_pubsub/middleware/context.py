"""
Make the context of a message known while it is handled.
"""

from collections.abc import Callable
from typing import Any

from microcosm_pubsub.constants import TTL_KEY
from microcosm_pubsub.context import handling
from microcosm_pubsub.log_context import logging_context
from microcosm_pubsub.message import SQSMessage


def provide_context(
    opaque: Any,
    make_context: Callable[[SQSMessage], dict[str, Any]],
) -> Callable[[Callable[[SQSMessage], Any], SQSMessage], Any]:
    """
    Return a layer that puts a message's context into the graph's opaque data and into log lines.

    :param opaque: the graph's `opaque`
    :param make_context: the graph's `sqs_message_context`
    """

    def layer(call_next: Callable[[SQSMessage], Any], message: SQSMessage) -> Any:
        context = make_context(message)
        if TTL_KEY in context and TTL_KEY in opaque:
            # messages of a batch are handled inside each other: what it causes has as few hops left as any of them
            context[TTL_KEY] = min(context[TTL_KEY], opaque[TTL_KEY], key=int)
        with opaque.initialize(lambda: context), logging_context(context), handling(message):
            return call_next(message)

    return layer
