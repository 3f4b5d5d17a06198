"""
Health checks over HTTP.
"""

from http.client import HTTPConnection
from json import loads
from socket import socket
from threading import Event

import pytest

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.health import Answer, HealthServer, report_routes


SECONDS = 30


@pytest.fixture
def current():
    return {"healthy": True, "ready": True, "slots": {"busy": 1}}


@pytest.fixture
def get(current):
    server = HealthServer(report_routes(lambda: current), "127.0.0.1", 0)
    server.start()

    def ask(path, method="GET"):
        connection = HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    ask.port = server.port
    yield ask
    server.stop()


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

    server = HealthServer(report_routes(hang), "127.0.0.1", 0)
    server.start()
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
    server.stop()


def test_a_port_that_is_taken_is_refused():
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port}: Address already in use; choose another"):
            HealthServer({}, "127.0.0.1", port).start()


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("192.0.2.1", 0)])
def test_a_place_that_is_none_is_refused(host, port):
    with pytest.raises(ConfigurationError, match=f"Cannot serve health checks at {host}:{port}: "):
        HealthServer({}, host, port).start()


def test_a_route_of_the_users(current):
    def fail():
        raise KeyError("of the user's")

    server = HealthServer({"/metrics": lambda: Answer(b"up 1"), "/fails": fail}, "127.0.0.1", 0)
    server.start()
    try:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        assert (answer.status, answer.read(), answer.headers["Content-Type"]) == (
            200,
            b"up 1",
            "text/plain; charset=utf-8",
        )
        connection = HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
        connection.request("GET", "/fails")
        assert connection.getresponse().status == 500
    finally:
        server.stop()


def test_stopped_twice_and_started_again():
    server = HealthServer({}, "127.0.0.1", 0)
    server.start()
    server.stop()
    server.stop()
    server.start()
    server.stop()
