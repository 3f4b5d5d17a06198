"""
Ignore what nobody here knows.
"""

from collections.abc import Callable
from typing import Any

from microcosm_pubsub.errors import IgnoreMessage
from microcosm_pubsub.message import SQSMessage


def ignore_unknown(call_next: Callable[[SQSMessage], Any], message: SQSMessage) -> Any:
    """
    Refuse a message whose media type has no schema or no handler.

    :raises IgnoreMessage: if so
    """
    if message.content is None:
        raise IgnoreMessage("No schema for this media type")
    if message.handler is None:
        raise IgnoreMessage("No handler for this media type")
    return call_next(message)
