"""
The time that the messages of each receive took, all together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from logging import getLogger
from threading import Lock
from time import monotonic

from microcosm_pubsub.message import SQSMessage


logger = getLogger(__name__)


class Receive:
    """The messages of one receive, and the number of those that are still here."""

    __slots__ = ("at", "left", "size")

    def __init__(self, at: float, size: int) -> None:
        self.at = at
        self.left = self.size = size


class ReceiveTimer:
    """
    Tell, of each receive, when its last message was handled, or released.

    :param tell: gets the milliseconds since the receive was answered, and the number of its messages; None wants none
    :param clock: a monotonic clock, in seconds
    """

    def __init__(self, tell: Callable[[float, int], None] | None, clock: Callable[[], float] = monotonic) -> None:
        self.tell = tell
        self.clock = clock
        self._receives: dict[int, Receive] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._receives)

    def began(self, messages: Sequence[SQSMessage]) -> None:
        """Note the messages of a receive."""
        if self.tell is not None and messages:
            receive = Receive(self.clock(), len(messages))
            with self._lock:
                self._receives.update((id(message), receive) for message in messages)

    def ended(self, messages: Iterable[SQSMessage]) -> None:
        """Note that messages are no longer here."""
        if self.tell is None:
            return
        with self._lock:
            receives = [self._receives.pop(id(message), None) for message in messages]
            done: list[Receive] = []
            for receive in receives:
                if receive is not None:
                    receive.left -= 1
                    if receive.left == 0:
                        done.append(receive)
        for receive in done:
            try:
                self.tell((self.clock() - receive.at) * 1000, receive.size)
            except Exception:
                # Metrics are user code, and can change nothing.
                logger.warning("Cannot send metrics of a receive", exc_info=True)
