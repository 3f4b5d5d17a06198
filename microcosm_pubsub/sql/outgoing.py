"""
The messages that a transaction publishes: kept until its end, and forgotten where it goes back to a savepoint.

So are writes that have to wait for the end, and publish messages then.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from sqlalchemy import Connection

from microcosm_pubsub.producer import PubsubMessage


#: Writes on the connection of a transaction.
Write = Callable[[Connection], None]


class TransactionMessages:
    """
    The messages of one transaction.

    Sessions and connections tell of their transactions and savepoints, by a key. Messages from before the first use of
    a session belong to that session, which only begins then.
    """

    def __init__(self) -> None:
        self._kept: list[PubsubMessage | Write] = []
        #: Whether a relay or the end of the transaction publishes them.
        self.is_attended = False
        #: The number of savepoints that there were on the connection.
        self.savepoints = 0
        self._open: list[tuple[Hashable, int]] = []
        #: The number of those kept when the last outermost savepoint ended.
        self._settled = 0
        self._ended: tuple[Hashable, int] = (None, 0)

    @property
    def messages(self) -> list[PubsubMessage]:
        """Return the messages, in their order."""
        return [each for each in self._kept if isinstance(each, PubsubMessage)]

    def add(self, each: PubsubMessage | Write) -> None:
        """Keep a message, or a write that waits for the end."""
        self._kept.append(each)

    def write(self, connection: Connection) -> None:
        """Make the writes that waited; what each publishes has its place."""
        kept, self._kept = self._kept, []
        for each in kept:
            if isinstance(each, PubsubMessage):
                self._kept.append(each)
            else:
                each(connection)

    def begin(self, key: Hashable) -> None:
        """Note that a savepoint begins."""
        self._open.append((key, len(self._kept) if self._open else self._settled))

    def release(self, key: Hashable) -> None:
        """Note that a savepoint has ended; one that has ended already may end again."""
        count = self._leave(key)
        if count is not None:
            self._ended = (key, count)
            self._settled = self._settled if self._open else len(self._kept)

    def roll_back(self, key: Hashable) -> None:
        """Forget what came after the beginning of a savepoint, which may be told after its end."""
        count = self._leave(key)
        ended, before = self._ended
        if count is None and ended == key:
            count = before
        if count is not None:
            del self._kept[count:]
            self._settled = min(self._settled, count)

    def _leave(self, key: Hashable) -> int | None:
        """End a savepoint, and those inside it, and return how much was kept before it; None if it had ended."""
        position = next((index for index, (each, _) in enumerate(self._open) if each == key), None)
        if position is None:
            return None
        _, count = self._open[position]
        del self._open[position:]
        return count
