"""
Keep messages that could not be decoded from the handlers.
"""

from typing import Any

from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.types import Call


def refuse_undecodable(call_next: Call, message: SQSMessage) -> Any:
    """Raise the error of a message that could not be decoded."""
    if message.error is not None:
        raise message.error
    return call_next(message)
