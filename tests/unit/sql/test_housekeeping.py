"""
What a daemon with a database does beside its worker.
"""

import pytest
from sqlalchemy import text

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.sql import TransactionError
from microcosm_pubsub.sql.background import RepeatingThread
from microcosm_pubsub.sql.upgrade import VERSION_TABLE
from tests.waiting import wait_until


def test_missing_tables_keep_a_daemon_from_starting(app):
    (service,) = app.graph.pubsub_services

    with pytest.raises(ConfigurationError, match="run `pubsub db upgrade`"):
        service.start()


def test_with_tables_it_starts_and_stops(app):
    app.database.upgrade()
    (service,) = app.graph.pubsub_services

    service.start()
    assert all(work.is_running for work in service.works)
    assert list(service.problems()) == []
    service.stop()
    assert not any(work.is_running for work in service.works)


def test_tables_are_upgraded_where_that_is_wanted(make_app, url):
    make_app(url, pubsub_database={"auto_upgrade": True}).database.check()
    make_app(url).database.check()


def set_version(app, version):
    schema = app.database.tables.metadata.schema
    name = VERSION_TABLE if schema is None else f"{schema}.{VERSION_TABLE}"
    with app.database.connect() as connection:
        connection.execute(text(f"UPDATE {name} SET version_num = :version"), {"version": version})


def test_newer_tables_are_refused(make_app, url):
    app = make_app(url)
    app.database.upgrade()
    set_version(app, "9999")

    for call in (app.database.check, app.database.upgrade):
        with pytest.raises(ConfigurationError, match="upgrade microcosm_pubsub"):
            call()


def test_a_database_that_nobody_asks_for_is_not_looked_at(make_graph):
    assert make_graph().pubsub_services == ()


def test_a_database_that_cannot_be_used_keeps_a_daemon_from_starting(make_graph):
    graph = make_graph(pubsub_database={"url": "postgresql+psycopg://nobody@127.0.0.1:1/none", "wait_seconds": 0})
    (service,) = graph.pubsub_services

    with pytest.raises(TransactionError, match="Cannot use the database"):
        service.start()


def test_work_that_fails_is_tried_again(caplog):
    def step():
        steps.append(1)
        if len(steps) == 1:
            raise ValueError("no")
        return 3600

    steps = []
    work = RepeatingThread("work", step)
    work.start()
    wait_until(lambda: work.problem)
    assert "ValueError: no" in work.problem
    work.wake()
    wait_until(lambda: len(steps) == 2 and work.problem is None)
    wait_until(lambda: "goes on again after 1 failed attempts" in caplog.text)
    work.stop()
