"""
What a transaction publishes: kept until its end, and forgotten where it goes back to a savepoint.
"""

from __future__ import annotations

from microcosm_pubsub.producer import PubsubMessage


class Outgoing:
    """
    The messages of one transaction.

    What comes before the first use of a session belongs to that session, whose savepoint only begins then.
    """

    def __init__(self) -> None:
        self.messages: list[PubsubMessage] = []
        #: Whether somebody sees to it that they are published.
        self.is_attended = False
        self._open: list[tuple[str, int]] = []
        #: how many messages were there when the last outermost savepoint ended
        self._kept = 0

    def begin(self, name: str) -> None:
        """Note that a savepoint begins."""
        self._open.append((name, len(self.messages) if self._open else self._kept))

    def release(self, name: str) -> None:
        """Note that a savepoint has ended well."""
        self._leave(name)
        if not self._open:
            self._kept = len(self.messages)

    def roll_back(self, name: str) -> None:
        """Forget what came after the beginning of a savepoint."""
        del self.messages[self._leave(name) :]

    def _leave(self, name: str) -> int:
        while self._open:
            opened, count = self._open.pop()
            if opened == name:
                return count
        return self._kept
