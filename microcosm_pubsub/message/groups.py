"""
The rule of FIFO queues: while a message of a group stays in its queue, later ones of the group must wait.

Whoever handles, settles or sends messages in their order asks here: the dispatcher and the worker, the sender of dead
letters, and the command that imports them.
"""

from __future__ import annotations


class Groups:
    """
    The groups of which a message stays, so that later ones of the group must wait.

    :param blocked: those that are blocked from the beginning
    """

    __slots__ = ("blocked",)

    def __init__(self, blocked: set[str] | None = None) -> None:
        self.blocked: set[str] = set() if blocked is None else blocked

    def block(self, group: str | None) -> None:
        """Note that a message of a group stays; None is no group, and blocks nothing."""
        if group:
            self.blocked.add(group)

    def is_blocked(self, group: str | None) -> bool:
        """Return whether an earlier message of a group stays."""
        return group in self.blocked
