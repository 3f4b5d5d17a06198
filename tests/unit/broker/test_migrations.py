"""
The tables: created, upgraded, and refused if they are newer than the package.
"""

from concurrent.futures import ThreadPoolExecutor
from gc import collect
from threading import Barrier

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from microcosm_pubsub.broker.schema import metadata
from microcosm_pubsub.broker.store import Store
from microcosm_pubsub.broker.upgrade import HEAD, MIGRATIONS, VERSION_TABLE, find_version
from microcosm_pubsub.errors import ConfigurationError


def test_migrations_make_the_declared_tables(url):
    store = Store(url)
    options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
    with store.begin() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
        tables = set(inspect(connection).get_table_names())
    store.close()
    assert tables == {*metadata.tables, VERSION_TABLE}


def test_newest_migration_is_the_head():
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == HEAD


def test_opened_again(url):
    Store(url).close()
    store = Store(url)
    assert find_version(store.engine) == HEAD
    store.close()


def test_newer_schema(url):
    store = Store(url)
    with store.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    store.close()
    with pytest.raises(ConfigurationError, match=f"version 9999.* only up to {HEAD}.*upgrade microcosm_pubsub"):
        Store(url)
    # no connection is left, which pytest would notice here
    collect()


def test_threads_create_at_once(url):
    barrier = Barrier(4)

    def create(_):
        barrier.wait()
        store = Store(url)
        version = find_version(store.engine)
        store.close()
        return version

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(create, range(4))) == [HEAD] * 4


def test_processes_create_at_once(url, start_worker):
    workers = [start_worker("open_broker", url) for _ in range(3)]
    assert [worker.communicate()[0] for worker in workers] == ["opened\n"] * 3
    assert [worker.returncode for worker in workers] == [0] * 3


def test_interrupted_creation_leaves_nothing(file_url, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("interrupted")

    monkeypatch.setattr("alembic.op.create_index", fail)
    with pytest.raises(RuntimeError, match="interrupted"):
        Store(file_url)
    monkeypatch.undo()
    engine = create_engine(file_url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()
    Store(file_url).close()
