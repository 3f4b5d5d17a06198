"""
The server: uvicorn, with the application that answers, on one event loop.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Runner, get_running_loop
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from json import dumps
from signal import SIGINT, SIGTERM, signal
from socket import AF_INET6, SO_REUSEADDR, SOL_SOCKET, socket
from threading import current_thread, main_thread
from typing import Any

import uvicorn
import uvloop

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.store import StoreError
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.server.application import Application
from microcosm_pubsub.server.calls import Calls
from microcosm_pubsub.server.connection import make_connection
from microcosm_pubsub.server.delivery.deliverer import Deliverer
from microcosm_pubsub.server.delivery.signing import Signer
from microcosm_pubsub.server.http import Answer
from microcosm_pubsub.server.routing import HEALTH_PATH, Router
from microcosm_pubsub.server.settings import Settings
from microcosm_pubsub.server.signature import Verifier
from microcosm_pubsub.version import VERSION


#: Calls under way may go on for this many seconds after the server was told to stop.
STOP_SECONDS = 30

BACKLOG = 1024


class Server:
    """
    Serve a broker.

    :param broker: the broker
    :param settings: how
    :param on_start: is called with the event loop when the server listens
    :raises ConfigurationError: if it cannot listen there
    """

    def __init__(
        self, broker: Broker, settings: Settings, on_start: Callable[[AbstractEventLoop], None] | None = None
    ) -> None:
        self.broker = broker
        self.settings = settings
        self.on_start = on_start
        self._socket = listen(settings.host, settings.port)
        self._signer = Signer() if settings.allow_http_delivery else None
        self._deliverer = Deliverer(broker, self.url, self._signer)
        self._loop: AbstractEventLoop | None = None
        self._calls: Calls | None = None
        self._uvicorn: uvicorn.Server | None = None
        self._is_stopped = False

    @property
    def url(self) -> str:
        """Return the endpoint's URL."""
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run(self) -> None:
        """Serve until it is stopped: by `stop`, or in the main thread by SIGTERM or SIGINT."""
        self._deliverer.start()
        try:
            with stopped_by_signals(self.stop), Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._run())
        finally:
            self._deliverer.stop()

    def stop(self) -> None:
        """End waiting receives with empty answers, finish the calls under way, and return from `run`."""
        self._is_stopped = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self._calls is not None:
            self._calls.lines.end()
        if self._uvicorn is not None:
            self._uvicorn.should_exit = True

    async def _run(self) -> None:
        self._loop = get_running_loop()
        self._calls = Calls(self.broker, self._loop, self.settings.limits.threads)
        config = uvicorn.Config(
            self._make_application(self._calls),
            http=make_connection(self.settings.limits),  # type: ignore[arg-type]
            lifespan="off",
            ws="none",
            interface="asgi3",
            access_log=False,
            log_config=None,
            log_level="critical",
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=int(self.settings.limits.idle_seconds),
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        self._uvicorn = _Uvicorn(config, self._started)
        if self._is_stopped:
            self._stop()
        try:
            await self._uvicorn._serve(sockets=[self._socket])
        finally:
            self._calls.close()
            self._socket.close()

    def _started(self) -> None:
        if self.on_start is not None and self._loop is not None:
            self.on_start(self._loop)

    def _make_application(self, calls: Calls) -> Application:
        settings = self.settings
        verifier = None
        if settings.access_key is not None and settings.secret_key is not None:
            verifier = Verifier(settings.access_key, settings.secret_key)
        pages: dict[bytes, Callable[[], Awaitable[Answer]]] = {HEALTH_PATH: self._tell_health}
        if self._signer is not None:
            pages[self._signer.path.encode()] = self._tell_certificate
        return Application(Router(calls, verifier, pages), settings.limits)

    async def _tell_certificate(self) -> Answer:
        assert self._signer is not None
        return Answer(200, self._signer.certificate, b"application/x-pem-file")

    async def _tell_health(self) -> Answer:
        assert self._calls is not None
        status, said = 200, {"status": "ok", "version": VERSION}
        try:
            await self._calls.do(self.broker.count_sent, quick=False)
        except StoreError as error:
            status, said = 503, {"status": "failed", "version": VERSION, "reason": str(error)}
        return Answer(status, dumps(said).encode(), b"application/json")


class _Uvicorn(uvicorn.Server):
    """uvicorn, which leaves signals to us: it ends the process by the signal, and not with exit code 0."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self.on_start = on_start

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.on_start()


def listen(host: str, port: int) -> socket:
    """
    Return a socket that will listen on a host and port.

    :raises ConfigurationError: if that is not possible
    """
    listener = socket(AF_INET6) if ":" in host else socket()
    try:
        listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError, ValueError) as error:
        # The port is no number of a port, or the host no name of a host.
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"Cannot listen on {host}, port {port}: {reason}; see --port and --host") from error
    return listener


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call a function at SIGTERM and SIGINT, if this is the main thread, for the length of a block."""
    if current_thread() is not main_thread():
        yield
        return
    before = {number: signal(number, lambda *_: stop()) for number in (SIGTERM, SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal(number, handler)
