"""
Run a server: in this thread until it is told to stop, or beside the program that uses it.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.server.settings import Settings


if TYPE_CHECKING:
    from microcosm_pubsub.broker.broker import Broker
    from microcosm_pubsub.server.server import Server


#: A thread that has not said within this many seconds that it listens never will.
START_SECONDS = 30.0


def make_server(broker: Broker, settings: Settings, **options: Any) -> Server:
    """
    Return a server of a broker.

    :param options: of `Server`
    :raises ConfigurationError: if what it needs is not installed, or it would let strangers in
    """
    settings.check()
    try:
        from microcosm_pubsub.server.server import Server
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"The server needs {error.name}: pip install 'microcosm_pubsub[server]'") from error
    return Server(broker, settings, **options)


@contextmanager
def serve(broker_url: str = "sqlite://", host: str = "127.0.0.1", port: int = 0, **options: Any) -> Iterator[str]:
    """
    Serve SNS and SQS on a broker in a thread, and give the endpoint's URL, for the length of a block.

    :param broker_url: of its database; in memory by default
    :param port: where to listen; a free one by default
    :param options: of `Settings`
    :raises ConfigurationError: if the server cannot be started
    """
    from microcosm_pubsub.broker.factory import open_broker

    clients = open_broker(broker_url)
    try:
        with serve_broker(clients.broker, Settings(host=host, port=port, **options)) as url:
            yield url
    finally:
        clients.close()


@contextmanager
def serve_broker(broker: Broker, settings: Settings) -> Iterator[str]:
    """Serve a broker in a thread, and give the endpoint's URL; see `serve`."""
    started = Event()
    failed: list[BaseException] = []
    loops: list[AbstractEventLoop] = []

    def tell(loop: AbstractEventLoop) -> None:
        loops.append(loop)
        started.set()

    server = make_server(broker, settings, on_start=tell)

    def run() -> None:
        try:
            server.run()
        except BaseException as error:
            failed.append(error)
        finally:
            started.set()

    thread = Thread(target=run, name="pubsub-server", daemon=True)
    thread.start()
    started.wait(START_SECONDS)
    try:
        if not loops:
            raise ConfigurationError(f"The server did not start: {failed[0] if failed else 'it took too long'}")
        yield server.url
    finally:
        server.stop()
        thread.join(START_SECONDS)
