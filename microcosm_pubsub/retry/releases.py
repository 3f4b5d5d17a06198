"""
How often messages were handed back without having been handled.

SQS counts every receive. A message that was received and released again, because an earlier one of its group failed or
because its daemon stopped, was not attempted, and must not be given up for that. What this process released it
remembers; of what others released it knows nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from microcosm_pubsub.message import SQSMessage


#: So many messages are remembered.
MAX_REMEMBERED = 10_000


class Releases:
    """Remember how often each of the last messages was released unhandled."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()

    def note(self, message: SQSMessage) -> None:
        """Note that a message is released."""
        if message.message_id is None:
            return
        with self._lock:
            self._counts[message.message_id] = self._counts.pop(message.message_id, 0) + 1
            if len(self._counts) > MAX_REMEMBERED:
                self._counts.popitem(last=False)

    def count(self, message: SQSMessage) -> int:
        """Return how often a message was released."""
        # nearly always there are none
        return self._counts.get(message.message_id or "", 0) if self._counts else 0
