"""
The tables and the migrations are the same.
"""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from microcosm_pubsub.sql.upgrade import HEAD, history_of


def test_migrations_make_the_tables(app):
    app.database.upgrade()
    tables = app.database.tables
    ours = {table.name for table in tables.metadata.tables.values()}

    def is_ours(name, kind, parents):
        return kind != "table" or name in ours

    def is_our_object(item, name, kind, reflected, compared):
        return kind != "table" or name in ours

    with app.database.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_schemas": True, "include_name": is_ours, "include_object": is_our_object},
        )
        assert compare_metadata(context, tables.metadata) == []
        found = inspect(connection).get_indexes("pubsub_outbox", schema=tables.metadata.schema)
    assert {index["name"] for index in found} == {index.name for index in tables.outbox.indexes}


def test_the_newest_migration_is_the_one_that_is_asked_for(app):
    (*_, newest) = history_of(app.database.tables).list_revisions()

    assert newest.id == HEAD


def test_an_upgrade_is_done_once(app):
    for _ in range(2):
        app.database.upgrade()

    with app.database.connect() as connection:
        assert history_of(app.database.tables).find_current(connection) == (HEAD,)
