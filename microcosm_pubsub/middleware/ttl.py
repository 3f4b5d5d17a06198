"""
End loops of messages that cause each other.
"""

from microcosm_pubsub.errors import TTLExpired
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware.layer import Check


@Check
def expire(message: SQSMessage) -> None:
    """
    Refuse a message that has no hops left.

    :raises TTLExpired: if so
    """
    ttl = message.ttl
    if ttl is not None and ttl <= 0:
        raise TTLExpired(extra={"ttl": ttl})
