"""
Locks that are held while a process forks.
"""

import os
from signal import alarm
from threading import Event, RLock, Thread, current_thread, main_thread
from weakref import WeakKeyDictionary

import pytest

from microcosm_pubsub.config import fork as config_fork
from microcosm_pubsub.config.cached import cached_property
from microcosm_pubsub.config.fork import hold_still_while_forking
from tests.waiting import SECONDS


pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


class Owner:
    def __init__(self):
        self.lock = RLock()
        hold_still_while_forking(self, lambda owner: owner)

    def acquire(self):
        self.lock.acquire()

    def release(self):
        self.lock.release()


def fork():
    """Do what a fork has this module do: what others do then, such as awscrt's module, would wait in between."""
    config_fork._hold_still()
    config_fork._go_on()


def test_a_thread_that_forks_lets_the_locks_alone_that_another_holds_to_fork(monkeypatch):
    # those of other tests are no matter of this one
    monkeypatch.setattr(config_fork, "_held_still", WeakKeyDictionary())
    released, has_first, may_fork = Event(), Event(), Event()

    class First(Owner):
        def release(self):
            super().release()
            if current_thread() is main_thread():
                released.set()
                assert has_first.wait(SECONDS)

    class Second(Owner):
        def acquire(self):
            super().acquire()
            if current_thread() is not main_thread():
                has_first.set()
                assert may_fork.wait(SECONDS)

    def fork_next():
        assert released.wait(SECONDS)
        fork()

    owners = [First(), Second()]
    other = Thread(target=fork_next, daemon=True)
    other.start()
    fork()
    may_fork.set()
    other.join(SECONDS)

    assert [owner.lock.acquire(timeout=1) for owner in owners] == [True, True]


def test_a_property_that_another_thread_finds_out_keeps_no_child_waiting():
    is_at_it, may_end = Event(), Event()

    class Slow:
        @cached_property
        def value(self):
            if current_thread() is not main_thread():
                is_at_it.set()
                assert may_end.wait(SECONDS)
            return self

    other = Thread(target=lambda: Slow().value, daemon=True)
    other.start()
    assert is_at_it.wait(SECONDS)
    child = os.fork()
    if child == 0:
        # the system ends it, if it waits
        alarm(SECONDS)
        slow = Slow()
        os._exit(0 if slow.value is slow.value is slow else 1)
    assert os.waitpid(child, 0)[1] == 0
    may_end.set()
    other.join(SECONDS)
    assert isinstance(Slow.value, cached_property)
