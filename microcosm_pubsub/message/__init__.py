"""
One received message, and the time for which it is ours.
"""

from microcosm_pubsub.message.groups import Groups
from microcosm_pubsub.message.lease import Lease
from microcosm_pubsub.message.message import Replaceable, Settler, SQSMessage, find_opaque_data, find_ttl, find_value
from microcosm_pubsub.message.recent import Recent


__all__ = [
    "Groups",
    "Lease",
    "Recent",
    "Replaceable",
    "SQSMessage",
    "Settler",
    "find_opaque_data",
    "find_ttl",
    "find_value",
]
