"""
What is left of a call when nothing is made and nothing is looked at: the same bytes, sent and answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from re import search
from socket import IPPROTO_TCP, TCP_NODELAY, create_connection
from ssl import create_default_context
from typing import Any
from urllib.parse import urlsplit

from benchmarks.endpoint import Endpoint


@contextmanager
def open_socket(endpoint: Endpoint) -> Iterator[Any]:
    url = urlsplit(endpoint.url)
    with create_connection((url.hostname, url.port)) as sock:
        sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        if endpoint.ca_file is None:
            yield sock
            return
        with create_default_context(cafile=endpoint.ca_file).wrap_socket(sock, server_hostname=url.hostname) as secured:
            yield secured


def exchange(sock: Any, request: bytes) -> None:
    sock.sendall(request)
    received = sock.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    found = search(rb"Content-Length: (\d+)", head)
    assert found is not None
    left = int(found[1]) - len(body)
    while left:
        left -= len(sock.recv(65536))


@contextmanager
def open_crt(endpoint: Endpoint) -> Iterator[Callable[[bytes], None]]:
    """Give what sends a request by awscrt's HTTP client, and reads the answer without looking at it."""
    from awscrt.http import HttpClientConnection, HttpHeaders, HttpRequest
    from awscrt.io import (
        ClientBootstrap,
        ClientTlsContext,
        DefaultHostResolver,
        EventLoopGroup,
        TlsContextOptions,
    )

    url, group = urlsplit(endpoint.url), EventLoopGroup(1)
    tls = None
    if endpoint.ca_file:
        options = TlsContextOptions()
        options.override_default_trust_store_from_path(None, endpoint.ca_file)
        tls = ClientTlsContext(options).new_connection_options()
        tls.set_server_name(url.hostname)
    bootstrap = ClientBootstrap(group, DefaultHostResolver(group))
    connection = HttpClientConnection.new(url.hostname, url.port, bootstrap, tls_connection_options=tls).result()

    def send(request: bytes) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        stream = connection.request(
            HttpRequest("POST", "/", HttpHeaders(list(fields.items())), BytesIO(body)),
            lambda **_: None,
            lambda **_: None,
        )
        stream.activate()
        stream.completion_future.result()

    yield send
    connection.close().result()
