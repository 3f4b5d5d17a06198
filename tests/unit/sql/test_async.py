"""
Coroutine handlers have sessions for coroutines, if the driver is for them.
"""

from asyncio import to_thread
from contextlib import suppress

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.registry import HandlerOptions
from microcosm_pubsub.sql import TransactionError, current_session
from tests.unit.sql.app import Order


@pytest.fixture
def url(kind, url):
    return url.replace("sqlite:", "sqlite+aiosqlite:")


@pytest.fixture
def app(app):
    yield app
    app.close()


async def add(content):
    session = current_session()
    session.add(Order(uri=content["uri"]))
    await session.flush()
    if content["uri"] == "bad":
        raise ValueError("no")
    return bool(await session.scalar(select(Order.id)))


def test_a_coroutine_handler_has_a_session_for_coroutines(app):
    app.handle(add)
    app.send("bad", "one")

    assert app.outcomes() == ["FAILED", "SUCCEEDED"]
    assert app.orders == ["one"]


def test_a_coroutine_handler_that_commits_itself_is_atomic_all_the_same(app):
    async def handler(content):
        current_session().add(Order(uri=content["uri"]))
        await current_session().commit()
        if content["uri"] == "bad":
            raise ValueError("no")
        return True

    app.handle(handler)
    app.send("bad", "one")

    assert app.outcomes() == ["FAILED", "SUCCEEDED"]
    assert app.orders == ["one"]


def test_a_coroutine_handler_that_hides_an_error_which_has_undone_its_work_has_failed(app, kind):
    statement = "INSERT OR ROLLBACK INTO orders VALUES (1, NULL)" if kind == "sqlite" else "SELECT 1 / 0"

    async def handler(content, session):
        await session.execute(text("INSERT INTO orders (uri) VALUES ('lost')"))
        with suppress(DBAPIError):
            await session.execute(text(statement))
        return True

    app.handle(handler)
    app.send("one")

    (result,) = app.run()

    assert "A statement has failed" in str(result.exc_info[1])
    assert app.orders == []


def test_a_plain_handler_beside_it_has_a_plain_session(app):
    def handler(content):
        with app.database.transaction() as session:
            session.add(Order(uri=content["uri"]))
        return True

    app.handle(handler)
    app.send("one")

    assert app.outcomes() == ["SUCCEEDED"]
    assert app.orders == ["one"]


def test_its_session_is_not_for_other_threads(app):
    async def handler(content):
        session = current_session()
        await to_thread(session.sync_session.execute, select(1))

    app.handle(handler)
    app.send("one")

    (result,) = app.run()

    assert isinstance(result.exc_info[1], TransactionError)


def test_a_coroutine_handler_opens_no_block(app):
    async def handler(content):
        with app.database.transaction():
            pass

    app.handle(handler)
    app.send("one")

    (result,) = app.run()

    assert "current_session()" in str(result.exc_info[1])


def test_a_batch_of_coroutines_has_one_transaction(app):
    async def handler(contents):
        for content in contents:
            current_session().add(Order(uri=content["uri"]))
        await current_session().flush()
        return [content["uri"] != "bad" or ValueError("no") for content in contents]

    app.handle(handler, batch_size=10)
    app.send("one", "bad", "two")

    assert app.outcomes() == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert app.orders == ["one", "two"]


def test_a_driver_for_threads_alone_is_refused_at_the_start(make_app, tmp_path):
    app = make_app(f"sqlite:///{tmp_path}/threads.db")

    with pytest.raises(ConfigurationError, match=r"add: Coroutine handlers .* sqlite\+aiosqlite"):
        app.graph.pubsub_transactions.for_handler(add, HandlerOptions(transaction=True))


@pytest.mark.parametrize("rolls_back", [False, True])
def test_a_coroutine_handles_a_message_once(make_app, url, rolls_back):
    app = make_app(url, pubsub_database={"auto_upgrade": True})
    calls = []

    async def handler(content, session):
        calls.append(content["uri"])
        if rolls_back:
            session.add(Order(uri="undone"))
            await session.flush()
            await session.rollback()
        session.add(Order(uri=content["uri"]))
        return True

    app.handle(handler, once=True)
    for _ in range(2):
        app.send("one", opaque_data={"x-message-id": "the-same"})

    assert app.outcomes() == ["SUCCEEDED", "SKIPPED"]
    assert calls == app.orders == ["one"]
    app.close()
