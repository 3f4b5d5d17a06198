"""
Locks that are held while a process forks.
"""

import os
from threading import Event, RLock, Thread, current_thread, main_thread

import pytest

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
    child = os.fork()
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def test_a_thread_that_forks_lets_the_locks_alone_that_another_holds_to_fork():
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
    other = Thread(target=fork_next)
    other.start()
    fork()
    may_fork.set()
    other.join(SECONDS)

    assert [owner.lock.acquire(timeout=1) for owner in owners] == [True, True]
