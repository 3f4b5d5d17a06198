"""
Workers whose tasks are counted, in processes of their own: ours, and procrastinate's.

    python -m benchmarks.task_programs ours BROKER_URL DATABASE_URL CONCURRENCY
    python -m benchmarks.task_programs procrastinate DATABASE_URL CONCURRENCY
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from sqlalchemy.engine import make_url

from microcosm_pubsub import ConsumerDaemon, task


@task(name="ours", ledger=True)
def ours(number: int, text: str) -> int:
    return number


class OursDaemon(ConsumerDaemon):
    name = "tasks"


def make_procrastinate(url: str, is_async: bool = True) -> tuple[Any, Any]:
    """Return an app of procrastinate, and its task."""
    connector = PsycopgConnector if is_async else SyncPsycopgConnector
    app = App(connector=connector(conninfo=to_conninfo(url)))

    @app.task(name="theirs")
    def theirs(number: int, text: str) -> int:
        return number

    return app, theirs


def to_conninfo(url: str) -> str:
    """Return a URL as libpq takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


async def run_procrastinate(url: str, concurrency: int) -> None:
    """Run its worker until killed."""
    app, _ = make_procrastinate(url)
    async with app.open_async():
        await app.run_worker_async(concurrency=concurrency, install_signal_handlers=False)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["ours", broker_url, database_url, concurrency]:
            OursDaemon.defaults = {
                "logging": {"level": "WARNING"},
                "pubsub_database": {"url": database_url},
                "pubsub_worker": {"concurrency": int(concurrency)},
            }
            sys.argv[1:] = ["--broker-url", broker_url]
            OursDaemon().run()
        case ["procrastinate", database_url, concurrency]:
            asyncio.run(run_procrastinate(database_url, int(concurrency)))
