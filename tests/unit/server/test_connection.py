"""A client that is slow, idle, or many, harms no other."""

import socket
from functools import partial

import pytest

from microcosm_pubsub.server.settings import Limits


HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: AmazonSQS.ListQueues\r\nContent-Length: 100\r\n"


@pytest.fixture
def strict(make_server):
    return make_server(limits=Limits(connections=20, request_seconds=0.3, header_bytes=2000, body_bytes=5000))


@pytest.mark.parametrize("data", [b"", b"POST / HT", HEAD, HEAD + b"\r\n", HEAD + b'\r\n{"a":'])
def test_who_does_not_send_in_time_is_told(strict, data):
    assert strict.send_raw(data).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert strict.request("GET", "/health")[0].status == 200


def test_a_body_that_is_cut_off_does_nothing(strict):
    with socket.create_connection(strict.address) as connection:
        connection.sendall(HEAD + b"\r\n{}")
    assert strict.request("GET", "/health")[0].status == 200


def test_a_long_head_is_refused(strict):
    said = strict.send_raw(b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * 4000)
    assert said.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("first", [b"", b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"])
@pytest.mark.parametrize(
    "rest", [b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n{}GET /health HTTP/1.1\r\nHost: a\r\n\r\n"]
)
@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: ", b"GET /?a="])
def test_a_long_head_is_refused_that_comes_at_once(strict, first, head, rest):
    if b"X-Long" not in head:
        rest = b" HTTP/1.1\r\nHost: a" + rest
    said = strict.send_raw(first + head + b"a" * 2000 + rest)
    assert said.startswith(b"HTTP/1.1 431 ")
    assert said.count(b"HTTP/1.1 ") == 1
    assert said.endswith(b"RequestHeaderTooLarge: A request's head may have at most 2000 bytes.\n")


def test_a_head_that_just_fits_is_taken(strict):
    head = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Long: "
    said = strict.send_raw(head + b"a" * (2000 - len(head) - 4) + b"\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 200 ")


def test_a_long_body_is_refused(strict):
    answer, _ = strict.request("POST", "/", b"a" * 5001)
    assert answer.status == 413
    answer, _ = strict.request("POST", "/", iter([b"a" * 3000] * 2))
    assert answer.status == 413


def test_one_too_many_is_told(strict):
    idle = [socket.create_connection(strict.address) for _ in range(20)]
    with socket.create_connection(strict.address, timeout=10) as connection:
        said = b"".join(iter(partial(connection.recv, 4096), b""))
    assert said.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"--max-connections" in said
    for connection in idle:
        connection.close()


def test_no_http_is_refused(strict):
    assert strict.send_raw(b"\x16\x03\x01\x02\x00\x01\x00\xff\r\n\r\n").startswith(b"HTTP/1.1 400 ")
