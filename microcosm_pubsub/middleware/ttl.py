"""
End loops of messages that cause each other.
"""

from typing import Any

from microcosm_pubsub.errors import TTLExpired
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.types import Call


def expire(call_next: Call, message: SQSMessage) -> Any:
    """
    Refuse a message that has no hops left.

    :raises TTLExpired: if so
    """
    ttl = message.ttl
    if ttl is not None and ttl <= 0:
        raise TTLExpired(extra={"ttl": ttl})
    return call_next(message)
