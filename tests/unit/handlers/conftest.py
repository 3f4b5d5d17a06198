"""
A real HTTP server for each test that asks for one, and a clock that stands still until told.
"""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps
from threading import Thread

import pytest
from microcosm.api import create_object_graph, load_from_dict
from microcosm.registry import Registry

from microcosm_pubsub.handlers.session import configure_pubsub_uri_session


class Clock:
    def __init__(self):
        self.time = 1000.0

    def __call__(self):
        return self.time

    def advance(self, seconds):
        self.time += seconds


class Server(ThreadingHTTPServer):
    """Answer by path: a route is a function of the request's handler, or JSON to give."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.routes = {}
        self.requests = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def paths(self):
        return [path for path, _ in self.requests]

    def handle_error(self, request, client_address):
        """Say nothing of clients that hang up, as the tests' do."""


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.requests.append((self.path, dict(self.headers.items())))
        route = self.server.routes.get(self.path.partition("?")[0])
        if route is None:
            self.give({"message": "not found"}, status=404)
        elif callable(route):
            route(self)
        else:
            self.give(route)

    def give(self, content, status=200, **headers):
        body = content if isinstance(content, bytes) else dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def redirect(self, location, status=302, **headers):
        self.give(b"", status=status, Location=location, **headers)

    def log_message(self, *args):
        pass


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """Go to the servers directly, wherever the tests run."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def serve():
    """Start servers."""
    servers = []

    def start(**routes):
        server = Server()
        server.routes.update({f"/{path}": route for path, route in routes.items()})
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def server(serve):
    return serve()


@pytest.fixture
def clock():
    return Clock()


class BareRegistry(Registry):
    """Know nothing that is not bound to it."""

    entry_points = {}


@pytest.fixture
def make_graph():
    """Make graphs that hold what URI handlers need, and what else is given by its binding."""

    def make(components=(), **config):
        registry = BareRegistry()
        registry.bind("pubsub_uri_session", configure_pubsub_uri_session)
        for key, component in dict(components).items():
            registry.bind(key, lambda graph, component=component: component)
        loader = load_from_dict(pubsub_uri_session=config)
        return create_object_graph("test", testing=True, loader=loader, registry=registry)

    return make
