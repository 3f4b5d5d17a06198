"""
One request and its answer, on a connection of botocore's own pool.

Connections are opened by botocore alone, so that TLS, certificates, timeouts and socket options are what it is
configured for; here, one that it left in the pool is used again. An answer as SQS and SNS give it is read here;
whatever else arrives is read by botocore's own HTTP client, so that a broken answer is the error that boto3 raises.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from re import Match
from re import compile as compile_pattern
from types import SimpleNamespace
from typing import Any

from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool, AWSRequest, AWSResponse
from botocore.httpsession import URLLib3Session


#: A head that leaves nothing to interpret: HTTP/1.1, one line for each header, no control characters.
#: https://www.rfc-editor.org/rfc/rfc9112
HEAD = compile_pattern(
    rb"HTTP/1\.1 ([2-5]\d\d) [ -~]*\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [!-~](?:[ -~]*[!-~])?\r\n)*)\r\n"
)
FIELD = compile_pattern(r"([^:]+): ([^\r]+)\r\n")

#: Beyond these, a head is for botocore's HTTP client to judge.
LONGEST_HEAD, MOST_FIELDS = 16384, 50

READ_SIZE = 65536

#: More digits than any length has.
LONGEST_LENGTH = 15

#: Answers that have no body, whatever their head says.
BODILESS = (204, 304)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was read whole; to botocore's own handlers, a response."""

    status_code: int
    #: as they came
    fields: list[tuple[str, str]]
    #: by lower-case name
    headers: dict[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Arrived:
    """What arrived and was not understood here, and how it ended if it did."""

    received: bytes
    error: OSError | None = None


def exchange(sock: Any, request: bytes, read_timeout: float | None) -> tuple[Answer | Arrived, bool]:
    """
    Send a request and read the answer.

    :param read_timeout: for how many seconds the peer may be silent
    :returns: the answer, and whether the connection can be used again
    """
    received = b""
    try:
        if sock.gettimeout() != read_timeout:
            sock.settimeout(read_timeout)
        send(sock, request)
        while not (match := HEAD.match(received)):
            if b"\r\n\r\n" in received or len(received) > LONGEST_HEAD or not (chunk := sock.recv(READ_SIZE)):
                return Arrived(received), False
            received += chunk
        head = read_head(match)
        if head is None:
            return Arrived(received), False
        status, fields, headers = head
        end = match.end() + int(headers["content-length"])
        if len(received) < end and len(received := read_until(end, sock, received)) < end:
            return Arrived(received), False
    except Interrupted as interruption:
        return interruption.arrived, False
    except OSError as error:
        return Arrived(received, error), False
    reusable = len(received) == end and "close" not in headers.get("connection", "").lower()
    return Answer(status, fields, headers, received[match.end() : end]), reusable


def read_head(match: Match[bytes]) -> tuple[int, list[tuple[str, str]], dict[str, str]] | None:
    """Return status and headers, if the body is as long as they say, and nothing else has a say in it."""
    status, fields = int(match[1]), FIELD.findall(match[2].decode("ascii"))
    headers = {name.lower(): value for name, value in fields}
    length = headers.get("content-length", "")
    if not length.isdigit() or len(length) > LONGEST_LENGTH or "transfer-encoding" in headers or status in BODILESS:
        return None
    if not len(fields) == len(headers) <= MOST_FIELDS or match.end() > LONGEST_HEAD:
        return None
    return status, fields, headers


def send(sock: Any, request: bytes) -> None:
    # as in urllib3: the peer may have answered before it closed
    with suppress(BrokenPipeError, ConnectionResetError):
        sock.sendall(request)


def read_until(end: int, sock: Any, received: bytes) -> bytes:
    """Read on until so many bytes have arrived, or the peer has closed."""
    chunks, size = [received], len(received)
    try:
        while size < end and (chunk := sock.recv(max(READ_SIZE, min(end - size, 2**20)))):
            chunks.append(chunk)
            size += len(chunk)
    except OSError as error:
        # what arrived before it decides what it means
        raise Interrupted(b"".join(chunks), error) from error
    return b"".join(chunks)


class Interrupted(Exception):
    """The connection broke within a body."""

    def __init__(self, received: bytes, error: OSError):
        super().__init__(str(error))
        self.arrived = Arrived(received, error)


class Rest(RawIOBase):
    """Gives what arrived, then what the socket still gives, or the error that it ended with."""

    def __init__(self, sock: Any, arrived: Arrived):
        self._sock, self._received, self._error = sock, memoryview(arrived.received), arrived.error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._received:
            if self._error is not None:
                raise self._error
            return int(self._sock.recv_into(buffer))
        size = min(len(buffer), len(self._received))
        buffer[:size] = self._received[:size]
        self._received = self._received[size:]
        return size


class RestSocket:
    """A socket whose request has been sent."""

    def __init__(self, rest: Rest):
        self._rest = rest

    def makefile(self, *_: Any, **__: Any) -> BufferedReader:
        return BufferedReader(self._rest)

    def sendall(self, data: Any) -> None:
        """Send nothing: the request has been sent."""

    def settimeout(self, seconds: float | None) -> None:
        """Leave the timeout as it is."""

    def close(self) -> None:
        """Close nothing: what was made of it is read to its end."""


class RestSession(URLLib3Session):  # type: ignore[misc]
    """botocore's HTTP client, which finds a request sent and its answer on its way."""

    def __init__(self, rest: Rest):
        super().__init__()
        connection = AWSHTTPConnection("localhost")
        connection.sock = RestSocket(rest)
        self._rest_pool = AWSHTTPConnectionPool("localhost")
        self._rest_pool.ConnectionCls = lambda **_: connection

    def _get_connection_manager(self, url: str, proxy_url: str | None = None) -> Any:
        return SimpleNamespace(connection_from_url=lambda url: self._rest_pool)


def read_rest(sock: Any, arrived: Arrived, url: str) -> AWSResponse:
    """
    Read an answer as boto3 does, from its first byte.

    :param url: what was asked
    :raises HTTPClientError: if it cannot be read
    """
    return RestSession(Rest(sock, arrived)).send(AWSRequest(method="POST", url=url).prepare())
