"""
Where a thread is.
"""

from re import fullmatch
from threading import Event, Thread

from microcosm_pubsub.worker.lanes import Lanes
from microcosm_pubsub.worker.place import find_place
from tests.waiting import SECONDS, wait_until


def test_it_is_told_by_the_innermost_line_of_the_users_code():
    began, go_on = Event(), Event()

    def wait():
        began.set()
        go_on.wait(SECONDS)

    thread = Thread(target=wait)
    thread.start()
    assert began.wait(SECONDS)
    line = wait.__code__.co_firstlineno + 2
    wait_until(lambda: find_place(thread) == f"{__file__}:{line} in wait")
    go_on.set()
    thread.join(SECONDS)
    assert find_place(thread) is None


def test_where_nothing_is_the_users_it_is_told_by_ours():
    lanes = Lanes()
    thread = Thread(target=lanes.take)
    thread.start()
    wait_until(lambda: fullmatch(r".*/microcosm_pubsub/worker/lanes\.py:\d+ in take", find_place(thread) or ""))
    lanes.close()
    thread.join(SECONDS)
