"""
The last messages of which something is remembered.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final

from microcosm_pubsub.config.fork import renew_lock_in_child


#: This many messages are remembered by default.
MAX_REMEMBERED: Final = 10_000


class RecentCounts:
    """
    Remember a number for each of the last messages, by their ids.

    :param limit: of more messages than this the oldest are forgotten
    """

    def __init__(self, limit: int = MAX_REMEMBERED) -> None:
        self.limit = limit
        #: The numbers by message id, those that were changed last at the end.
        self.counts: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()
        renew_lock_in_child(self, "_lock")

    def __len__(self) -> int:
        return len(self.counts)

    def add(self, message_id: str | None) -> None:
        """Add one to the number of a message; None is no message."""
        if message_id is None:
            return
        with self._lock:
            self.counts[message_id] = self.counts.pop(message_id, 0) + 1
            if len(self.counts) > self.limit:
                self.counts.popitem(last=False)

    def count(self, message_id: str | None) -> int:
        """Return the number of a message: 0 if nothing is remembered of it."""
        return self.counts.get(message_id or "", 0)

    def forget(self, message_id: str | None) -> None:
        """Forget a message."""
        if self.counts:
            with self._lock:
                self.counts.pop(message_id or "", None)
