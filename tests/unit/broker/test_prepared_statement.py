"""
Statements that are compiled once.
"""

import pytest
from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError

from microcosm_pubsub.broker.groups import KEEP
from microcosm_pubsub.broker.prepared_statement import PreparedStatement
from microcosm_pubsub.broker.schema import groups, queues, topics


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


def test_more_rows_than_one_statement_takes_are_all_inserted(any_url, make_broker):
    store = make_broker(any_url).store
    with store.begin() as connection:
        INSERT.execute(connection, [topic(f"t{number}") for number in range(25)])
        assert [row.name for row in SELECT.execute(connection, {})] == [f"t{number}" for number in range(25)]
        (queue_id,) = connection.execute(
            insert(queues).values(name="q", fifo=True, attributes="{}", tags="{}", created_at=0, modified_at=0)
        ).inserted_primary_key
        # what stands behind the values stays behind them
        for until in (1, 2):
            keys = [{"queue_row": queue_id, "group": f"g{number}", "until": until} for number in range(25)]
            assert KEEP.execute(connection, keys) == []
        rows = connection.execute(select(groups.c.group_id, groups.c.available_at)).all()
    assert sorted(rows) == sorted((f"g{number}", 1) for number in range(25))


def test_what_the_database_refuses_is_refused_in_one_way(any_url, make_broker):
    store = make_broker(any_url).store
    with store.begin() as connection:
        INSERT.execute(connection, topic("a"))
    for more in (topic("a"), [topic("b"), topic("a")]):
        with store.begin() as connection, pytest.raises(IntegrityError):
            INSERT.execute(connection, more)
