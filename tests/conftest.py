"""
Engines to talk to over HTTP, each started once.
"""

import gc
from collections.abc import Iterator
from contextlib import ExitStack
from os import environ

import pytest
from hypothesis import HealthCheck, settings

from tests.engines import ENVIRONMENT, Engine, Postgres, run_ministack, start_postgres


# a machine that is busy with other things is no reason to fail
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let `-k postgres` mean all tests that ask for it, whatever their names."""
    for item in items:
        if "postgres" in getattr(item, "fixturenames", ()):
            item.extra_keyword_matches.add("postgres")


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what thousands of tests are made of: it took a quarter of their time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def environment() -> Iterator[None]:
    """No test reaches AWS, or reads what this machine knows of it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "PUBSUB_ORGANIZATION"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def ministack(environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An independent engine."""
    with run_ministack(tmp_path_factory.mktemp("ministack") / "engine.log") as url:
        yield Engine("ministack", url)


@pytest.fixture(scope="session")
def moto(environment: None) -> Iterator[Engine]:
    """Another independent engine."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Engine("moto", f"http://{host}:{port}")
    server.stop()


@pytest.fixture(params=["ministack", "moto"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each of the engines."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server that TEST_POSTGRES_URL names, or one that is started for the tests."""
    if url := environ.get("TEST_POSTGRES_URL"):
        yield Postgres(url)
        return
    with ExitStack() as stack:
        yield Postgres(start_postgres(stack))
