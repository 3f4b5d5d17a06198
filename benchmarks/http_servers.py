"""
Servers of SQS over HTTP to measure beside each other, each one process on one core.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection, socket
from subprocess import STDOUT, Popen, run
from time import monotonic, sleep


START_SECONDS = 60

#: The package of npm, and where it is kept.
FAUXQS = "fauxqs@1.9.2"
CACHE = Path(os.environ.get("PUBSUB_PEERS_CACHE", Path.home() / ".cache" / "pubsub-peers")) / "fauxqs"

SERVERS = ("pubsub-file", "pubsub-memory", "ministack", "moto", "fauxqs")

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Served:
    """A server that runs."""

    url: str
    process_id: int

    def memory_mib(self) -> float:
        """Return how much memory it has in use, by the kernel's count."""
        text = Path(f"/proc/{self.process_id}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) / 1024

    def cpu_seconds(self) -> float:
        """Return how much processor time it has used."""
        fields = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def command_of(name: str, port: int, directory: Path) -> tuple[list[str], dict[str, str]]:
    """Return the command that starts a server, and what it needs in its environment."""
    programs = Path(sys.executable).parent
    if name.startswith("pubsub"):
        url = "sqlite://" if name == "pubsub-memory" else f"sqlite:///{directory / 'pubsub.db'}"
        return [str(programs / "pubsub"), "serve", "--port", str(port), "--broker-url", url], {}
    if name == "ministack":
        return [str(programs / "ministack")], {"GATEWAY_PORT": str(port), "LOG_LEVEL": "ERROR"}
    if name == "moto":
        return [str(programs / "moto_server"), "-H", "127.0.0.1", "-p", str(port)], {}
    return ["node", str(find_fauxqs())], {"FAUXQS_PORT": str(port), "FAUXQS_LOGGER": "false", "NODE_ENV": "production"}


def find_fauxqs() -> Path:
    """
    Return the program of fauxqs, which npm installs once.

    :raises RuntimeError: if npm is not there, or does not give it
    """
    program = CACHE / "node_modules" / "fauxqs" / "dist" / "server.js"
    if not program.exists():
        if shutil.which("npm") is None:
            raise RuntimeError("fauxqs needs node and npm")
        CACHE.mkdir(parents=True, exist_ok=True)
        (CACHE / "package.json").write_text('{"private": true}')
        done = run(["npm", "install", "--no-audit", "--no-fund", FAUXQS], cwd=CACHE, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"npm does not give fauxqs: {done.stderr[-500:]}")
    return program


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def run_server(name: str, directory: Path) -> Iterator[Served]:
    """Run a server on the first core, so that what measures it has the others."""
    port = free_port()
    command, more = command_of(name, port, directory)
    cores = sorted(os.sched_getaffinity(0))
    with (directory / f"{name}.log").open("wb") as log:
        environment = {**os.environ, **more}
        process = Popen(command, stdout=log, stderr=STDOUT, cwd=directory, env=environment)
        os.sched_setaffinity(process.pid, cores[:1])
        try:
            wait_for_port(process, port, log.name)
            yield Served(f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.terminate()
            process.wait(60)


def wait_for_port(process: Popen[bytes], port: int, log: str) -> None:
    """
    Wait until a server listens.

    :raises RuntimeError: if it ends before, or takes too long
    """
    deadline = monotonic() + START_SECONDS
    while True:
        try:
            create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or monotonic() > deadline:
                raise RuntimeError(f"{process.args!r} does not listen: {Path(log).read_text()[-1000:]}") from None
            sleep(0.05)
