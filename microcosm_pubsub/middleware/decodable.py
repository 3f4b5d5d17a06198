"""
Keep messages that could not be decoded from the handlers.
"""

from collections.abc import Callable
from typing import Any

from microcosm_pubsub.message import SQSMessage


def refuse_undecodable(call_next: Callable[[SQSMessage], Any], message: SQSMessage) -> Any:
    """Raise the error of a message that could not be decoded."""
    if message.error is not None:
        raise message.error
    return call_next(message)
