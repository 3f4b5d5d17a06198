"""
Several processes of one daemon.

The parent starts the children, passes stop signals on to them, and ends when they have ended. A child that
ends with an error, or is killed, stops them all, and the parent exits non-zero to be restarted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from logging import getLogger
from multiprocessing import get_context
from multiprocessing.connection import wait
from signal import SIG_BLOCK, SIG_UNBLOCK, SIGINT, SIGTERM, pthread_sigmask, signal
from threading import Thread
from typing import Any, Protocol

from microcosm_pubsub.errors import ConfigurationError


logger = getLogger(__name__)

#: What tells a daemon to stop.
STOP_SIGNALS = (SIGINT, SIGTERM)


class Startable(Protocol):
    """A program that can be pickled and started in a process of its own."""

    def start(self) -> None: ...


class Supervisor:
    """
    Run several processes of one daemon.

    :param target: the daemon
    :param processes: how many
    :param heartbeat_threshold_seconds: how old a child's heartbeat may be; negative serves no health check
    """

    def __init__(
        self,
        target: Startable,
        processes: int,
        heartbeat_threshold_seconds: int = -1,
        healthcheck_host: str = "0.0.0.0",
        healthcheck_port: int = 80,
    ) -> None:
        # fork would copy the locks of other threads, and the sockets of clients
        context = get_context("spawn")
        self.children = [context.Process(target=start, args=(target,)) for _ in range(processes)]
        self.heartbeat_threshold_seconds = heartbeat_threshold_seconds
        self.healthcheck_host = healthcheck_host
        self.healthcheck_port = healthcheck_port

    def run(self) -> None:
        """Run the children to their end, and exit: 0 if each of them did, 1 otherwise."""
        if self.heartbeat_threshold_seconds >= 0:
            self._serve_healthcheck(load_healthcheck_server())
        for number in STOP_SIGNALS:
            signal(number, lambda number, frame: self.stop())
        # children inherit the mask: a signal waits until they are ready for it, and so does ours
        pthread_sigmask(SIG_BLOCK, STOP_SIGNALS)
        for child in self.children:
            child.start()
        pthread_sigmask(SIG_UNBLOCK, STOP_SIGNALS)
        alive = list(self.children)
        failed = False
        while alive:
            ended = wait([child.sentinel for child in alive])
            for child in [child for child in alive if child.sentinel in ended]:
                child.join()
                alive.remove(child)
                if child.exitcode != 0:
                    failed = True
                    logger.error("Process %s ended with code %s: stopping", child.pid, child.exitcode)
                    self.stop()
        sys.exit(1 if failed else 0)

    def stop(self) -> None:
        """Tell the children to finish what they are doing, and end."""
        for child in self.children:
            if child.is_alive():
                child.terminate()

    def _serve_healthcheck(self, serve: Callable[..., None]) -> None:
        Thread(
            target=serve,
            kwargs={
                "processes": len(self.children),
                "heartbeat_threshold_seconds": self.heartbeat_threshold_seconds,
                "healthcheck_host": self.healthcheck_host,
                "healthcheck_port": self.healthcheck_port,
            },
            daemon=True,
        ).start()


def load_healthcheck_server() -> Callable[..., Any]:
    """
    Return the health check server of microcosm-daemon.

    :raises ConfigurationError: if what it needs is not installed
    """
    try:
        from microcosm_daemon.healthcheck_server import run
    except ImportError as error:
        raise ConfigurationError(
            "--heartbeat-threshold-seconds needs a web server: pip install 'microcosm_pubsub[healthcheck]'"
        ) from error
    return run  # type: ignore[no-any-return, unused-ignore]


def start(target: Startable) -> None:
    """Start the daemon in a child process."""
    target.start()
