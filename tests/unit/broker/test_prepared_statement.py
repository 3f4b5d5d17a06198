"""
Statements that are compiled once.
"""

import pytest
from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError

from microcosm_pubsub.broker.prepared_statement import PreparedStatement
from microcosm_pubsub.broker.schema import topics


INSERT = PreparedStatement(
    insert(topics).values({name: bindparam(name) for name in ("name", "fifo", "attributes", "tags")})
)

SELECT = PreparedStatement(select(topics.c.id.label("row_id"), topics.c.name, topics.c.fifo).order_by(topics.c.id))

RENAME = PreparedStatement(
    topics.update().where(topics.c.name == bindparam("old")).values(name=bindparam("new")).returning(topics.c.name)
)

DELETE = PreparedStatement(delete(topics).where(topics.c.name == bindparam("old")))


def topic(name):
    return {"name": name, "fifo": False, "attributes": "{}", "tags": "{}"}


def test_rows_have_names(any_url, make_broker):
    store = make_broker(any_url).store
    with store.begin() as connection:
        assert SELECT.execute(connection, {}) == []
        INSERT.execute(connection, topic("a"))
        INSERT.execute(connection, [topic("b"), topic("c")])
    with store.begin() as connection:
        assert [row.name for row in RENAME.execute(connection, {"old": "c", "new": "d"})] == ["d"]
        assert DELETE.execute(connection, [{"old": "a"}]) == []
        rows = SELECT.execute(connection, {})
    assert [(row.row_id, row.name, bool(row.fifo)) for row in rows] == [(2, "b", False), (3, "d", False)]


def test_what_the_database_refuses_is_refused_in_one_way(any_url, make_broker):
    store = make_broker(any_url).store
    with store.begin() as connection:
        INSERT.execute(connection, topic("a"))
    for more in (topic("a"), [topic("b"), topic("a")]):
        with store.begin() as connection, pytest.raises(IntegrityError):
            INSERT.execute(connection, more)
