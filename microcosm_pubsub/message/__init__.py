"""
One received message, and the time for which it is ours.
"""

from microcosm_pubsub.message.groups import Groups
from microcosm_pubsub.message.lease import Lease
from microcosm_pubsub.message.message import (
    Acknowledger,
    Outgoing,
    Replaceable,
    SQSMessage,
    find_opaque_data,
    find_ttl,
    find_value,
)
from microcosm_pubsub.message.raw import (
    BatchAnswer,
    MessageAttribute,
    MessageAttributes,
    RawMessage,
    ReceiveAnswer,
    SettleEntry,
)
from microcosm_pubsub.message.recent import RecentCounts


__all__ = [
    "Acknowledger",
    "BatchAnswer",
    "Groups",
    "Lease",
    "MessageAttribute",
    "MessageAttributes",
    "Outgoing",
    "RawMessage",
    "ReceiveAnswer",
    "RecentCounts",
    "Replaceable",
    "SQSMessage",
    "SettleEntry",
    "find_opaque_data",
    "find_ttl",
    "find_value",
]
