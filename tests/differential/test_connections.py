"""
Connections: slow ones, broken ones, those of TLS and of proxies, and that none is lost.
"""

import tracemalloc
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from gc import collect
from random import Random
from socket import create_server
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError, SSLError

from benchmarks.endpoint import serve
from microcosm_pubsub.fast.transport import client_transport
from tests.differential.generate import make_content, make_http
from tests.differential.server import Reply
from tests.waiting import wait_until


PARAMETERS: dict[str, Any] = {"QueueUrl": "http://queue", "MaxNumberOfMessages": 10}

EMPTY = Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

#: A connection that is used again goes the short way; each of these begins with a usual call, which opens it.
SILENT = {
    "from the beginning": b"",
    "within the head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "before the body": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
    "within the body": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{",
    "within a body without length": b"HTTP/1.1 200 OK\r\n\r\n{}",
    "within a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{",
}


def settle(client: Any, queue_url: str, number: int = 10) -> list[dict[str, Any]]:
    """Receive and delete."""
    messages = client.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=number)["Messages"]
    entries = [{"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]} for index, message in enumerate(messages)]
    deleted = client.delete_message_batch(QueueUrl=queue_url, Entries=entries)
    assert [entry["Id"] for entry in deleted["Successful"]] == [entry["Id"] for entry in entries]
    return messages


@pytest.mark.parametrize("silent", SILENT)
def test_silence(server, make_client, parts, delays, counted, silent):
    told = []
    for transport in ("botocore", parts):
        client = make_client("sqs", server.url, transport, read_timeout=0.25, max_attempts=2)
        server.play(EMPTY)
        client.receive_message(**PARAMETERS)
        server.play(*[Reply(SILENT[silent], "hang")] * 2)
        with pytest.raises(ReadTimeoutError) as caught:
            client.receive_message(**PARAMETERS)
        # the server may be slower to note the last one than the client is to give it up
        wait_until(lambda: len(server.requests) == 2)
        told.append((str(caught.value), len(server.requests), len(delays)))
        delays.clear()

    assert told[0] == told[1] == (told[0][0], 2, 1)
    assert counted == ["ReceiveMessage"]


def test_silence_is_tried_again(server, make_client, parts, delays):
    client = make_client("sqs", server.url, parts, read_timeout=0.25)
    server.play(EMPTY)
    client.receive_message(**PARAMETERS)
    server.play(Reply(b"", "hang"), EMPTY)

    assert client.receive_message(**PARAMETERS)["ResponseMetadata"]["RetryAttempts"] == 1
    assert len(delays) == 1


def test_answers_in_pieces(server, make_client, parts, counted):
    """An answer of many packets is one answer."""
    content = make_http(Random(1), b'{"Messages": [{"Body": "' + b"x" * 3_000_000 + b'"}]}')
    client = make_client("sqs", server.url, parts)
    server.play(EMPTY, Reply(content), EMPTY)
    client.receive_message(**PARAMETERS)

    (message,) = client.receive_message(**PARAMETERS)["Messages"]
    assert message["Body"] == "x" * 3_000_000
    client.receive_message(**PARAMETERS)
    assert len(counted) == 2
    assert server.connections == 1


def test_a_broken_connection_is_not_used_again(server, make_client, parts, delays):
    client = make_client("sqs", server.url, parts)
    server.play(EMPTY, Reply(EMPTY.content + b"more"), EMPTY, EMPTY)
    for _ in range(4):
        client.receive_message(**PARAMETERS)

    assert server.connections == 2
    assert delays == []


def test_a_connection_that_went_stale(server, make_client, parts, delays, counted):
    """A connection that the server closed in between is replaced, at the cost of no attempt."""
    client = make_client("sqs", server.url, parts)
    server.play(EMPTY, Reply(EMPTY.content, "close"), EMPTY)
    for _ in range(2):
        client.receive_message(**PARAMETERS)
    # until the end of the connection has arrived
    (pool,) = client._endpoint.http_session._manager.pools._container.values()
    pool.pool.queue[-1].sock.recv(1)
    client.receive_message(**PARAMETERS)

    assert (len(counted), delays, server.connections) == (1, [], 2)


def test_nobody_listens(make_client, parts, delays):
    with create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    client = make_client("sqs", url, parts)
    with pytest.raises(EndpointConnectionError):
        client.receive_message(**PARAMETERS)
    assert len(delays) == 2


def test_a_server_that_goes_away(server, make_client, parts, delays):
    client = make_client("sqs", server.url, parts)
    server.play(EMPTY)
    client.receive_message(**PARAMETERS)
    server.play(*[Reply(b"", "close")] * 3)
    with pytest.raises(ConnectionClosedError):
        client.receive_message(**PARAMETERS)
    assert len(server.requests) == 3


@pytest.mark.parametrize("failures", [1, 2])
def test_the_retry_quota(server, make_client, parts, delays, failures):
    """Retries use up the quota that boto3 has, and successes give back what they give back there."""
    left = []
    error = Reply(make_http(Random(1), b"{}", "500 Internal Server Error"))
    for transport in ("botocore", parts):
        client = make_client("sqs", server.url, transport)
        quota = next(
            handler.__self__._quota
            for handler in client.meta.events._emitter._handlers.prefix_search("after-call.sqs.ReceiveMessage")
            if hasattr(handler, "__self__")
        )
        levels = []
        for _ in range(3):
            server.play(EMPTY)
            client.receive_message(**PARAMETERS)
            server.play(*[error] * failures, EMPTY)
            client.receive_message(**PARAMETERS)
            levels.append(quota.available_capacity)
            server.play(error, error, error)
            with pytest.raises(ClientError):
                client.receive_message(**PARAMETERS)
            levels.append(quota.available_capacity)
        left.append(levels)

    assert left[0] == left[1]
    assert left[0][-1] < 500


def test_a_client_that_was_closed(server, make_client, parts, counted):
    client = make_client("sqs", server.url, parts)
    for _ in range(2):
        server.play(EMPTY, EMPTY)
        client.receive_message(**PARAMETERS)
        client.receive_message(**PARAMETERS)
        client.close()

    assert len(counted) == 2
    assert server.connections == 2


def test_a_proxy(server, make_client, parts, monkeypatch, counted):
    monkeypatch.setenv("HTTP_PROXY", server.url)
    client = make_client("sqs", "http://queues.test", parts)
    for _ in range(2):
        server.play(EMPTY)
        client.receive_message(**PARAMETERS)
        assert server.requests[0].target == "http://queues.test/"
        assert server.requests[0].header("host") == "queues.test"

    assert counted == ["ReceiveMessage"]


def test_an_endpoint_with_a_path(server, make_client, parts, counted):
    client = make_client("sqs", f"{server.url}/some/pä th/", parts)
    targets = []
    for _ in range(2):
        server.play(EMPTY)
        client.receive_message(**PARAMETERS)
        targets.append(server.requests[0].target)

    assert targets[0] == targets[1]


@pytest.mark.parametrize("service", ["sqs", "sns"])
def test_tls(make_client, parts, monkeypatch, counted, service):
    with serve(tls=True) as endpoint:
        monkeypatch.setenv("AWS_CA_BUNDLE", endpoint.ca_file)
        client = make_client(service, endpoint.url, parts)
        for _ in range(3):
            if service == "sqs":
                settle(client, endpoint.queue_url)
            else:
                client.publish(TopicArn=endpoint.topic_arn, Message="hello")
        assert endpoint.counts()["connections"] == 2
    assert len(counted) == (4 if service == "sqs" else 2)


def test_tls_that_is_not_trusted(make_client, parts, delays):
    with serve(tls=True) as endpoint:
        client = make_client("sqs", endpoint.url, parts)
        with pytest.raises(SSLError, match="certificate verify failed"):
            client.receive_message(**PARAMETERS)


def test_many_threads(make_client, parts, counted):
    """Twenty threads share a client; each has its own answers, and no connection is lost."""
    with serve() as endpoint:
        client = make_client("sqs", endpoint.url, parts, max_pool_connections=20)

        def work(_: int) -> list[str]:
            return [message["MessageId"] for _ in range(20) for message in settle(client, endpoint.queue_url)]

        with ThreadPoolExecutor(20) as threads:
            ids = Counter(message_id for found in threads.map(work, range(20)) for message_id in found)
        counts = endpoint.counts()

    assert set(ids.values()) == {1}
    assert len(ids) == 20 * 20 * 10 == counts["messages"]
    # one more asks for the counts
    assert counts["open_connections"] <= 21
    assert len(counted) > 600


def test_threads_that_share_a_connection(make_client, parts):
    """More threads than connections: what is too much is closed, as in boto3."""
    with serve() as endpoint:
        client = make_client("sqs", endpoint.url, parts, max_pool_connections=2)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: settle(client, endpoint.queue_url), range(100)))
        assert endpoint.counts()["open_connections"] <= 3


def test_memory_stays(make_client, parts):
    """`python -m benchmarks.bench_clients --soak 200000` is the long one."""
    with serve() as endpoint:
        client = make_client("sqs", endpoint.url, parts)
        for _ in range(100):
            settle(client, endpoint.queue_url)
        collect()
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            for _ in range(500):
                settle(client, endpoint.queue_url)
            collect()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        counts = endpoint.counts()

    # less than a tenth of what one leaked answer a call would take
    assert after - before < 200_000
    assert counts["connections"] == 2
    assert counts["ReceiveMessage"] == counts["DeleteMessageBatch"] == 600


def test_transport_is_told(server, make_client, parts):
    assert client_transport(make_client("sqs", server.url, parts)) == parts.name
    assert client_transport(make_client("sqs", server.url, "botocore")) == "botocore"
    assert client_transport(object()) == "botocore"


def test_content_by_default(server, make_client, counted):
    """`auto` is the default, and takes the short way."""
    client = make_client("sqs", server.url, "auto")
    for _ in range(2):
        server.play(Reply(make_http(Random(1), make_content(Random(2), "receive_message"))))
        client.receive_message(**PARAMETERS)
    assert client_transport(client).startswith("socket")
    assert counted == ["ReceiveMessage"]
