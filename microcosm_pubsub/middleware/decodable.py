"""
Keep messages that could not be decoded from the handlers.
"""

from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware.layer import Check


@Check
def refuse_undecodable(message: SQSMessage) -> None:
    """Raise the error of a message that could not be decoded."""
    if message.error is not None:
        raise message.error
