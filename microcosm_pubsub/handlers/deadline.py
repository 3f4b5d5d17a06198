"""
A deadline that no server can talk past.

A read timeout bounds the wait for the next byte, so that a server that sends one byte at a time is
never late. Here every read of a response, of its headers too, waits no longer than the deadline of
the request that is being made in this thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from socket import socket
from typing import Any, Final

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


@dataclass(frozen=True, slots=True)
class Deadline:
    """
    Bound the whole of a request.

    :param at: when the time is up, by the clock, in seconds
    :param read_timeout_seconds: how long one read may wait
    :param clock: tells the time, in seconds
    """

    at: float
    read_timeout_seconds: float
    clock: Callable[[], float]

    @property
    def passed(self) -> bool:
        """Return whether the time is up."""
        return self.clock() >= self.at

    def bound(self, timeout_seconds: float) -> float:
        """
        Shorten a timeout to the time that is left.

        :raises TimeoutError: if the time is up
        """
        remaining = self.at - self.clock()
        if remaining <= 0:
            raise TimeoutError("the deadline of the request has passed")
        return min(remaining, timeout_seconds)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Hold requests that are made in a block, by this thread, to the deadline."""
        token = CURRENT.set(self)
        try:
            yield
        finally:
            CURRENT.reset(token)


CURRENT: Final[ContextVar[Deadline | None]] = ContextVar("deadline", default=None)


class DeadlineReader(RawIOBase):
    """Read from a socket until a deadline."""

    def __init__(self, sock: socket, deadline: Deadline) -> None:
        self._socket = sock
        # It keeps the socket open when the connection has already let go of it, as http.client does.
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        """Return whether this can be read."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """
        Read the bytes that are there.

        :raises TimeoutError: if nothing comes in time
        """
        self._socket.settimeout(self._deadline.bound(self._deadline.read_timeout_seconds))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Let go of the socket."""
        self._raw.close()
        super().close()


class DeadlineResponse(HTTPResponse):
    """Read a response until the deadline of this thread's request."""

    def __init__(self, sock: socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        deadline = CURRENT.get()
        if deadline is not None:
            self.fp.close()
            self.fp = BufferedReader(DeadlineReader(sock, deadline))


class DeadlineHTTPConnection(HTTPConnection):
    """Read responses until the deadline."""

    response_class = DeadlineResponse


class DeadlineHTTPSConnection(HTTPSConnection):
    """Read responses until the deadline."""

    response_class = DeadlineResponse


class DeadlineHTTPConnectionPool(HTTPConnectionPool):
    """Keep connections that know deadlines."""

    ConnectionCls = DeadlineHTTPConnection


class DeadlineHTTPSConnectionPool(HTTPSConnectionPool):
    """Keep connections that know deadlines."""

    ConnectionCls = DeadlineHTTPSConnection


POOLS: Final = {"http": DeadlineHTTPConnectionPool, "https": DeadlineHTTPSConnectionPool}


class DeadlineAdapter(HTTPAdapter):
    """Send the requests of a session over connections that know deadlines."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Keep such connections to servers."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Keep such connections to a proxy; one that speaks SOCKS has its own, without deadlines."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = POOLS
        return manager
