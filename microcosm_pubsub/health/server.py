"""
An HTTP server of a few routes, on the standard library: orchestrators ask it a few times a minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from logging import getLogger
from socketserver import TCPServer
from threading import Thread
from typing import Any

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.health.answer import Answer, Route


logger = getLogger(__name__)

#: A caller that sends nothing must not keep a thread for ever, in seconds.
REQUEST_TIMEOUT_SECONDS = 10


class HealthServer:
    """
    Serve routes over HTTP.

    :param routes: the functions that answer a GET, by path
    :param port: 0 chooses a free one
    """

    def __init__(self, routes: Mapping[str, Route], host: str, port: int) -> None:
        self.routes = dict(routes)
        self.host = host
        self.port = port
        self._server: Server | None = None

    def start(self) -> None:
        """
        Begin to serve.

        :raises ConfigurationError: if the port cannot be had
        """
        try:
            self._server = Server((self.host, self.port), self.routes)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise ConfigurationError(
                f"Cannot serve health checks at {self.host}:{self.port}: {why}; choose another --healthcheck-port"
            ) from error
        self.port = int(self._server.server_address[1])
        Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def stop(self) -> None:
        """Serve no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def problems(self) -> list[str]:
        """Return nothing: a client that can ask got an answer."""
        return []

    def gauges(self) -> dict[str, float]:
        """Return nothing."""
        return {}


class Server(ThreadingHTTPServer):
    """An HTTP server that does not look up its own name, for which it might wait."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], routes: Mapping[str, Route]) -> None:
        super().__init__(address, RequestHandler)
        self.routes = routes

    def server_bind(self) -> None:
        """Listen."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


class RequestHandler(BaseHTTPRequestHandler):
    """Answer a request by the route of its path."""

    server: Server
    timeout = REQUEST_TIMEOUT_SECONDS

    def do_GET(self) -> None:
        """Answer with the path's route, or 404."""
        route = self.server.routes.get(self.path.partition("?")[0])
        if route is None:
            self.send_error(404)
            return
        # A route is user code: its error must be seen by the client, and in the log.
        try:
            answer = route()
        except Exception:
            logger.exception("Cannot answer %s", self.path.partition("?")[0][:200])
            self.send_error(500)
            return
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: orchestrators ask often."""
