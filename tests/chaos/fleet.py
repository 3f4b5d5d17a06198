"""
The daemons of a run: processes that are started, killed, and started again.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM, Signals
from subprocess import STDOUT, Popen
from threading import Lock
from time import monotonic, sleep

from tests.chaos.ledger import Ledger
from tests.chaos.plan import QUEUES


#: How daemons may end: as they should, or, when faults kept them from settling everything, to be started again.
EXPECTED = {0, 3}

#: What the loss of PostgreSQL or of the disk adds: somebody has to change something.
LASTING = 1

#: More daemons than so many that ended by themselves are enough to know.
MOST_ENDS = 5
MOST_STARTS = 300

#: How long a daemon may take to end.
END_SECONDS = 60.0


@dataclass
class Daemon:
    """
    One daemon.

    :param key: its access key, by which the proxy knows it
    :param args: its flags
    :param environment: its own
    """

    key: str
    args: list[str]
    environment: dict[str, str]
    process: Popen[bytes] | None = None
    #: signals that it got in its present life
    signals: set[int] = field(default_factory=set)
    starts: int = 0


class Fleet:
    """
    Run daemons.

    :param directory: for their logs, and their ledger
    :param environment: of all of them
    :param expected: with what they may end by themselves
    :param program: runs a daemon's program in place of Python alone
    """

    def __init__(
        self,
        directory: Path,
        environment: dict[str, str],
        expected: frozenset[int] = frozenset(EXPECTED),
        program: tuple[str, ...] = ("-m", "tests.chaos.daemon"),
    ) -> None:
        self.directory = directory
        self.environment = environment
        self.expected = expected
        self.program = program
        self.daemons: list[Daemon] = []
        self.violations: list[str] = []
        self._ledger = Ledger(directory / "ledger")
        self.stopping = False
        self._lock = Lock()

    def add(self, *args: str, **environment: str) -> Daemon:
        """Start a daemon."""
        daemon = Daemon(f"chaos{len(self.daemons)}", list(args), environment)
        self.daemons.append(daemon)
        self._start(daemon)
        return daemon

    def kill(self, key: str, number: Signals) -> bool:
        """Send a daemon a signal, unless it has ended."""
        daemon = next((each for each in self.daemons if each.key == key), None)
        with self._lock:
            if daemon is None or daemon.process is None or daemon.process.poll() is not None:
                return False
            if number == SIGTERM:
                self._ledger.write("interrupted", QUEUES)
            daemon.signals.add(number)
            daemon.process.send_signal(number)
            return True

    @property
    def failed(self) -> bool:
        """Return whether daemons end by themselves, again and again, or for ever."""
        return len(self.violations) > MOST_ENDS or any(daemon.starts > MOST_STARTS for daemon in self.daemons)

    def tend(self) -> None:
        """Start those again that have ended, and note those that should not have."""
        for daemon in self.daemons:
            with self._lock:
                code = daemon.process.poll() if daemon.process is not None else None
                if code is None:
                    continue
                self._judge(daemon, code)
                if not self.stopping:
                    self._start(daemon)

    def stop(self) -> None:
        """Let all daemons end."""
        self.stopping = True
        for daemon in self.daemons:
            self.kill(daemon.key, SIGTERM)
        deadline = monotonic() + END_SECONDS
        for daemon in self.daemons:
            if daemon.process is None:
                continue
            while daemon.process.poll() is None and monotonic() < deadline:
                sleep(0.02)
            if daemon.process.poll() is None:
                self.violations.append(f"{daemon.key} does not end")
                daemon.process.kill()
            self._judge(daemon, daemon.process.wait())

    def destroy(self) -> None:
        """End what still runs, whatever it does."""
        self._ledger.close()
        for daemon in self.daemons:
            if daemon.process is not None and daemon.process.poll() is None:
                daemon.process.kill()
                daemon.process.wait()

    def _judge(self, daemon: Daemon, code: int) -> None:
        # a handler may have sent itself one that the fleet did not
        signalled = -code in daemon.signals or (code < 0 and self._was_told(daemon, -code))
        if code not in self.expected and not signalled:
            self.violations.append(f"{daemon.key} ended with {code}: {self._last_words(daemon)}")
        elif code in (0, 3) and not daemon.signals and not self._was_told(daemon, int(SIGTERM)):
            self.violations.append(f"{daemon.key} ended by itself, with {code}: {self._last_words(daemon)}")

    def _was_told(self, daemon: Daemon, number: int) -> bool:
        text = (self.directory / "ledger").read_text()
        return f"{Signals(number).name}:_running" in text

    def _last_words(self, daemon: Daemon) -> str:
        text = (self.directory / f"{daemon.key}.log").read_text(errors="replace")
        return " | ".join(text.splitlines()[-6:])

    def _start(self, daemon: Daemon) -> None:
        daemon.signals = set()
        daemon.starts += 1
        with (self.directory / f"{daemon.key}.log").open("ab") as log:
            daemon.process = Popen(
                [sys.executable, *self.program, *daemon.args],
                env={
                    **os.environ,
                    "CHAOS_DIRECTORY": str(self.directory),
                    "CHAOS_SLOW_SECONDS": "0",
                    "AWS_ACCESS_KEY_ID": daemon.key,
                    "AWS_SECRET_ACCESS_KEY": "chaos",
                    "AWS_DEFAULT_REGION": "us-east-1",
                    "CHAOS__LOGGING__LEVEL": "WARNING",
                    **self.environment,
                    **daemon.environment,
                },
                stdout=log,
                stderr=STDOUT,
            )


def queue_of(url: str, letter: str) -> str:
    """Return the URL of a queue at an endpoint."""
    return f"{url}/000000000000/{QUEUES[letter]}"
