"""
Receives that wait, and what wakes them.
"""

from threading import Event, Thread
from time import monotonic

import pytest
from botocore.exceptions import ClientError

from microcosm_pubsub.broker.notify import Notifier
from microcosm_pubsub.broker.sqs.receiving import receive_now
from tests.waiting import wait_until


#: Longer than any test runs.
LONG_SECONDS = 60.0


class Bell(Notifier):
    """A notifier that never looks again by itself."""

    def __init__(self):
        super().__init__()
        self.waiting = Event()
        self.rung = Event()

    def wake(self, queues=None):
        super().wake(queues)
        self.rung.set()

    def wait(self, news, deadline, due_seconds=None):
        if deadline <= monotonic():
            return False
        self.due_seconds = due_seconds
        self.waiting.set()
        return self.rung.wait(LONG_SECONDS)


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


@pytest.mark.parametrize("queues", [None, ["other", "queue"]])
def test_news_before_the_wait_is_not_missed(queues):
    notifier = Notifier()
    notifier.net_seconds = LONG_SECONDS
    generation = notifier.generation
    with notifier.hear("queue").listening() as news:
        notifier.wake(queues)
        assert notifier.generation != generation
        assert notifier.wait(news, monotonic() + LONG_SECONDS) is True


def test_wait_ends_at_the_deadline():
    assert Notifier().wait(Event(), monotonic()) is False


def test_wait_ends_when_it_is_time_to_look_again():
    # far from the deadline, and nobody woke it
    assert Notifier().wait(Event(), monotonic() + LONG_SECONDS) is True


def test_news_of_other_queues_wake_nobody():
    notifier = Notifier()
    with notifier.hear("queue").listening() as news:
        notifier.wake(["other"])
        assert not news.is_set()


def test_the_first_who_waits_is_told_and_then_the_next():
    heard = Notifier().hear("queue")
    with heard.listening() as last:
        with heard.listening() as first, heard.listening() as second:
            # not in the order in which they came: `last` is the first of them
            heard.tell()
            assert (last.is_set(), first.is_set(), second.is_set()) == (True, False, False)
            last.clear()
            heard.interrupt()
            assert (last.is_set(), first.is_set(), second.is_set()) == (True, True, True)
            last.clear()
            second.clear()
        # `first` left with news at which it did not look
        assert last.is_set()
    assert not heard.is_used


def test_queues_for_which_nobody_waits_are_forgotten(monkeypatch):
    monkeypatch.setattr("microcosm_pubsub.broker.notify.MAX_HEARINGS", 2)
    notifier = Notifier()
    one, other = notifier.hear("one"), notifier.hear("other")
    with other.listening():
        notifier.hear("third")
        assert notifier.hear("other") is other
    assert notifier.hear("one") is not one


def test_all_of_many_messages_are_received_though_news_wakes_one(any_url, make_queue):
    queue = make_queue(any_url)
    notifier = queue.broker.notifier
    notifier.listen()
    received = []
    threads = [Thread(target=lambda: received.extend(queue.receive(1, WaitTimeSeconds=20))) for _ in range(3)]
    for thread in threads:
        thread.start()
    heard = notifier.hear("queue")
    wait_until(lambda: len(heard._waiting) == 3)
    notifier.net_seconds = LONG_SECONDS
    queue.send_all(["a", "b", "c"])
    for thread in threads:
        thread.join(LONG_SECONDS)
    assert sorted(message["Body"] for message in received) == ["a", "b", "c"]


class TestQuiet:
    """Receives that do not look since they would find nothing."""

    @pytest.fixture
    def looks(self, monkeypatch):
        seen = []

        def look(broker, **parameters):
            seen.append(parameters["QueueUrl"])
            return receive_now(broker, **parameters)

        monkeypatch.setattr("microcosm_pubsub.broker.sqs.waiting.receive_now", look)
        return seen

    def receive(self, queue, looks, act=lambda: None, **options):
        """Receive, with an act while it waits, and return what was received and how often it was looked."""
        notifier = queue.broker.notifier
        notifier.net_seconds = LONG_SECONDS
        notifier.waiting.clear()
        notifier.rung.clear()
        looks.clear()
        received = []
        receiver = Thread(target=lambda: received.extend(queue.receive(WaitTimeSeconds=20, **options)))
        receiver.start()
        if act is not None:
            assert notifier.waiting.wait(LONG_SECONDS)
            act()
            notifier.interrupt()
            notifier.rung.set()
        receiver.join(LONG_SECONDS)
        return [message["Body"] for message in received], len(looks)

    def test_one_that_left_nothing_is_not_repeated(self, any_url, make_queue, bell, clock, looks):
        queue = make_queue(any_url, notifier=bell, clock=clock)
        queue.send("a")
        assert self.receive(queue, looks, act=None) == (["a"], 1)
        assert self.receive(queue, looks) == ([], 0)
        queue.send("b")
        assert self.receive(queue, looks, act=None) == (["b"], 1)

    def test_one_that_may_have_left_something_is(self, any_url, make_queue, bell, clock, looks):
        queue = make_queue(any_url, notifier=bell, clock=clock)
        queue.send("a", "b")
        assert self.receive(queue, looks, act=None, limit=1) == (["a"], 1)
        assert self.receive(queue, looks, act=None, limit=1) == (["b"], 1)
        # it got as many as it asked for
        assert self.receive(queue, looks, limit=1) == ([], 1)
        assert self.receive(queue, looks, limit=1) == ([], 0)

    def test_what_stays_visible_is_found_again(self, any_url, make_queue, bell, clock, looks):
        queue = make_queue(any_url, notifier=bell, clock=clock)
        queue.send("a")
        for _ in range(2):
            assert self.receive(queue, looks, act=None, VisibilityTimeout=0) == (["a"], 1)
            clock.advance(1)

    def test_what_becomes_due_is_found(self, any_url, make_queue, bell, clock, looks):
        queue = make_queue(any_url, notifier=bell, clock=clock)
        queue.send("a")
        assert self.receive(queue, looks, act=None, VisibilityTimeout=7) == (["a"], 1)
        assert self.receive(queue, looks) == ([], 0)
        assert bell.due_seconds == pytest.approx(7, abs=1)
        clock.advance(7)
        assert self.receive(queue, looks, act=None) == (["a"], 1)

    def test_an_attempt_is_repeated(self, any_url, make_queue, bell, clock, looks):
        queue = make_queue(any_url, fifo=True, notifier=bell, clock=clock)
        queue.send("a", MessageGroupId="1")
        for _ in range(2):
            assert self.receive(queue, looks, act=None, ReceiveRequestAttemptId="1") == (["a"], 1)

    def test_one_that_does_not_wait_looks(self, any_url, make_queue, bell, clock, looks):
        queue = make_queue(any_url, notifier=bell, clock=clock)
        assert self.receive(queue, looks) == ([], 1)
        looks.clear()
        assert queue.receive() == []
        assert len(looks) == 1

    def test_the_end_of_a_queue_is_seen(self, any_url, make_queue, bell, clock, looks):
        queue = make_queue(any_url, notifier=bell, clock=clock)
        assert self.receive(queue, looks) == ([], 1)
        queue.client.delete_queue(QueueUrl=queue.url)
        with pytest.raises(queue.client.exceptions.QueueDoesNotExist):
            queue.receive(WaitTimeSeconds=20)


class TestTaking:
    """Messages that are received and deleted at once."""

    def test_they_are_gone(self, any_url, make_queue):
        queue = make_queue(any_url)
        queue.send("a", "b", "c")
        taken = queue.client.receive_and_delete(QueueUrl=queue.url, MaxNumberOfMessages=2)["Messages"]
        assert [message["Body"] for message in taken] == ["a", "b"]
        assert all(message.keys() == {"MessageId", "Body"} for message in taken)
        attributes = queue.client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["All"])["Attributes"]
        assert attributes["ApproximateNumberOfMessages"] == "1"
        assert attributes["ApproximateNumberOfMessagesNotVisible"] == "0"

    def test_they_are_waited_for(self, any_url, make_queue, bell):
        queue = make_queue(any_url, notifier=bell)
        taken = []
        taker = Thread(
            target=lambda: taken.append(
                queue.client.receive_and_delete(QueueUrl=queue.url, WaitTimeSeconds=20)["Messages"]
            )
        )
        taker.start()
        assert bell.waiting.wait(LONG_SECONDS)
        queue.send("a")
        taker.join(LONG_SECONDS)
        assert [message["Body"] for message in taken[0]] == ["a"]

    def test_those_that_others_have_are_left(self, any_url, make_queue):
        queue = make_queue(any_url)
        queue.send("a")
        (message,) = queue.receive()
        assert "Messages" not in queue.client.receive_and_delete(QueueUrl=queue.url)
        queue.delete(message)

    def test_a_fifo_queue_is_refused(self, any_url, make_queue):
        queue = make_queue(any_url, fifo=True)
        with pytest.raises(ClientError, match="UnsupportedOperation"):
            queue.client.receive_and_delete(QueueUrl=queue.url)


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
    assert notifier.wait(Event(), monotonic() + LONG_SECONDS, 0.01) is True


def test_other_processes_are_told_by_postgresql(postgres, make_queue, monkeypatch):
    # nothing is seen by looking again
    monkeypatch.setattr("microcosm_pubsub.broker.notify.POLL_SECONDS", 0.01)
    url = postgres.create_database()
    one, other = make_queue(url), make_queue(url)
    notifier = one.broker.notifier
    with notifier.hear("queue").listening() as news:
        while not notifier.heard:
            # until it listens, it hears nothing
            news.clear()
            other.send("a")
            notifier.wait(news, monotonic() + LONG_SECONDS)
    assert one.receive()


def test_listener_survives_the_loss_of_its_connection(postgres, make_queue):
    url = postgres.create_database()
    one, other = make_queue(url), make_queue(url)
    notifier = one.broker.notifier

    def hear():
        heard = notifier.heard
        with notifier.hear("queue").listening() as news:
            while notifier.heard == heard:
                news.clear()
                other.send("a")
                notifier.wait(news, monotonic() + LONG_SECONDS)

    hear()
    with other.broker.store.begin() as connection:
        ended = connection.exec_driver_sql(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE 'LISTEN%%'"
        ).scalar()
    assert ended == 1
    hear()
