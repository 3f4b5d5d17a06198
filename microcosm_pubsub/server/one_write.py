"""
One write for an answer.

uvicorn writes the head of an answer, and then its body: two calls of the kernel, and mostly two packets, of which the
first wakes the client in vain.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Transport
from typing import Any


class OneWrite:
    """
    A transport that writes what is given to it in one turn of the loop at once, at the turn's end.

    :param transport: writes
    """

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []
        # What is asked of it often goes straight to the transport.
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write at the end of this turn."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        """Write what is left, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        data, self._parts = b"".join(self._parts), []
        if data and not self._transport.is_closing():
            self._transport.write(data)
