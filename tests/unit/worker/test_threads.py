"""
Threads for what has to wait.
"""

from threading import Barrier, Event, current_thread
from threading import enumerate as enumerate_threads

from microcosm_pubsub.worker.threads import Threads


SECONDS = 30


def names(prefix):
    return {thread.name for thread in enumerate_threads() if thread.name.startswith(prefix)}


def join(prefix):
    for thread in enumerate_threads():
        if thread.name.startswith(prefix):
            thread.join(SECONDS)
    assert names(prefix) == set()


def test_as_many_as_there_is_to_do():
    threads, together = Threads("many", 3), Barrier(4)
    for _ in range(3):
        threads.run(lambda: together.wait(SECONDS))
    together.wait(SECONDS)

    assert names("many") == {"many-0", "many-1", "many-2"}
    threads.close()
    join("many")


def test_no_more_than_there_may_be():
    threads, go_on, done, last = Threads("few", 2), Event(), [], Event()
    for number in range(5):
        threads.run(lambda number=number: go_on.wait(SECONDS) and done.append((number, current_thread().name)))
    threads.run(last.set)
    assert threads.busy == 6
    go_on.set()
    threads.close()
    join("few")

    assert last.is_set()
    assert {number for number, _ in done} == set(range(5))
    assert {name for _, name in done} <= {"few-0", "few-1"}
    assert threads.busy == 0


def test_one_that_is_free_takes_the_next():
    threads, seen = Threads("one", 8), []
    for _ in range(5):
        done = Event()
        threads.run(lambda done=done: (seen.append(current_thread().name), done.set()))
        assert done.wait(SECONDS)
        while threads.busy:
            # it has ended but for noting so
            pass

    assert set(seen) == {"one-0"}
    threads.close()
    join("one")


def test_what_is_asked_for_at_the_end_of_a_job_is_done_by_its_thread():
    threads, seen, done, others = Threads("last", 2), [], Event(), Barrier(2)

    def note(last=False):
        seen.append(current_thread().name)
        if last:
            done.set()

    def first():
        note()
        threads.run(second)
        # This thread has something to do next, so that another one does this.
        threads.run(lambda: others.wait(SECONDS))
        others.wait(SECONDS)

    def second():
        note()
        threads.run(lambda: note(last=True))

    threads.run(first)

    assert done.wait(SECONDS)
    assert len(seen) == 3
    assert len(set(seen)) == 1
    threads.close()
    join("last")
    assert threads.busy == 0
