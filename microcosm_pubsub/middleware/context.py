"""
Make the context of a message known while it is handled.
"""

from collections.abc import Callable
from typing import Any

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
        with opaque.initialize(lambda: context), logging_context(context):
            return call_next(message)

    return layer
