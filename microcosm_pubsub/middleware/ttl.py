"""
End loops of messages that cause each other.
"""

from microcosm_pubsub.errors import TTLExpired
from microcosm_pubsub.message import SQSMessage, find_ttl
from microcosm_pubsub.middleware.layer import Check


@Check
def expire(message: SQSMessage) -> None:
    """
    Refuse a message that has no hops left.

    :raises TTLExpired: if so
    """
    ttl = find_ttl(message.opaque_data)
    if ttl is not None and ttl <= 0:
        raise TTLExpired(extra={"ttl": ttl})
