"""
Receives that wait, and what wakes them.
"""

from threading import Event, Thread
from time import monotonic

import pytest

from microcosm_pubsub.broker.notify import Notifier


#: Longer than any test runs.
LONG_SECONDS = 60.0


class Bell:
    """A notifier that never looks again by itself."""

    def __init__(self):
        self.generation = self.interruptions = 0
        self.waiting = Event()
        self.rung = Event()

    def notify(self, connection):
        pass

    def wake(self):
        self.rung.set()

    def wait(self, generation, deadline, due_seconds=None):
        self.due_seconds = due_seconds
        self.waiting.set()
        return self.rung.wait(LONG_SECONDS)

    def close(self):
        pass


@pytest.fixture
def bell():
    return Bell()


def wait_for_message(queue, bell, act):
    """Let a receive wait, then act, and return what it received."""
    received = []
    bell.waiting.clear()
    bell.rung.clear()
    receiver = Thread(target=lambda: received.extend(queue.receive(WaitTimeSeconds=20)))
    receiver.start()
    assert bell.waiting.wait(LONG_SECONDS)
    act()
    receiver.join()
    return [message["Body"] for message in received]


def test_send_wakes(any_url, make_queue, bell):
    queue = make_queue(any_url, notifier=bell)
    assert wait_for_message(queue, bell, lambda: queue.send("a")) == ["a"]


def test_batch_wakes(any_url, make_queue, bell):
    queue = make_queue(any_url, notifier=bell)
    assert wait_for_message(queue, bell, lambda: queue.send_all(["a"])) == ["a"]


def test_release_wakes(any_url, make_queue, bell):
    queue = make_queue(any_url, notifier=bell)
    queue.send("a")
    (message,) = queue.receive()

    def release():
        handle = message["ReceiptHandle"]
        queue.client.change_message_visibility(QueueUrl=queue.url, ReceiptHandle=handle, VisibilityTimeout=0)

    assert wait_for_message(queue, bell, release) == ["a"]


def test_delete_wakes_the_next_of_the_group(any_url, make_queue, bell):
    queue = make_queue(any_url, fifo=True, notifier=bell)
    queue.send("a", "b", MessageGroupId="1")
    (message,) = queue.receive(1)
    assert wait_for_message(queue, bell, lambda: queue.delete(message)) == ["b"]


def test_notification_before_the_wait_is_not_missed():
    notifier = Notifier()
    generation = notifier.generation
    notifier.wake()
    assert notifier.generation != generation
    assert notifier.wait(generation, monotonic() + LONG_SECONDS) is True


def test_wait_ends_at_the_deadline():
    notifier = Notifier()
    assert notifier.wait(notifier.generation, monotonic()) is False


def test_wait_ends_when_it_is_time_to_look_again():
    notifier = Notifier()
    # far from the deadline, and nobody woke it
    assert notifier.wait(notifier.generation, monotonic() + LONG_SECONDS) is True


def test_message_whose_time_comes_is_noticed(any_url, make_queue, bell, clock):
    queue = make_queue(any_url, notifier=bell, clock=clock)
    queue.send("a", DelaySeconds=60)

    def let_time_pass():
        clock.advance(60)
        # as when it is time to look again
        bell.rung.set()

    assert wait_for_message(queue, bell, let_time_pass) == ["a"]


@pytest.mark.parametrize("fifo", [False, True])
def test_it_looks_again_when_the_next_message_is_due(any_url, make_queue, bell, clock, fifo):
    queue = make_queue(any_url, notifier=bell, clock=clock, fifo=fifo)
    group = {"MessageGroupId": "1"} if fifo else {}
    queue.send("a", **group)
    queue.receive(VisibilityTimeout=7)

    def let_time_pass():
        assert bell.due_seconds == 7
        clock.advance(7)
        bell.rung.set()

    assert wait_for_message(queue, bell, let_time_pass) == ["a"]


def test_a_wait_ends_when_a_message_is_due():
    notifier = Notifier()
    notifier.net_seconds = LONG_SECONDS
    assert notifier.wait(notifier.generation, monotonic() + LONG_SECONDS, 0.01) is True


def test_other_processes_are_told_by_postgresql(postgres, make_queue, monkeypatch):
    # nothing is seen by looking again
    monkeypatch.setattr("microcosm_pubsub.broker.notify.POLL_SECONDS", 0.01)
    url = postgres.create_database()
    one, other = make_queue(url), make_queue(url)
    notifier = one.broker.notifier
    while not notifier.heard:
        # until it listens, it hears nothing
        before = notifier.generation
        other.send("a")
        notifier.wait(before, monotonic() + LONG_SECONDS)
    assert one.receive()


def test_listener_survives_the_loss_of_its_connection(postgres, make_queue):
    url = postgres.create_database()
    one, other = make_queue(url), make_queue(url)
    notifier = one.broker.notifier

    def hear():
        heard = notifier.heard
        while notifier.heard == heard:
            before = notifier.generation
            other.send("a")
            notifier.wait(before, monotonic() + LONG_SECONDS)

    hear()
    with other.broker.store.begin() as connection:
        ended = connection.exec_driver_sql(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE 'LISTEN%%'"
        ).scalar()
    assert ended == 1
    hear()
