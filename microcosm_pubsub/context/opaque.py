"""
The data that goes on with the messages that a message causes: its opaque data, its names, and one hop less to go.
"""

from __future__ import annotations

from typing import Any

from microcosm.api import typed

from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults
from microcosm_pubsub.constants import MESSAGE_ID_KEY, RECEIPT_HANDLE_KEY, TTL_KEY, URI_KEY
from microcosm_pubsub.message import SQSMessage, find_ttl


@defaults(
    enable_ttl=typed(values.boolean("sqs_message_context.enable_ttl"), default_value=True),
    initial_ttl=typed(values.integer("sqs_message_context.initial_ttl", minimum=1), default_value=32),
)
class SQSMessageContext:
    """
    Make the context of a message: its opaque data, its names, and one hop less to go.

    Bound as `sqs_message_context`.

    :param graph: config `sqs_message_context`: `enable_ttl`, whether messages may only cause a number of
        further hops, and `initial_ttl`, that number for a message that does not tell
    """

    def __init__(self, graph: Any) -> None:
        self.enable_ttl: bool = graph.config.sqs_message_context.enable_ttl
        self.initial_ttl: int = graph.config.sqs_message_context.initial_ttl

    def __call__(self, message: SQSMessage, **extra: Any) -> dict[str, Any]:
        """
        Return the context of a message.

        :param extra: more keys, which win
        """
        opaque_data = message.opaque_data
        context = {str(key).casefold(): value for key, value in opaque_data.items()} if opaque_data else {}
        if message.message_id is not None:
            context[MESSAGE_ID_KEY] = message.message_id
        if (uri := message.uri) is not None:
            context[URI_KEY] = uri
        if message.receipt_handle is not None:
            context[RECEIPT_HANDLE_KEY] = message.receipt_handle
        if self.enable_ttl:
            ttl = find_ttl(opaque_data)
            context[TTL_KEY] = str((self.initial_ttl if ttl is None else ttl) - 1)
        context.update(extra)
        return context
