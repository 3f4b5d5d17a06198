"""
Tasks of the ledger, over a queue in memory: on a SQLite file, and on PostgreSQL.
"""

import sys
from contextlib import ExitStack

import pytest

from microcosm_pubsub.harness import harness


@pytest.fixture(autouse=True)
def only_own_declarations(own_declarations):
    """Let a test see what it declares, and nothing that others did."""


@pytest.fixture
def make_app(url, monkeypatch):
    """Make a daemon under test, with a database."""
    monkeypatch.setattr(sys, "argv", ["test"])
    with ExitStack() as stack:

        def make(daemon_cls, **config):
            database = {"url": url, "auto_upgrade": True}
            app = stack.enter_context(harness(daemon_cls, config={"pubsub_database": database, **config}))
            stack.callback(app.graph.pubsub_database.close)
            return app

        yield make
