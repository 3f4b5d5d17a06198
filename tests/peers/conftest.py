"""The server that the clients of others call."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM
from subprocess import PIPE, Popen

import pytest

from tests.peers.environments import Peer


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    """A server on an empty file, which asks for the signatures of the peers' key."""
    command = [Path(sys.executable).with_name("pubsub"), "serve", "--port", "0"]
    command += ["--broker-url", f"sqlite:///{tmp_path / 'pubsub.db'}"]
    command += ["--access-key", "peer-key", "--secret-key", "peer-secret"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PUBSUB_"))}
    with Popen(command, stdout=PIPE, text=True, env=environment) as server:
        try:
            line = server.stdout.readline()
            yield Peer(line.split()[-1], tmp_path)
        finally:
            server.send_signal(SIGTERM)
            server.stdout.read()
            assert server.wait(20) == 0
