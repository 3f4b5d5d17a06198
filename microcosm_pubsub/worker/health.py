"""
What an orchestrator asks of a daemon over HTTP: is it healthy, is it ready.

    GET  /api/health      200 while all is well, 503 otherwise; JSON that says why
    GET  /api/ready       200 while messages are being received, 503 otherwise
"""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps
from socketserver import TCPServer
from threading import Thread
from typing import Any

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.worker.breaker import State
from microcosm_pubsub.worker.worker import Worker


Report = dict[str, Any]


def report(worker: Worker) -> Report:
    """Return what a worker does, and what is wrong with it."""
    now = worker.clock()
    busy = worker.slots.busy
    threshold = worker.settings.health_threshold_seconds
    problems = list(find_problems(worker, now))
    return {
        "healthy": not problems,
        "ready": worker.is_ready,
        "problems": problems,
        "paused": worker.pausing or (None if worker.breaker.state is State.CLOSED else "circuit breaker"),
        "draining": worker.ending.reason if worker.ending else None,
        "threshold_seconds": threshold,
        "slots": {
            "total": worker.settings.concurrency,
            "busy": len(busy),
            "abandoned": worker.slots.abandoned,
            "oldest_seconds": round(max((slot.seconds(now) for slot in busy), default=0.0), 3),
        },
        "buffer": {"waiting": worker.buffer.waiting, "lanes": worker.buffer.lanes},
        "leases": {"held": len(worker.keeper), "lost": worker.keeper.lost},
        "pollers": {
            "active": worker.pollers.active,
            "failed_receives": worker.pollers.failed_receives,
            "oldest_seconds": round(worker.pollers.oldest_seconds, 3),
        },
        "settler": {
            "pending": worker.settler.pending,
            "oldest_seconds": round(worker.settler.oldest_seconds, 3),
        },
        "counts": dict(worker.dispatcher.counts),
    }


def find_problems(worker: Worker, now: float) -> list[str]:
    """Return what is wrong with a worker, one sentence each."""
    threshold = worker.settings.health_threshold_seconds
    problems = []
    if worker.pollers.oldest_seconds > threshold + worker.consumer.wait_seconds:
        problems.append(f"no receive was answered for {worker.pollers.oldest_seconds:.0f} s")
    if worker.settler.oldest_seconds > threshold:
        problems.append(f"a message waits to be settled for {worker.settler.oldest_seconds:.0f} s")
    for slot in worker.slots.busy:
        timeout = slot.unit.options.timeout_seconds if slot.unit is not None else None
        if timeout is not None and slot.seconds(now) > timeout:
            problems.append(f"a handler runs for {slot.seconds(now):.0f} s, {timeout:g} s are its timeout")
    if worker.slots.abandoned:
        problems.append(f"{worker.slots.abandoned} threads outlived the timeout of their handlers")
    return problems


class Server(ThreadingHTTPServer):
    """An HTTP server that does not look up its own name, for which it might wait."""

    def server_bind(self) -> None:
        """Listen."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


class HealthServer:
    """
    Serve reports over HTTP.

    :param get_report: gives the report of the moment, with keys `healthy` and `ready`
    :param port: 0 chooses a free one
    :raises ConfigurationError: if the port cannot be had
    """

    def __init__(self, get_report: Callable[[], Report], host: str, port: int) -> None:
        class Handler(ReportHandler):
            pass

        Handler.get_report = staticmethod(get_report)
        try:
            self.server = Server((host, port), Handler)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise ConfigurationError(
                f"Cannot serve health checks at {host}:{port}: {why}; choose another --healthcheck-port"
            ) from error
        self.server.daemon_threads = True
        self.port = int(self.server.server_address[1])
        Thread(target=self.server.serve_forever, name="health", daemon=True).start()

    def close(self) -> None:
        """Serve no more."""
        self.server.shutdown()
        self.server.server_close()


class ReportHandler(BaseHTTPRequestHandler):
    """Answer a request with a report."""

    get_report: Callable[[], Report]

    # a caller that sends nothing must not keep a thread for ever
    timeout = 10

    def do_GET(self) -> None:
        """Answer 200 or 503 by what the path asks for, and 404 for any other path."""
        key = {"/api/health": "healthy", "/api/ready": "ready"}.get(self.path.partition("?")[0])
        if key is None:
            self.send_error(404)
            return
        current = self.get_report()
        body = dumps(current if key == "healthy" else {"ready": current["ready"]}).encode()
        self.send_response(200 if current[key] else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: orchestrators ask often."""
