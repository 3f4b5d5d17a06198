"""
News that a thread keeps until the end of its transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from threading import local


#: Queues that have messages, or None for any.
News = Collection[str] | None


class HeldNews(local):
    """
    Tell news, or keep it until the end of a block; each thread has blocks of its own.

    :param tell: tells news
    """

    def __init__(self, tell: Callable[[News], None]) -> None:
        self._tell = tell
        self._held: list[News] | None = None

    def tell(self, queues: News) -> None:
        """Tell now, or at the end of the block."""
        if self._held is None:
            self._tell(queues)
        else:
            self._held.append(queues)

    @contextmanager
    def until_end(self) -> Iterator[None]:
        """Keep what this thread tells until the end of a block, and drop it if the block fails."""
        held = self._held = []
        try:
            yield
        finally:
            self._held = None
        if held:
            self._tell(None if None in held else {queue for queues in held for queue in queues or ()})
