"""Servers in this process, with clients of boto3 and of nobody."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from http.client import HTTPConnection
from socket import create_connection
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.server.serving import serve_broker
from microcosm_pubsub.server.settings import Settings


class Server:
    """A running server, and ways to talk to it."""

    def __init__(self, broker: Broker, url: str) -> None:
        self.broker = broker
        self.url = url
        parts = urlsplit(url)
        self.address = (parts.hostname, parts.port)

    def client(self, service: str, secret: str = "test", **options):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="eu-west-1",
            aws_access_key_id="test",
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=30, **options),
        )

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str):
        """Send a request; the names of headers have `_` for `-`."""
        connection = HTTPConnection(*self.address, timeout=10)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, names)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def send_raw(self, data: bytes, seconds: float = 10) -> bytes:
        """Send bytes, and return all that comes back until the server closes."""
        with create_connection(self.address, timeout=seconds) as connection:
            connection.sendall(data)
            return b"".join(iter(partial(connection.recv, 65536), b""))


@pytest.fixture
def make_server(environment, tmp_path) -> Iterator:
    """Start a server with some settings."""
    with ExitStack() as stack:

        def make(url: str = f"sqlite:///{tmp_path / 'pubsub.db'}", **settings) -> Server:
            broker = Broker(url)
            stack.callback(broker.close)
            return Server(broker, stack.enter_context(serve_broker(broker, Settings(port=0, **settings))))

        yield make


@pytest.fixture
def server(make_server) -> Server:
    return make_server()
