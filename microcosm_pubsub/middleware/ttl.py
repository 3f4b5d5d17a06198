"""
End loops of messages that cause each other.
"""

from collections.abc import Callable
from typing import Any

from microcosm_pubsub.errors import TTLExpired
from microcosm_pubsub.message import SQSMessage


def expire(call_next: Callable[[SQSMessage], Any], message: SQSMessage) -> Any:
    """
    Refuse a message that has no hops left.

    :raises TTLExpired: if so
    """
    if message.ttl is not None and message.ttl <= 0:
        raise TTLExpired(extra={"ttl": message.ttl})
    return call_next(message)
