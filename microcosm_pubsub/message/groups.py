"""
The rule of FIFO queues: while a message of a group stays in its queue, later ones of the group must wait.

Parts that handle, settle or send messages in their order ask here: the dispatcher and the worker, the sender of dead
letters, and the command that imports them.
"""

from __future__ import annotations


class Groups:
    """
    The groups of which a message stays, so that later ones of the group must wait.

    :param ordered: whether order counts; on standard queues groups are about fairness, and none blocks
    """

    __slots__ = ("blocked", "ordered")

    def __init__(self, ordered: bool = True) -> None:
        self.ordered = ordered
        self.blocked: set[str] = set()

    def block(self, group: str | None) -> None:
        """Note that a message of a group stays; None is no group, and blocks nothing."""
        if group and self.ordered:
            self.blocked.add(group)

    def is_blocked(self, group: str | None) -> bool:
        """Return whether an earlier message of a group stays."""
        return group in self.blocked
