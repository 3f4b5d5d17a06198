"""
Several processes of one daemon.

The parent starts the children, passes signals on to them, and gathers their reports for health checks. A child that
dies is started again, after a wait that grows while it keeps dying; one that dies again and again, or that says that
nothing will change until somebody does something, ends them all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from logging import basicConfig, getLogger
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from queue import Empty, SimpleQueue
from signal import SIG_BLOCK, SIG_UNBLOCK, SIGTERM, Signals, pthread_sigmask, signal
from time import monotonic
from typing import Any, Protocol

from microcosm_pubsub.config.program import find_hidden_module
from microcosm_pubsub.daemon.process import (
    EXIT_LASTING,
    EXIT_OK,
    EXIT_RECYCLED,
    EXIT_RESTART,
    EXIT_USAGE,
    SIGNALS,
    STOP_SIGNALS,
)
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.health import Answer, HealthServer, Report, Route, report_routes
from microcosm_pubsub.meters.prometheus import METRICS_PATH, SummedPage, summed


logger = getLogger(__name__)

#: That of microcosm's lines, which the children write.
LOG_FORMAT = "%(asctime)s - %(name)s - [%(levelname)s] - %(message)s"

#: The wait before a child is started again: doubled each time within these bounds, and forgotten when one has lived.
MIN_RESTART_SECONDS = 0.5
MAX_RESTART_SECONDS = 30.0
LIVED_SECONDS = 60.0

#: A child that died this many times without having lived will not live.
MAX_DEATHS = 5

#: The parent looks at its signals at this interval, in seconds.
WATCH_SECONDS = 0.25

#: How old a report may be, if `--heartbeat-threshold-seconds` does not say.
DEFAULT_THRESHOLD_SECONDS = 30


class Startable(Protocol):
    """A program that can be pickled and started in a process of its own."""

    def start(self, send_report: Callable[[Report], None] | None = None) -> None: ...


@dataclass(slots=True)
class Child:
    """A place for a process: the one that runs, if any, and how those before it fared."""

    process: Any = None
    connection: Connection | None = None
    started_at: float = 0.0
    deaths: int = 0
    restart_at: float | None = None
    ended: bool = False
    report: Report = field(default_factory=dict)
    reported_at: float | None = None


class Supervisor:
    """
    Run several processes of one daemon.

    :param target: the daemon
    :param processes: how many
    :param heartbeat_threshold_seconds: how old a child's report may be in a healthy daemon
    :param healthcheck_port: serves health checks there; None serves none
    :param routes: routes that are served beside
    :param measures: whether the children measure for Prometheus, which their sum is served to
    :param clock: a monotonic clock, in seconds
    """

    def __init__(
        self,
        target: Startable,
        processes: int,
        heartbeat_threshold_seconds: int = DEFAULT_THRESHOLD_SECONDS,
        healthcheck_host: str = "0.0.0.0",
        healthcheck_port: int | None = None,
        routes: Mapping[str, Route] | None = None,
        measures: bool = False,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.target = target
        # A fork would copy the locks of other threads, and the sockets of clients.
        self.context = get_context("spawn")
        self.children = [Child() for _ in range(processes)]
        self.heartbeat_threshold_seconds = heartbeat_threshold_seconds
        self.health_server: HealthServer | None = None
        if healthcheck_port is not None:
            all_routes = {**report_routes(self.report), **(routes or {})}
            self.health_server = HealthServer(all_routes, healthcheck_host, healthcheck_port)
        self.clock = clock
        self.measures = measures
        #: The sums of the children's metrics.
        self.metrics: SummedPage | None = None
        self.stopping = False
        self.exit_code = EXIT_OK
        self._signals: SimpleQueue[int] = SimpleQueue()

    def run(self) -> None:
        """
        Run the children to their end, and exit with their exit code.

        :raises ConfigurationError: if health checks cannot be served, or the children would not find the daemon
        """
        if hidden := find_hidden_module(type(self.target)):
            raise ConfigurationError(
                f"{type(self.target).__qualname__} is declared in {hidden}, which the processes of --processes do not "
                "import: declare it in another module, and import it there"
            )
        # This process has no graph, and so no configuration of the log.
        basicConfig(format=LOG_FORMAT)
        with summed() if self.measures else nullcontext() as self.metrics:
            if self.health_server is not None:
                if self.metrics is not None:
                    page = self.metrics.page
                    self.health_server.routes.setdefault(METRICS_PATH, lambda: Answer(*page()))
                self.health_server.start()
            for number in SIGNALS:
                signal(number, lambda number, frame: self._signals.put(number))
            for child in self.children:
                self._spawn(child)
            while not all(child.ended for child in self.children):
                self._watch()
            sys.exit(self.exit_code)

    def report(self) -> Report:
        """Return the health of all processes together."""
        now = self.clock()
        threshold = self.heartbeat_threshold_seconds
        reports = []
        # A child that ended as it should, while others drain, has nothing more to report.
        for child in [child for child in self.children if not child.ended]:
            age = None if child.reported_at is None else now - child.reported_at
            fresh = age is not None and age <= threshold
            reports.append(
                {
                    **child.report,
                    "pid": child.process.pid if child.process is not None else None,
                    "report_age_seconds": None if age is None else round(age, 3),
                    "healthy": fresh and bool(child.report.get("healthy")),
                    "ready": fresh and bool(child.report.get("ready")),
                }
            )
        return {
            "healthy": all(report["healthy"] for report in reports),
            "ready": not self.stopping and any(report["ready"] for report in reports),
            "heartbeats": {str(report["pid"]): report["report_age_seconds"] for report in reports if report["pid"]},
            "processes": reports,
        }

    def _spawn(self, child: Child) -> None:
        ours, theirs = self.context.Pipe()
        child.process = self.context.Process(target=run_child, args=(self.target, theirs))
        child.connection, child.started_at, child.restart_at = ours, self.clock(), None
        child.report, child.reported_at = {}, None
        # Children inherit the mask: a signal waits until they are ready for it.
        pthread_sigmask(SIG_BLOCK, SIGNALS)
        child.process.start()
        pthread_sigmask(SIG_UNBLOCK, SIGNALS)
        theirs.close()

    def _watch(self) -> None:
        """Wait for the next event, and handle it."""
        self._pass_signals()
        sources: list[Any] = [child.connection for child in self.children if child.connection is not None]
        sources += [child.process.sentinel for child in self.children if child.process is not None]
        happened = wait(sources, timeout=WATCH_SECONDS) if sources else []
        for child in self.children:
            if child.connection in happened:
                self._receive_report(child)
            if child.process is not None and child.process.sentinel in happened:
                self._bury(child)
            if child.restart_at is not None and self.clock() >= child.restart_at:
                self._spawn(child)

    def _pass_signals(self) -> None:
        try:
            while True:
                number = self._signals.get_nowait() if self._running() else self._signals.get(timeout=WATCH_SECONDS)
                if number in STOP_SIGNALS:
                    self._stop()
                self._send(number)
        except Empty:
            return

    def _running(self) -> bool:
        return any(child.process is not None for child in self.children)

    def _send(self, number: int) -> None:
        for child in self.children:
            if child.process is not None and child.process.is_alive():
                os.kill(child.process.pid, number)

    def _stop(self) -> None:
        """Start no more children; those that wait to be started have ended."""
        self.stopping = True
        for child in self.children:
            if child.restart_at is not None:
                child.restart_at, child.ended = None, True

    def _receive_report(self, child: Child) -> None:
        assert child.connection is not None
        try:
            child.report, child.reported_at = child.connection.recv(), self.clock()
        except (EOFError, OSError):
            child.connection.close()
            child.connection = None

    def _bury(self, child: Child) -> None:
        child.process.join()
        pid, code = child.process.pid, child.process.exitcode
        child.process = None
        if self.metrics is not None:
            self.metrics.forget(pid)
        if code == EXIT_RECYCLED and not self.stopping:
            child.restart_at = self.clock()
        elif code in (EXIT_OK, EXIT_RECYCLED) or (self.stopping and -code in STOP_SIGNALS):
            # A signal kills a process that has nearly ended.
            child.ended = True
        elif self.stopping or code in (EXIT_LASTING, EXIT_USAGE):
            self._fail(child, code, f"Process {pid} ended with code {say_code(code)}")
        else:
            self._restart(child, code, pid)

    def _restart(self, child: Child, code: int, pid: int) -> None:
        lived = self.clock() - child.started_at >= LIVED_SECONDS
        child.deaths = 1 if lived else child.deaths + 1
        if child.deaths >= MAX_DEATHS:
            text = f"Process {pid} ended with code {say_code(code)}, as {child.deaths} in a row did before long"
            self._fail(child, code, text)
            return
        seconds = min(MAX_RESTART_SECONDS, MIN_RESTART_SECONDS * 2 ** (child.deaths - 1))
        child.restart_at = self.clock() + seconds
        logger.error("Process %s ended with code %s: starting another one in %g s", pid, say_code(code), seconds)

    def _fail(self, child: Child, code: int, what: str) -> None:
        child.ended = True
        self.exit_code = max(self.exit_code, code if code in (EXIT_LASTING, EXIT_RESTART) else EXIT_LASTING)
        logger.error("%s: stopping", what)
        if not self.stopping:
            self._stop()
            self._send(SIGTERM)


def say_code(code: int) -> str:
    """Return an exit code, with the signal that ended the process if one did: SIGKILL, say, where memory is short."""
    try:
        return f"{code} ({Signals(-code).name})"
    except ValueError:
        return str(code)


def run_child(target: Startable, connection: Connection) -> None:
    """Run the daemon in a child process, and have it report to its parent."""
    # Ctrl-C goes to the whole group of the terminal, but to be passed on by the parent alone
    os.setpgid(0, 0)
    target.start(connection.send)
