"""
A PostgreSQL server that can be stopped, and started again with what it had.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from pwd import getpwnam
from signal import SIGINT, SIGQUIT, Signals
from subprocess import DEVNULL, Popen
from time import sleep
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from tests.engines import start_postgres


#: How a server is told to end: let transactions go; or as if the power were lost.
#: https://www.postgresql.org/docs/current/server-shutdown.html
SHUTDOWNS: dict[str, Signals] = {"fast": SIGINT, "immediate": SIGQUIT}


class PostgresServer:
    """
    Run a server.

    :param stack: ends it
    """

    def __init__(self, stack: ExitStack) -> None:
        self.url = start_postgres(stack)
        self._conninfo = make_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(self._conninfo) as connection:
            (directory,) = connection.execute("SHOW data_directory").fetchone() or ("",)
        self._pid_file = Path(directory) / "postmaster.pid"
        self._command = Path(f"/proc/{self._pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        self._process: Popen[bytes] | None = None
        stack.callback(self._end)

    @property
    def _pid(self) -> int:
        return int(self._pid_file.read_text().split()[0])

    def stop(self, how: str) -> None:
        """Stop the server: "fast" or "immediate"."""
        pid = self._pid
        os.kill(pid, SHUTDOWNS[how])
        while is_running(pid):
            sleep(0.02)
        if self._process is not None:
            self._process.wait()

    def start(self) -> None:
        """Start it again, and wait until it answers."""
        options: dict[str, Any] = {"cwd": "/", "stdin": DEVNULL, "stdout": DEVNULL, "stderr": DEVNULL}
        if os.geteuid() == 0:
            nobody = getpwnam("nobody")
            options |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._process = Popen(self._command, **options)
        while True:
            try:
                psycopg.connect(self._conninfo).close()
            except psycopg.OperationalError:
                sleep(0.05)
            else:
                return

    def _end(self) -> None:
        if self._process is not None:
            self._process.send_signal(SIGINT)
            self._process.wait()


def is_running(pid: int) -> bool:
    """Return whether a process runs; one that has ended and that nobody has waited for does not."""
    try:
        # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
