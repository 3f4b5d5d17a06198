"""
The messages that a transaction publishes: kept until its end, and forgotten where it goes back to a savepoint.
"""

from __future__ import annotations

from collections.abc import Hashable

from microcosm_pubsub.producer import PubsubMessage


class TransactionMessages:
    """
    The messages of one transaction.

    Sessions and connections tell of their transactions and savepoints, by a key. Messages from before the first use of
    a session belong to that session, which only begins then.
    """

    def __init__(self) -> None:
        self.messages: list[PubsubMessage] = []
        #: Whether a relay or the end of the transaction publishes them.
        self.is_attended = False
        #: The number of savepoints that there were on the connection.
        self.savepoints = 0
        self._open: list[tuple[Hashable, int]] = []
        #: The number of messages when the last outermost savepoint ended.
        self._kept = 0
        self._ended: tuple[Hashable, int] = (None, 0)

    def begin(self, key: Hashable) -> None:
        """Note that a savepoint begins."""
        self._open.append((key, len(self.messages) if self._open else self._kept))

    def release(self, key: Hashable) -> None:
        """Note that a savepoint has ended; one that has ended already may end again."""
        count = self._leave(key)
        if count is not None:
            self._ended = (key, count)
            self._kept = self._kept if self._open else len(self.messages)

    def roll_back(self, key: Hashable) -> None:
        """Forget messages from after the beginning of a savepoint, which may be told after its end."""
        count = self._leave(key)
        ended, before = self._ended
        if count is None and ended == key:
            count = before
        if count is not None:
            del self.messages[count:]
            self._kept = min(self._kept, count)

    def _leave(self, key: Hashable) -> int | None:
        """End a savepoint, and those inside it, and return how many messages came before it; None if it had ended."""
        position = next((index for index, (each, _) in enumerate(self._open) if each == key), None)
        if position is None:
            return None
        _, count = self._open[position]
        del self._open[position:]
        return count
