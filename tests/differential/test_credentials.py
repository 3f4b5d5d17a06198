"""
Credentials of every kind, as boto3 finds and refreshes them.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from json import dumps
from threading import Thread
from typing import Any

import pytest
from botocore.exceptions import ClientError, CredentialRetrievalError, NoCredentialsError

from tests.differential.server import Reply
from tests.differential.verifier import verify


PARAMETERS = {"QueueUrl": "http://queue"}

EMPTY = Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


class Provider:
    """Gives temporary credentials, as the endpoint of a container does, and others each time that it is asked."""

    def __init__(self) -> None:
        self.secrets: dict[str, tuple[str, str | None]] = {}
        self.numbers = count(1)
        self.lifetime = timedelta(hours=6)
        self.fails = False
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = provider.issue()
                self.send_response(500 if provider.fails else 200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)

    def issue(self) -> bytes:
        number = next(self.numbers)
        self.secrets[f"ASIA{number}"] = f"secret/{number}+=", f"token {number}/+=="
        secret, token = self.secrets[f"ASIA{number}"]
        expiration = (datetime.now(UTC) + self.lifetime).strftime("%Y-%m-%dT%H:%M:%SZ")
        return dumps(
            {"AccessKeyId": f"ASIA{number}", "SecretAccessKey": secret, "Token": token, "Expiration": expiration}
        ).encode()


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    provider = Provider()
    thread = Thread(target=provider.server.serve_forever)
    thread.start()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{provider.server.server_port}/")
    yield provider
    provider.server.shutdown()
    thread.join()
    provider.server.server_close()


def call(server: Any, client: Any) -> str:
    """Call, and return whose signature the call had."""
    server.play(EMPTY)
    client.receive_message(**PARAMETERS)
    (request,) = server.requests
    return (request.header("authorization") or "").partition("Credential=")[2].partition("/")[0]


def test_temporary_credentials(server, make_client, parts, provider, counted):
    client = make_client("sqs", server.url, parts)
    for _ in range(3):
        assert call(server, client) == "ASIA1"
        verify(server.requests[0], provider.secrets)

    assert len(counted) == 2


def test_credentials_that_expire(server, make_client, parts, provider, counted):
    """Credentials are fetched anew when boto3 would, and the next call is signed with them."""
    client = make_client("sqs", server.url, parts)
    call(server, client)
    now = datetime.now(UTC)
    client._request_signer._credentials._time_fetcher = lambda: now + timedelta(hours=5, minutes=59)
    assert call(server, client) == "ASIA2"
    verify(server.requests[0], provider.secrets)
    assert counted == []
    client._request_signer._credentials._time_fetcher = lambda: now
    assert call(server, client) == "ASIA2"
    verify(server.requests[0], provider.secrets)
    assert len(counted) == 1


def test_credentials_that_expire_at_every_call(server, make_client, parts, provider):
    provider.lifetime = timedelta(minutes=5)
    client = make_client("sqs", server.url, parts)
    keys = []
    for _ in range(4):
        keys.append(call(server, client))
        verify(server.requests[0], provider.secrets)

    assert len(set(keys)) == 4


def test_credentials_that_cannot_be_refreshed(server, make_client, parts, provider):
    client = make_client("sqs", server.url, parts)
    call(server, client)
    provider.fails = True
    client._request_signer._credentials._time_fetcher = lambda: datetime.now(UTC) + timedelta(hours=7)
    with pytest.raises(CredentialRetrievalError):
        client.receive_message(**PARAMETERS)


def test_no_credentials(server, make_client, parts, monkeypatch, counted):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    client = make_client("sqs", server.url, parts)
    for _ in range(2):
        with pytest.raises(NoCredentialsError):
            client.receive_message(**PARAMETERS)

    assert counted == []


def test_credentials_that_change(server, make_client, parts, counted):
    """A key derived for one secret never signs for another."""
    client = make_client("sqs", server.url, parts)
    call(server, client)
    credentials = client._request_signer._credentials
    secrets: dict[str, tuple[str, str | None]] = {"OTHER": ("another", None)}
    credentials.access_key, credentials.secret_key = "OTHER", "another"
    assert call(server, client) == "OTHER"
    verify(server.requests[0], secrets)
    credentials.token = secrets["OTHER"] = "now/with+token="
    secrets["OTHER"] = "another", credentials.token
    call(server, client)
    verify(server.requests[0], secrets)
    assert len(counted) == 2


@pytest.mark.parametrize("code", ["InvalidClientTokenId", "SignatureDoesNotMatch", "RequestExpired", "ExpiredToken"])
def test_refused_credentials(server, make_client, parts, code, counted):
    """A wrong clock, region or key reads as it does with boto3, and is tried as often."""
    told = []
    for transport in ("botocore", parts):
        client = make_client("sqs", server.url, transport)
        call(server, client)
        content = dumps(
            {"__type": f"com.amazonaws.sqs#{code}", "message": "Signature expired: 2026 is earlier than 2025"}
        )
        refusal = f"HTTP/1.1 403 Forbidden\r\nContent-Length: {len(content)}\r\n\r\n{content}".encode()
        server.play(*[Reply(refusal)] * 3)
        with pytest.raises(ClientError) as caught:
            client.receive_message(**PARAMETERS)
        told.append((str(caught.value), caught.value.response, len(server.requests)))

    assert told[0] == told[1]
    assert told[0][0].startswith(f"An error occurred ({code})")
    assert counted == ["ReceiveMessage"]


def test_the_key_of_another_day(server, make_client, parts, monkeypatch, counted):
    """The derived key is kept for a day, and no longer."""
    client = make_client("sqs", server.url, parts)
    secrets: dict[str, tuple[str, str | None]] = {"test": ("test", None)}
    call(server, client)
    for days in (0, 1, 1, 2):
        then = datetime.now(UTC) + timedelta(days=days)
        monkeypatch.setattr("microcosm_pubsub.fast.transport.request_template.time", then.timestamp)
        call(server, client)
        verify(server.requests[0], secrets)
        assert then.strftime("%Y%m%d") in (server.requests[0].header("authorization") or "")

    assert len(counted) == 4
    with pytest.raises(AssertionError, match="the signature is wrong"):
        verify(server.requests[0], {"test": ("wrong", None)})


def test_a_token_that_is_none(server, make_client, parts, counted):
    """Nothing slips into the head of a request."""
    client = make_client("sqs", server.url, parts)
    call(server, client)
    client._request_signer._credentials.token = "x\r\nX-Mine: y"
    server.play()
    with pytest.raises(Exception, match="Invalid header"):
        client.receive_message(**PARAMETERS)

    assert (server.requests, counted) == ([], [])
