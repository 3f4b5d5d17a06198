"""
HTTP connections with limits, so that one slow or idle client harms no other.

uvicorn closes connections that are idle between requests. Here stand the limits that it leaves to a proxy: how many
connections there may be, how long a request's head may be, and for how long its bytes may be on their way.
"""

from __future__ import annotations

from asyncio import TimerHandle, Transport
from collections.abc import Callable
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from microcosm_pubsub.server.one_write import OneWrite
from microcosm_pubsub.server.settings import Limits


#: The least that the first line and the last one have beside the URL.
AROUND_URL = len(b"GET  HTTP/1.1\r\n\r\n")


def refusal(status: str, code: str, text: str) -> bytes:
    """Return a whole answer that closes the connection."""
    body = f"{code}: {text}\n"
    head = f"HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return f"{head}{body}".encode()


class Connection(HttpToolsProtocol):
    """
    One client's connection.

    :param limits: of requests
    """

    def __init__(self, *args: Any, limits: Limits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limits = limits
        self._head_bytes = 0
        self._in_head = True
        self._is_refused = False
        self._arriving: TimerHandle | None = None
        self._leaving: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin, unless there are too many."""
        super().connection_made(OneWrite(transport, self.loop))  # type: ignore[arg-type]
        if len(self.connections) > self.limits.connections:
            text = f"The server has {self.limits.connections} connections, the most it takes (--max-connections)."
            self._refuse(refusal("503 Service Unavailable", "ServiceUnavailable", text))
            return
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        for timer in (self._arriving, self._leaving):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, unless a head has too many."""
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > self.limits.header_bytes:
            self._refuse_head()

    def on_message_begin(self) -> None:
        """Expect the rest of a request in time."""
        super().on_message_begin()
        if self._arriving is None:
            self._expect()

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the head was too long and came at once."""
        self._in_head = False
        if self._is_refused:
            return
        # The colon, the space and the end of the line of each, and what stands around the URL.
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) + AROUND_URL
        if size > self.limits.header_bytes:
            self._refuse_head()
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, unless the request was refused."""
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect nothing any more."""
        if self._is_refused:
            return
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None
        self._in_head = True
        self._head_bytes = 0
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Give a client that does not read its answer some time."""
        super().pause_writing()
        self._leaving = self.loop.call_later(self.limits.request_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def _expect(self) -> None:
        self._arriving = self.loop.call_later(self.limits.request_seconds, self._give_up)

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            text = f"The request did not arrive within {self.limits.request_seconds:g} seconds."
            self._refuse(refusal("408 Request Timeout", "RequestTimeout", text))

    def _refuse_head(self) -> None:
        text = f"A request's head may have at most {self.limits.header_bytes} bytes."
        self._refuse(refusal("431 Request Header Fields Too Large", "RequestHeaderTooLarge", text))

    def _refuse(self, answer: bytes) -> None:
        # The parser goes on to the end of the bytes that it was given.
        self._is_refused = True
        self.transport.write(answer)
        self.transport.close()


def make_connection(limits: Limits) -> Callable[..., Connection]:
    """Return the factory of connections with some limits."""
    return partial(Connection, limits=limits)
