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
from ssl import SSLWantReadError, SSLWantWriteError
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

READ_SIZE, MOST_READ = 65536, 2**20

#: The errors of a connection that does not block, when nothing has arrived.
WOULD_BLOCK = (BlockingIOError, SSLWantReadError, SSLWantWriteError)

#: More digits than any length has.
LONGEST_LENGTH = 15

#: Answers that have no body, whatever their head says.
BODILESS = (204, 304)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was read whole; to botocore's own handlers, a response."""

    status_code: int
    #: The fields in the order in which they came.
    fields: list[tuple[str, str]]
    #: The headers, by lower-case name.
    headers: dict[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class UnreadAnswer:
    """
    The bytes that arrived and were not understood here, how the answer ended if it did, and whether the request had
    been sent.
    """

    received: bytes
    error: OSError | None = None
    was_sent: bool = True


class Exchange:
    """
    A request that is answered, and the bytes of the answer that have arrived.

    :param sock: an open connection that nobody else uses
    """

    __slots__ = ("_chunks", "_end", "_head", "_size", "is_reusable", "result", "sock")

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        #: The answer, once nothing more is waited for.
        self.result: Answer | UnreadAnswer | None = None
        #: Whether the connection can be used again after that.
        self.is_reusable = False
        self._chunks: list[bytes] = []
        self._size = 0
        self._head: tuple[int, int, list[tuple[str, str]], dict[str, str]] | None = None
        self._end = 0

    def send(self, request: bytes, timeout: float | None) -> None:
        """
        Send the request.

        :param timeout: for how many seconds the peer may be silent
        """
        try:
            if self.sock.gettimeout() != timeout:
                self.sock.settimeout(timeout)
            # The peer may have answered before it closed, as urllib3 reckons with too.
            with suppress(BrokenPipeError, ConnectionResetError):
                self.sock.sendall(request)
        except OSError as error:
            self.result = UnreadAnswer(b"", error, was_sent=False)

    def read(self) -> bool:
        """
        Read the bytes that arrive, and return whether there is nothing more to wait for.

        On a connection that does not block, False says that more is to come.
        """
        while self.result is None:
            try:
                chunk = self.sock.recv(max(READ_SIZE, min(self._end - self._size, MOST_READ)))
            except WOULD_BLOCK:
                return False
            except OSError as error:
                self.fail(error)
            else:
                self._take(chunk)
        return True

    def fail(self, error: OSError) -> None:
        """Wait no longer, because of an error of the connection."""
        # The bytes that arrived before the error decide what it means.
        self.result = UnreadAnswer(self._received(), error)

    def _take(self, chunk: bytes) -> None:
        if not chunk:
            self.result = UnreadAnswer(self._received())
            return
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._head is None and not self._find_head():
            return
        assert self._head is not None
        if self._size >= self._end:
            start, status, fields, headers = self._head
            self.result = Answer(status, fields, headers, self._received()[start : self._end])
            self.is_reusable = self._size == self._end and "close" not in headers.get("connection", "").lower()

    def _find_head(self) -> bool:
        received = self._received()
        match = HEAD.match(received)
        if match is None:
            if b"\r\n\r\n" in received or len(received) > LONGEST_HEAD:
                self.result = UnreadAnswer(received)
            return False
        head = read_head(match)
        if head is None:
            self.result = UnreadAnswer(received)
            return False
        self._head = (match.end(), *head)
        self._end = match.end() + int(head[2]["content-length"])
        return True

    def _received(self) -> bytes:
        if len(self._chunks) > 1:
            self._chunks = [b"".join(self._chunks)]
        return self._chunks[0] if self._chunks else b""


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


class UnreadStream(RawIOBase):
    """Gives the bytes that arrived, then those that the socket still gives, or the error that it ended with."""

    def __init__(self, sock: Any, arrived: UnreadAnswer):
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


class UnreadSocket:
    """A socket whose request has been sent, or could not be."""

    def __init__(self, stream: UnreadStream, send_error: OSError | None):
        self._stream, self._send_error = stream, send_error

    def makefile(self, *_: Any, **__: Any) -> BufferedReader:
        return BufferedReader(self._stream)

    def sendall(self, data: Any) -> None:
        """Send nothing: the request has been sent, or fails as it did."""
        if self._send_error is not None:
            raise self._send_error

    def settimeout(self, seconds: float | None) -> None:
        """Leave the timeout as it is."""

    def close(self) -> None:
        """Close nothing: the reader that was made of it reads to its end."""


class UnreadSession(URLLib3Session):  # type: ignore[misc]
    """botocore's HTTP client, which finds a request sent and its answer on its way."""

    def __init__(self, sock: UnreadSocket):
        super().__init__()
        connection = AWSHTTPConnection("localhost")
        connection.sock = sock
        self._rest_pool = AWSHTTPConnectionPool("localhost")
        self._rest_pool.ConnectionCls = lambda **_: connection

    def _get_connection_manager(self, url: str, proxy_url: str | None = None) -> Any:
        return SimpleNamespace(connection_from_url=lambda url: self._rest_pool)


def read_unread(sock: Any, arrived: UnreadAnswer, url: str) -> AWSResponse:
    """
    Read an answer as boto3 does, from its first byte.

    :param url: the URL that was asked
    :raises HTTPClientError: if it cannot be read
    """
    socket = UnreadSocket(UnreadStream(sock, arrived), None if arrived.was_sent else arrived.error)
    return UnreadSession(socket).send(AWSRequest(method="POST", url=url).prepare())
