"""
The calls of a worker that are under way.
"""

from threading import Event, current_thread

import pytest

from microcosm_pubsub.worker.reactor import Reactor
from tests.told import Told


SECONDS = 30


class Client:
    """A client that cannot begin a call without waiting for its end."""

    def __init__(self):
        self.go_on = Event()
        self.go_on.set()

    def receive_message(self, **parameters):
        assert self.go_on.wait(SECONDS)
        if "error" in parameters:
            raise parameters["error"]
        return parameters


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def reactor(client):
    reactor = Reactor(client, 4)
    yield reactor
    client.go_on.set()
    reactor.close()


@pytest.mark.parametrize("started", [False, True])
def test_a_client_that_waits_gets_a_thread(reactor, started):
    if started:
        reactor.start()
    told = Told()
    reactor.call("receive_message", {"Number": 1}, told)

    assert told.wait() == {"Number": 1}
    assert told.thread == "caller-0"


def test_errors_are_told(reactor):
    told, error = Told(), OSError("no")
    reactor.call("receive_message", {"error": error}, told)

    assert told.wait() is error
    assert reactor.error is None


def test_a_fault_of_who_is_told_is_not_lost(reactor, caplog):
    error, told = ZeroDivisionError("a fault"), Told()
    reactor.call("receive_message", {}, lambda get: exec("raise error", {"error": error}))
    reactor.call("receive_message", {}, told)
    told.wait()
    reactor.close()
    while reactor.threads.busy:
        pass

    assert reactor.error is error
    assert "ends with a fault" in caplog.text


def test_several_at_a_time(reactor, client):
    client.go_on.clear()
    all_told = [Told() for _ in range(4)]
    for told in all_told:
        reactor.call("receive_message", {}, told)
    assert reactor.threads.busy == 4
    client.go_on.set()
    for told in all_told:
        told.wait()

    assert len({told.thread for told in all_told}) == 4


class TestWhatIsDue:
    def test_it_is_looked_at_again_when_it_says(self, reactor):
        looks, enough = [], Event()

        def look():
            looks.append(current_thread().name)
            if len(looks) == 3:
                enough.set()
            return 0.001

        reactor.start(look)

        assert enough.wait(SECONDS)
        assert set(looks) == {"reactor"}

    def test_whoever_has_something_earlier_wakes_it(self, reactor):
        asleep, due = Event(), Event()
        waits = [None, None]

        def look():
            if len(waits) > 1:
                asleep.set()
            else:
                due.set()
            return waits[0]

        reactor.start(look)
        assert asleep.wait(SECONDS)
        waits.pop()
        reactor.wake_by(reactor.clock())

        assert due.wait(SECONDS)

    def test_several_look(self, reactor):
        first, second = Event(), Event()
        reactor.start(first.set, second.set)

        assert first.wait(SECONDS)
        assert second.wait(SECONDS)

    def test_waking_never_waits(self, reactor):
        reactor.start()
        for _ in range(100_000):
            reactor._answers.wake()

    def test_without_a_start_nobody_is_woken(self, reactor):
        reactor.wake_by(0)
        reactor.take_over()
        reactor.help()
        assert reactor.error is None


def test_closing_twice_is_harmless(reactor):
    reactor.start()
    reactor.close()
    reactor.close()
