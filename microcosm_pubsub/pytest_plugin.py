"""
Fixtures for users' tests with pytest, which finds them by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest


if TYPE_CHECKING:
    from microcosm_pubsub.daemon import ConsumerDaemon
    from microcosm_pubsub.harness import Harness


class HarnessMaker:
    """
    Make daemons under test, and remember them.

    :param stack: ends them
    """

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.made: list[Harness] = []

    def __call__(self, daemon_cls: type[ConsumerDaemon], **options: Any) -> Harness:
        """Make a daemon under test; the arguments are those of `microcosm_pubsub.harness.harness`."""
        # It is imported when it is used, so that tests of other things do not wait for it.
        from microcosm_pubsub.harness import harness

        app = self.stack.enter_context(harness(daemon_cls, **options))
        self.made.append(app)
        return app


@pytest.fixture
def pubsub_harness() -> Iterator[HarnessMaker]:
    """
    Give a function that makes a daemon under test, which is ended after it: `app = pubsub_harness(OrdersDaemon)`.

    If the test fails, its report says what was handled, published, left in the queues, and logged.
    """
    with ExitStack() as stack:
        yield HarnessMaker(stack)


@pytest.fixture
def pubsub_server() -> Iterator[str]:
    """
    Give the URL of an SNS and SQS endpoint with an empty broker, which is ended after the test.

    Credentials and a region, which AWS's clients insist on, may be any. It needs the extra `server`.
    """
    from microcosm_pubsub.server import serve

    with serve() as url:
        yield url


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Add the state of its harnesses to the report of a failed test."""
    report = yield
    maker = getattr(item, "funcargs", {}).get("pubsub_harness")
    if report.when == "call" and report.failed and isinstance(maker, HarnessMaker):
        for app in maker.made:
            report.sections.append((f"Harness of {app.daemon.name}", app.describe()))
    return report
