"""
The ASGI application: from a request to its answer.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import zlib
from asyncio import wait_for
from collections.abc import Awaitable, Callable
from logging import getLogger
from typing import Any

from microcosm_pubsub.broker.ids import new_id
from microcosm_pubsub.server.http import Answer, Request, RequestError
from microcosm_pubsub.server.routing import Router
from microcosm_pubsub.server.settings import Limits


logger = getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Disconnected(Exception):
    """Raised when the client has gone."""


class Application:
    """
    Answer requests.

    :param router: answers them
    :param limits: of requests
    """

    def __init__(self, router: Router, limits: Limits) -> None:
        self.router = router
        self.limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request_id = new_id()
        try:
            request = await self._read(scope, receive)
            answer = await self.router.answer(request, request_id, receive)
        except RequestError as error:
            answer = Answer(error.status, f"{error.code}: {error.text}\n".encode(), b"text/plain")
        except Disconnected:
            return
        except Exception:
            # The outermost ring: what is our own fault is told to the log, and harms this request alone.
            logger.exception("Request %s failed unexpectedly", request_id)
            text = f"InternalFailure: The server failed unexpectedly; its log says why, of {request_id}.\n"
            answer = Answer(500, text.encode(), b"text/plain")
        headers = [
            (b"content-type", answer.content_type),
            (b"content-length", b"%d" % len(answer.body)),
            (b"x-amzn-requestid", request_id.encode()),
            *answer.headers,
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    async def _read(self, scope: Scope, receive: Receive) -> Request:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > self.limits.body_bytes:
            raise self._too_large()
        body = await self._read_body(receive)
        encoding = headers.get(b"content-encoding", b"")
        if encoding == b"gzip":
            body = self._unpack(body)
        elif encoding not in (b"", b"identity"):
            raise RequestError("UnsupportedMediaType", "The body may be encoded as gzip, or not at all.", 415)
        host, port = scope.get("server") or ("localhost", None)
        return Request(
            method=scope["method"],
            raw_path=scope.get("raw_path", b"/"),
            query=scope["query_string"],
            headers=headers,
            body=body,
            scheme=scope["scheme"],
            server=host if port is None else f"{host}:{port}",
        )

    async def _read_body(self, receive: Receive) -> bytes:
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            body: bytes = message.get("body", b"")
            if len(body) > self.limits.body_bytes:
                raise self._too_large()
            return body
        parts, size = [], 0
        while message["type"] == "http.request":
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > self.limits.body_bytes:
                raise self._too_large()
            if not message.get("more_body"):
                return b"".join(parts)
            message = await wait_for(receive(), self.limits.request_seconds)
        raise Disconnected

    def _unpack(self, body: bytes) -> bytes:
        unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            unpacked = unpacker.decompress(body, self.limits.body_bytes + 1)
        except zlib.error:
            raise RequestError("MalformedInput", "The body is no gzip.") from None
        if len(unpacked) > self.limits.body_bytes:
            raise self._too_large()
        if not unpacker.eof:
            raise RequestError("MalformedInput", "The body's gzip has no end.")
        return unpacked

    def _too_large(self) -> RequestError:
        return RequestError(
            "RequestEntityTooLarge", f"A request may have at most {self.limits.body_bytes} bytes.", status=413
        )
