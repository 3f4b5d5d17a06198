"""
What an orchestrator asks of a daemon.
"""

from http.client import HTTPConnection
from json import loads
from socket import socket
from threading import Event

import pytest

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.registry.options import HandlerOptions
from microcosm_pubsub.worker.buffer import Unit
from microcosm_pubsub.worker.health import HealthServer, find_problems, report
from microcosm_pubsub.worker.poller import Asking
from microcosm_pubsub.worker.settings import Settings
from microcosm_pubsub.worker.worker import Ending, Worker


SECONDS = 30


@pytest.fixture
def worker(graph, clock):
    return Worker(graph.sqs_consumer, graph.sqs_message_dispatcher, Settings(concurrency=3), clock=clock)


def test_a_healthy_worker(worker, make_message, clock):
    worker.keeper.hold([make_message(1), make_message(2)], clock())
    worker.buffer.put([make_message(1), make_message(2, "g", fifo=True)])
    worker.dispatcher.count("SUCCEEDED")

    assert report(worker) == {
        "healthy": True,
        "ready": True,
        "problems": [],
        "paused": None,
        "draining": None,
        "threshold_seconds": 60.0,
        "slots": {"total": 3, "busy": 0, "abandoned": 0, "oldest_seconds": 0.0},
        "buffer": {"waiting": 2, "lanes": 1},
        "leases": {"held": 2, "lost": 0},
        "pollers": {"active": 1, "failed_receives": 0, "oldest_seconds": 0.0},
        "settler": {"pending": 0, "oldest_seconds": 0.0},
        "counts": {"SUCCEEDED": 1},
    }


def test_a_poller_without_an_answer(worker, clock):
    worker.pollers._asking.add(Asking(1, None, False, clock(), clock()))
    clock.advance(65)
    assert report(worker)["healthy"]
    clock.advance(1)

    assert report(worker)["problems"] == ["no receive was answered for 66 s"]
    assert not report(worker)["healthy"]


def test_a_settling_that_takes_long(worker, make_message, clock):
    worker.settler.add(make_message(), None)
    clock.advance(61)

    assert report(worker)["problems"] == ["a message waits to be settled for 61 s"]


def test_a_handler_over_its_timeout(worker, make_message, clock):
    worker.slots._start_slot()
    (slot,) = worker.slots.slots
    slot.started_at, slot.unit = clock(), Unit([make_message()], HandlerOptions(timeout_seconds=5))
    clock.advance(5)
    assert list(find_problems(worker, clock())) == []
    clock.advance(2)

    current = report(worker)

    assert current["problems"] == ["a handler runs for 7 s, 5 s are its timeout"]
    assert current["slots"] == {"total": 3, "busy": 1, "abandoned": 0, "oldest_seconds": 7.0}
    slot.unit = None
    worker.buffer.close()


def test_a_thread_that_was_given_up(worker):
    worker.slots.abandoned = 2

    assert report(worker)["problems"] == ["2 threads outlived the timeout of their handlers"]


def test_when_it_is_not_ready(worker, clock):
    worker.pausing = "told to"
    assert (report(worker)["ready"], report(worker)["paused"], report(worker)["healthy"]) == (False, "told to", True)
    worker.pausing = None
    worker.breaker.failure_share = 0.5
    worker.breaker._open("for the test")
    assert (report(worker)["ready"], report(worker)["paused"]) == (False, "circuit breaker")
    worker.breaker.state = type(worker.breaker.state).CLOSED
    worker.ending = Ending("told to stop")

    assert (report(worker)["ready"], report(worker)["draining"]) == (False, "told to stop")
    assert report(worker)["healthy"]


@pytest.fixture
def current():
    return {"healthy": True, "ready": True, "slots": {"busy": 1}}


@pytest.fixture
def get(current):
    server = HealthServer(lambda: current, "127.0.0.1", 0)

    def ask(path, method="GET"):
        connection = HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    ask.port = server.port
    yield ask
    server.close()


@pytest.mark.parametrize(
    ("path", "state", "status"),
    [
        ("/api/health", {}, 200),
        ("/api/health?full=1", {}, 200),
        ("/api/health", {"healthy": False}, 503),
        ("/api/health", {"ready": False}, 200),
        ("/api/ready", {}, 200),
        ("/api/ready", {"ready": False}, 503),
        ("/api/ready", {"healthy": False}, 200),
    ],
)
def test_over_http(get, current, path, state, status):
    current.update(state)

    answered, body = get(path)

    assert answered == status
    assert loads(body) == (current if "health" in path else {"ready": current["ready"]})


def test_other_paths_and_methods(get):
    assert get("/")[0] == 404
    assert get("/api")[0] == 404
    assert get("/api/health", method="POST")[0] == 501


def test_a_caller_that_says_nothing_keeps_nobody_waiting(get):
    with socket() as silent:
        silent.connect(("127.0.0.1", get.port))
        assert get("/api/health")[0] == 200


def test_answers_come_while_a_report_takes_long():
    asked, go_on = Event(), Event()

    def hang():
        asked.set()
        assert go_on.wait(SECONDS)
        return {"healthy": True, "ready": True}

    server = HealthServer(hang, "127.0.0.1", 0)
    slow = HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
    slow.request("GET", "/api/health")
    assert asked.wait(SECONDS)
    other = HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
    other.request("GET", "/")
    assert other.getresponse().status == 404
    go_on.set()
    assert slow.getresponse().status == 200
    slow.close()
    other.close()
    server.close()


def test_a_port_that_is_taken_is_refused():
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port}: Address already in use; choose another"):
            HealthServer(dict, "127.0.0.1", port)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("192.0.2.1", 0)])
def test_a_place_that_is_none_is_refused(host, port):
    with pytest.raises(ConfigurationError, match=f"Cannot serve health checks at {host}:{port}: "):
        HealthServer(dict, host, port)
