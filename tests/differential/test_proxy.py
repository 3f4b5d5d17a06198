"""
Behind a proxy the short way stays open: in a tunnel, and through one that forwards.
"""

from base64 import b64encode
from collections import Counter
from json import loads

import pytest
from botocore.exceptions import ClientError, ProxyConnectionError

from benchmarks.endpoint import serve
from microcosm_pubsub.fast.transport import begin_call, find_hindrance
from tests.differential.proxy import run_proxy
from tests.differential.server import Reply
from tests.differential.test_connections import EMPTY, PARAMETERS, settle


@pytest.fixture
def proxy(monkeypatch):
    """A proxy that the environment names."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with run_proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        yield proxy


@pytest.fixture
def tls(monkeypatch):
    with serve(tls=True, messages=100) as endpoint:
        assert endpoint.ca_file
        monkeypatch.setenv("AWS_CA_BUNDLE", endpoint.ca_file)
        yield endpoint


AUTHORIZATION = f"Basic {b64encode(b'user:secret').decode()}"


def test_a_tunnel(proxy, tls, make_client, parts, counted):
    client = make_client("sqs", tls.url, parts)
    for _ in range(3):
        assert len(settle(client, tls.queue_url)) == 10

    # the first call of each is learned from
    assert Counter(counted) == {"ReceiveMessage": 2, "DeleteMessageBatch": 2}
    assert [request.method for request in proxy.requests] == ["CONNECT"]
    assert proxy.requests[0].header("proxy-authorization") == AUTHORIZATION
    assert find_hindrance(client) is None


def test_a_tunnel_without_waiting(proxy, tls, make_client, parts):
    client = make_client("sqs", tls.url, parts)
    parameters = {"QueueUrl": tls.queue_url, "MaxNumberOfMessages": 10}
    client.receive_message(**parameters)

    flight = begin_call(client, "receive_message", parameters)

    assert flight is not None
    flight.exchange.read()
    assert len(flight.read_answer()["Messages"]) == 10
    assert len(proxy.requests) == 1


def test_no_proxy_for_this_host(proxy, tls, make_client, parts, monkeypatch, counted):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    client = make_client("sqs", tls.url, parts)
    for _ in range(2):
        settle(client, tls.queue_url)

    assert Counter(counted) == {"ReceiveMessage": 1, "DeleteMessageBatch": 1}
    assert proxy.requests == []


@pytest.mark.parametrize("then", ["keep", "close"])
def test_a_proxy_that_forwards(proxy, server, make_client, parts, counted, then):
    told = []
    for transport in ("botocore", parts):
        client = make_client("sqs", server.url, transport)
        server.play(*[Reply(EMPTY.content, then)] * 2)
        proxy.requests.clear()
        for _ in range(2):
            client.receive_message(**PARAMETERS)
        told.append([(each.target, each.header("proxy-authorization"), loads(each.body)) for each in proxy.requests])

    assert told[0] == told[1]
    assert told[0][0][:2] == (f"{server.url}/", AUTHORIZATION)
    assert counted == (["ReceiveMessage"] if then == "keep" else counted)


def test_an_error_behind_a_proxy_is_botos_own(proxy, server, make_client, parts):
    client = make_client("sqs", server.url, parts)
    error = b'{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "gone"}'
    head = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n" % len(error)
    server.play(EMPTY, Reply(head + error))
    client.receive_message(**PARAMETERS)

    with pytest.raises(ClientError, match="gone"):
        client.receive_message(**PARAMETERS)
    assert len(server.requests) == 2


def test_a_proxy_that_speaks_tls_is_left_to_boto3(proxy, server, make_client, parts, monkeypatch, counted):
    monkeypatch.setenv("HTTP_PROXY", f"https://127.0.0.1:{proxy.port}")
    client = make_client("sqs", server.url, parts, max_attempts=1, connect_timeout=1)

    with pytest.raises(ProxyConnectionError):
        client.receive_message(**PARAMETERS)
    assert counted == []
