"""
An interrupt in a call, as Ctrl-C is one, in a program that goes on.
"""

import sys
from threading import Thread

import microcosm_pubsub.broker.sqlite
import microcosm_pubsub.broker.store
from microcosm_pubsub.broker.store import Store
from tests.waiting import SECONDS


#: In these it comes when a call of the system's or of SQLite's has returned, as Python has it.
FILES = {microcosm_pubsub.broker.sqlite.__file__, microcosm_pubsub.broker.store.__file__}


class Interruption:
    """Interrupt this thread behind one of its calls."""

    def __init__(self, at):
        self.left = at

    def __call__(self, frame, event, arg):
        if event == "c_return" and frame.f_code.co_filename in FILES:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


def interrupt(store, at):
    """Return whether a transaction was interrupted behind its n-th call."""
    before = sys.getprofile()
    sys.setprofile(Interruption(at))
    try:
        with store.begin():
            pass
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(before)
    return False


def use(store, ended):
    with store.begin():
        ended.append(store)


def test_a_program_that_goes_on_keeps_the_database_from_nobody(file_url, monkeypatch):
    # who waits for the file fails at once
    monkeypatch.setattr(microcosm_pubsub.broker.sqlite, "BUSY_TIMEOUT_SECONDS", 0)
    store, other = Store(file_url), Store(file_url)
    use(store, [])
    at = 1
    while interrupt(store, at):
        ended = []
        for each in (other, store):
            thread = Thread(target=use, args=(each, ended), daemon=True)
            thread.start()
            thread.join(SECONDS)
        assert ended == [other, store], f"interrupted behind call {at}"
        at += 1
    assert at > 3
    store.close()
    other.close()
