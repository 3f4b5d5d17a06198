"""
What a forked child starts anew: connections, pools, locks and threads of its own.

A child that goes on with its parent's connections reads its parent's answers, and one that takes a lock waits for ever
if another thread of its parent held it. Whoever has such things says here how to start anew.
https://docs.python.org/3/library/os.html#os.register_at_fork
"""

from __future__ import annotations

import os
from collections.abc import Callable
from logging import getLogger
from threading import Lock
from typing import Any, TypeVar
from weakref import ref


logger = getLogger(__name__)

T = TypeVar("T")

_owners: dict[int, tuple[ref[Any], Callable[[Any], None]]] = {}

#: What is not used any more, and must not be closed either: the parent still uses the other end.
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


def keep_inherited(thing: Any) -> None:
    """Keep something of the parent's from being closed in this process."""
    _inherited.append(thing)


def _start_all_anew() -> None:
    for reference, start_anew in list(_owners.values()):
        owner = reference()
        if owner is None:
            continue
        # One that cannot start anew must not keep the others from it, nor the child from running.
        try:
            start_anew(owner)
        except Exception:
            logger.exception("%s cannot start anew in a forked child", type(owner).__qualname__)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_all_anew)
