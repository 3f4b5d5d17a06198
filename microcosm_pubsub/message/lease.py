"""
The time for which a received message is ours.

SQS hides a received message for its visibility timeout; a worker that handles it for longer has the timeout extended,
which may fail, and then somebody else may receive the message too. A handler that does what must not be done twice asks
its lease before it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from time import monotonic
from typing import Any

from microcosm_pubsub.errors import LeaseLost


RAN_OUT = "its visibility timeout ran out"


class Lease:
    """
    Know whether a received message is still ours.

    Of a message that no worker received (on Lambda, in tests), nobody knows better: it counts as ours.

    :param deadline: until when the message is ours, by a monotonic clock, in seconds
    :param limit: until when it may be ours at most
    :param renew_at: when to ask for more time
    :param clock: that clock
    :param stop_extending: has messages not extended any more, from when it returns
    """

    __slots__ = ("clock", "deadline", "limit", "lost_reason", "renew_at", "stop_extending")

    def __init__(
        self,
        deadline: float = inf,
        limit: float = inf,
        renew_at: float = inf,
        clock: Callable[[], float] = monotonic,
        stop_extending: Callable[[Iterable[Any]], None] = lambda messages: None,
    ) -> None:
        self.clock = clock
        self.stop_extending = stop_extending
        self.deadline = deadline
        self.limit = limit
        self.renew_at = renew_at
        self.lost_reason: str | None = None

    @property
    def lost(self) -> bool:
        """Return whether the message may be somebody else's now."""
        # The keeper may be blocked in a call and not have marked the lease lost yet: look at the clock too.
        return self.lost_reason is not None or self.clock() >= self.deadline

    def lose(self, reason: str) -> None:
        """Note that the message may be somebody else's now, and why."""
        self.lost_reason = reason

    def check(self) -> None:
        """
        Do nothing while the message is ours.

        :raises LeaseLost: if it may be somebody else's
        """
        if self.lost:
            raise LeaseLost(
                f"The message is no longer ours: {self.lost_reason or RAN_OUT}; it will be, or was, received again, "
                "so that what must not happen twice must not happen here"
            )
