"""
The context in which a message is handled, and that goes on with the messages that it causes.
"""

from microcosm_pubsub.context.current import current_message, current_messages, current_messages_or_none, handling
from microcosm_pubsub.context.opaque import SQSMessageContext


__all__ = [
    "SQSMessageContext",
    "current_message",
    "current_messages",
    "current_messages_or_none",
    "handling",
]
