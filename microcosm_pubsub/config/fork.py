"""
The renewal of a forked child: connections, pools, locks and threads of its own.

A child that goes on with its parent's connections reads its parent's answers, and one that takes a lock waits for ever
if another thread of its parent held it. An object that has such things says here how to start anew.
https://docs.python.org/3/library/os.html#os.register_at_fork
"""

from __future__ import annotations

import os
from collections.abc import Callable
from logging import getLogger
from threading import Lock, local
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary, ref


logger = getLogger(__name__)

T = TypeVar("T")


class Lockable(Protocol):
    """A lock."""

    def acquire(self) -> Any: ...

    def release(self) -> Any: ...


_owners: dict[int, tuple[ref[Any], Callable[[Any], None]]] = {}

#: Locks that are held while a process forks, by those that they belong to.
_held_still: WeakKeyDictionary[Any, Callable[[Any], Lockable]] = WeakKeyDictionary()


class _Holding(local):
    """The locks that a thread holds while it forks: another may fork at the same time."""

    def __init__(self) -> None:
        self.locks: list[Lockable] = []


_holding = _Holding()

#: Objects that are not used any more, and must not be closed either: the parent still uses the other end.
_inherited: list[Any] = []


def start_anew_in_child(owner: T, start_anew: Callable[[T], None]) -> None:
    """
    Have something start anew in children that are forked from now on, as long as it lives.

    :param owner: has connections, locks or threads
    :param start_anew: gives it new ones; it is called in the child, before anything else runs there
    """
    key = id(owner)
    _owners[key] = (ref(owner, lambda _: _owners.pop(key, None)), start_anew)


def renew_lock_in_child(owner: Any, name: str) -> None:
    """
    Give something a new lock in forked children: another thread of the parent may hold the one that they inherit.

    :param name: of the attribute that is the lock
    """
    start_anew_in_child(owner, lambda owner: setattr(owner, name, Lock()))


def hold_still_while_forking(owner: T, get_lock: Callable[[T], Lockable]) -> None:
    """
    Hold a lock whenever this process forks, so that nothing is under way that a child could not undo.

    :param owner: to which the lock belongs, as long as it lives
    :param get_lock: gives its lock of the moment
    """
    _held_still[owner] = get_lock


def keep_inherited(thing: Any) -> None:
    """Keep something of the parent's from being closed in this process."""
    _inherited.append(thing)


def _hold_still() -> None:
    for owner, get_lock in list(_held_still.items()):
        lock = get_lock(owner)
        lock.acquire()
        _holding.locks.append(lock)


def _go_on() -> None:
    while _holding.locks:
        _holding.locks.pop().release()


def _start_all_anew() -> None:
    # These are the parent's; their owners make new ones.
    _holding.locks.clear()
    for reference, start_anew in list(_owners.values()):
        owner = reference()
        if owner is None:
            continue
        # An object that cannot start anew must not keep the others from it, nor the child from running.
        try:
            start_anew(owner)
        except Exception:
            logger.exception("%s cannot start anew in a forked child", type(owner).__qualname__)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold_still, after_in_parent=_go_on, after_in_child=_start_all_anew)
