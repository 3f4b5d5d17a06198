"""
Handlers with a database, over a queue in memory: on a SQLite file, and on PostgreSQL.
"""

import pytest

from tests.unit.sql.app import App


@pytest.fixture
def make_app(make_graph, look_at):
    """Make an app of some configuration."""
    apps = []

    def make(url, **config):
        graph = make_graph(**{**config, "pubsub_database": {"url": url, **config.get("pubsub_database", {})}})
        app = App(graph, look_at(graph))
        apps.append(app)
        return app

    yield make
    for app in apps:
        app.database.close()


@pytest.fixture
def app(make_app, url):
    return make_app(url)
