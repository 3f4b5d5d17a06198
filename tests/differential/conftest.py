"""
Pairs of clients that ask the same server: boto3, and the same with a short way.
"""

from collections.abc import Iterator
from sys import modules
from types import SimpleNamespace
from typing import Any

import pytest

from microcosm_pubsub import clients
from microcosm_pubsub.fast.transport import TransportParts, make_parts
from microcosm_pubsub.fast.transport.hot_calls import HotCalls
from tests.differential.server import Server, run_server


ALL_PARTS = {
    "socket": make_parts(),
    "socket+orjson": make_parts(orjson=True),
    "crt+orjson": make_parts(crt=True, orjson=True),
}


@pytest.fixture
def server() -> Iterator[Server]:
    with run_server() as server:
        yield server


@pytest.fixture(params=list(ALL_PARTS))
def parts(request: pytest.FixtureRequest) -> TransportParts:
    return ALL_PARTS[request.param]


@pytest.fixture
def make_client():
    """Make a client."""

    def make(
        service: str, url: str | None, transport: str | TransportParts, *, mocked: bool = False, **options: Any
    ) -> Any:
        defaults = {
            "transport": transport,
            "profile_name": None,
            "region_name": "us-east-1",
            "endpoint_url": url,
            "connect_timeout": 5,
            "read_timeout": 10,
            "max_pool_connections": 10,
            "max_attempts": 3,
        }
        client = clients.make_client(service, **(defaults | options))
        if not mocked:
            forget_moto(client)
        return client

    return make


def forget_moto(client: Any) -> None:
    """Let a client be as if moto had never been imported, as it is once another test has."""
    if models := modules.get("moto.core.models"):
        client.meta.events.unregister("before-send", models.botocore_stubber)


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that botocore wants to make, in place of making them."""
    delays: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=delays.append))
    return delays


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls that were begun the short way."""
    counted: list[str] = []
    begin = HotCalls.begin

    def count(self: Any, name: str, parameters: Any) -> Any:
        flight = begin(self, name, parameters)
        if flight is not None:
            counted.append(name)
        return flight

    monkeypatch.setattr(HotCalls, "begin", count)
    return counted
