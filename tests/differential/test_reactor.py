"""
Hot calls that a worker begins without waiting for their end.
"""

from collections.abc import Callable, Iterator
from socket import create_server
from threading import Event, Thread, current_thread
from threading import enumerate as enumerate_threads
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from benchmarks.endpoint import serve
from microcosm_pubsub.fast.transport import begin_call
from microcosm_pubsub.worker.reactor import Reactor
from tests.differential.server import Reply
from tests.told import Told
from tests.waiting import SECONDS, wait_until


PARAMETERS = {"QueueUrl": "http://queue", "MaxNumberOfMessages": 10}
EMPTY = Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
ERROR = Reply(
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 60\r\n\r\n"
    b'{"__type":"com.amazonaws.sqs#InvalidAddress","message":"no"}'
)


@pytest.fixture
def make_reactor(server, make_client) -> Iterator[Callable[..., Reactor]]:
    """Make a started reactor whose client has learned, and has a connection."""
    reactors: list[Reactor] = []

    def make(start: bool = True, **options: Any) -> Reactor:
        client = make_client("sqs", server.url, "auto", **options)
        server.play(EMPTY)
        client.receive_message(**PARAMETERS)
        reactor = Reactor(client, 4)
        reactors.append(reactor)
        if start:
            reactor.start()
        return reactor

    yield make
    for reactor in reactors:
        reactor.close()


def raising(error: Exception) -> Callable[[Any], None]:
    def done(get: Any) -> None:
        raise error

    return done


def call(reactor: Reactor) -> Told:
    told = Told()
    reactor.call("receive_message", PARAMETERS, told)
    return told


def test_the_reactor_waits_for_the_answer(server, make_reactor, counted):
    reactor = make_reactor()
    server.play(EMPTY, EMPTY)
    for _ in range(2):
        told = call(reactor)
        assert told.wait()["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert told.thread == "reactor"

    # a connection is used again
    assert (server.connections, len(counted)) == (1, 2)
    assert reactor.threads.busy == 0


def test_the_first_of_several_goes_by_boto3_and_the_others_wait_for_nobody(server, make_reactor):
    """Each leaves a connection for the calls to come."""
    reactor = make_reactor()
    server.play(*[EMPTY] * 8)
    for told in [call(reactor) for _ in range(4)]:
        told.wait()
    connections = server.connections
    all_told = [call(reactor) for _ in range(connections)]
    for told in all_told:
        told.wait()

    assert server.connections == connections
    assert {told.thread for told in all_told} == {"reactor"}


def test_a_connection_is_given_back_as_it_was(server, make_reactor):
    """On one that does not block, boto3 could send no large request."""
    reactor = make_reactor(read_timeout=7)
    server.play(EMPTY, EMPTY)
    call(reactor).wait()
    pool = reactor.client._hot_calls._pool()
    connection = pool._get_conn()
    assert connection.sock.gettimeout() == 7
    pool._put_conn(connection)
    assert call(reactor).wait()


def test_an_error_is_boto3s(server, make_reactor):
    reactor = make_reactor()
    server.play(ERROR)
    told = call(reactor)

    assert isinstance(told.wait(), ClientError)
    assert told.value.response["Error"]["Code"] == "InvalidAddress"
    # boto3 may wait between attempts, and nobody else for that
    assert told.thread.startswith("caller")


def test_a_broken_connection_is_tried_again(server, make_reactor, delays):
    reactor = make_reactor()
    server.play(Reply(b"", "reset"), EMPTY)

    assert call(reactor).wait()["ResponseMetadata"]["RetryAttempts"] == 1


def test_an_answer_that_does_not_come_is_overdue(server, make_reactor, delays, monkeypatch):
    for module in ("reactor", "answers"):
        monkeypatch.setattr(f"microcosm_pubsub.worker.{module}.OVERDUE_SECONDS", 0.01)
    reactor = make_reactor(read_timeout=0.25, max_attempts=1)
    server.play(Reply(b"HTTP/1.1 200 OK\r\n", "hang"))

    assert isinstance(call(reactor).wait(), ReadTimeoutError)


def test_an_answer_in_pieces_is_overdue_only_when_none_comes(server, make_reactor):
    reactor = make_reactor(start=False, read_timeout=7)
    answers = reactor.open()
    server.play(Reply(b"HTTP/1.1 200 OK\r\n", "hang"))
    told = call(reactor)
    (waiting,) = answers.waiting
    waiting.overdue_at = 0.0
    wait_until(lambda: reactor.help() or waiting.overdue_at)

    assert 0 < waiting.overdue_at - reactor.clock() <= 7
    assert not told.event.is_set()
    answers.close()


def test_what_is_done_with_an_answer_keeps_nobody_from_looking(server, make_reactor):
    """A schema that hangs holds up the thread that it runs in, and no other."""
    reactor = make_reactor()
    server.play(EMPTY, EMPTY)
    hangs, go_on, threads = Event(), Event(), []

    def hang(get: Callable[[], Any]) -> None:
        threads.append(current_thread().name)
        hangs.set()
        go_on.wait(SECONDS)

    reactor.call("receive_message", PARAMETERS, hang)
    assert hangs.wait(SECONDS)
    told = call(reactor)
    wait_until(lambda: reactor.help() or told.event.is_set())
    go_on.set()

    assert (threads, told.thread) == (["reactor"], current_thread().name)


def test_what_follows_from_an_answer_is_contained(server, make_reactor):
    reactor = make_reactor()
    error = ZeroDivisionError("a fault")
    server.play(EMPTY, EMPTY)
    reactor.call("receive_message", PARAMETERS, raising(error))
    wait_until(lambda: reactor.error)

    assert reactor.error is error
    assert call(reactor).wait()


def test_a_slot_takes_the_answers_while_the_thread_naps(server, make_reactor):
    # no thread looks: it naps for as long as this test likes
    reactor = make_reactor(start=False)
    answers = reactor.open()
    server.play(EMPTY)
    told = call(reactor)
    wait_until(lambda: reactor.help() or told.event.is_set())

    assert told.thread == current_thread().name
    answers.close()


def test_a_slot_that_has_nothing_to_do_wakes_it(server, make_reactor, monkeypatch):
    """The thread must not go on napping when those that it counts on look no more."""
    monkeypatch.setattr("microcosm_pubsub.worker.reactor.NAP_SECONDS", SECONDS)
    monkeypatch.setattr("microcosm_pubsub.worker.reactor.OVERDUE_SECONDS", SECONDS)
    reactor = make_reactor(start=False)
    reactor._is_helped = True
    reactor.start()
    wait_until(lambda: reactor._naps)
    server.play(EMPTY)
    told = call(reactor)
    reactor.take_over()

    assert told.wait()
    assert told.thread == "reactor"


def test_a_method_that_was_replaced_is_called(server, make_reactor, monkeypatch):
    reactor = make_reactor()
    monkeypatch.setattr(reactor.client, "receive_message", lambda **parameters: {"replaced": True})

    assert call(reactor).wait() == {"replaced": True}


def test_only_clients_with_a_short_way_begin_calls(server, make_client):
    assert begin_call(object(), "receive_message", PARAMETERS) is None
    assert begin_call(make_client("sqs", server.url, "botocore"), "receive_message", PARAMETERS) is None
    # nothing has been learned
    assert begin_call(make_client("sqs", server.url, "auto"), "receive_message", PARAMETERS) is None


def test_what_was_not_learned_here_is_not_learned_from_another_call(server, make_client):
    """A call that another thread makes in place of this one leaves nothing behind in this one."""
    client = make_client("sqs", server.url, "auto")
    assert begin_call(client, "receive_message", PARAMETERS) is None
    assert client._hot_calls._state.is_learning is False


def test_closing_gives_up_what_is_under_way(server, make_reactor):
    reactor = make_reactor()
    server.play(Reply(b"", "hang"))
    told = call(reactor)
    reactor.close()
    for thread in enumerate_threads():
        if thread.name == "reactor":
            thread.join(SECONDS)

    assert not told.event.is_set()
    assert not reactor._answers.waiting


def test_over_tls(make_client):
    """Answers may wait in the TLS layer, where no selector sees them."""
    with serve(tls=True) as endpoint, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_CA_BUNDLE", endpoint.ca_file)
        client = make_client("sqs", endpoint.url, "auto")
        parameters = {"QueueUrl": endpoint.queue_url, "MaxNumberOfMessages": 10}
        client.receive_message(**parameters)
        reactor = Reactor(client, 4)
        reactor.start()
        for _ in range(20):
            told = Told()
            reactor.call("receive_message", parameters, told)
            assert len(told.wait()["Messages"]) == 10
            assert told.thread == "reactor"
        reactor.close()


def test_a_peer_that_takes_no_request(make_client, counted):
    with create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = make_client("sqs", url, "auto", read_timeout=0.25, connect_timeout=0.5, max_attempts=1)
        accepted: list[Any] = []

        def answer_once() -> None:
            connection, _ = listener.accept()
            accepted.append(connection)
            connection.recv(65536)
            connection.sendall(EMPTY.content)

        thread = Thread(target=answer_once)
        thread.start()
        client.send_message_batch(QueueUrl="http://queue", Entries=[{"Id": "0", "MessageBody": "x"}])
        thread.join(SECONDS)
        reactor = Reactor(client, 4)
        reactor.start()
        told = Told()
        entries = [{"Id": str(number), "MessageBody": "x" * 1_000_000} for number in range(10)]
        reactor.call("send_message_batch", {"QueueUrl": "http://queue", "Entries": entries}, told)
        # as boto3 says too
        assert isinstance(told.wait(), ConnectionClosedError)
        assert counted == ["SendMessageBatch"]
        reactor.close()
        accepted[0].close()
