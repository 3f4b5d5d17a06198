"""
A client of SQS that costs next to nothing: prepared requests of its JSON protocol, on connections of its own.

What is measured with it is the server. It signs nothing that could be verified, and reads of an answer what it needs.
"""

from __future__ import annotations

from asyncio import StreamReader, StreamWriter, open_connection
from json import dumps, loads
from typing import Any
from urllib.parse import urlsplit


#: Which region and service a request is for; engines that verify signatures are not measured.
SCOPE = "AWS4-HMAC-SHA256 Credential=test/20300101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0"


class RawClient:
    """
    Call one server on one connection.

    :param url: of the endpoint
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = str(parts.hostname), parts.port or 80
        self.streams: tuple[StreamReader, StreamWriter] | None = None
        self.failed = 0

    async def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """
        Do an operation of SQS.

        :raises OSError: if the answer is none of 200
        """
        body = dumps(parameters, separators=(",", ":")).encode()
        head = (
            f"POST / HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nX-Amz-Target: AmazonSQS.{operation}\r\n"
            f"Content-Type: application/x-amz-json-1.0\r\nAuthorization: {SCOPE}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        if self.streams is None:
            self.streams = await open_connection(self.host, self.port, limit=2**20)
        reader, writer = self.streams
        writer.write(head.encode() + body)
        status, headers = await self._read_head(reader)
        answer = await self._read_body(reader, headers)
        if headers.get(b"connection", b"").lower() == b"close":
            self.close()
        if status != 200:
            raise OSError(f"{operation} was answered {status}: {answer[:200]!r}")
        found: dict[str, Any] = loads(answer or b"{}")
        return found

    async def _read_head(self, reader: StreamReader) -> tuple[int, dict[bytes, bytes]]:
        lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        pairs = (line.partition(b":") for line in lines[1:])
        return int(lines[0][9:12]), {name.lower(): value.strip() for name, _, value in pairs}

    async def _read_body(self, reader: StreamReader, headers: dict[bytes, bytes]) -> bytes:
        if headers.get(b"transfer-encoding") != b"chunked":
            return await reader.readexactly(int(headers.get(b"content-length", b"0")))
        parts = []
        while size := int(await reader.readuntil(b"\r\n"), 16):
            parts.append((await reader.readexactly(size + 2))[:-2])
        await reader.readuntil(b"\r\n")
        return b"".join(parts)

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self.streams is not None:
            self.streams[1].close()
            self.streams = None
