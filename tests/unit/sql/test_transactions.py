"""
What is acked is committed; what stays, or was raised, is undone.
"""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, PendingRollbackError
from sqlalchemy.orm import Session

from microcosm_pubsub.errors import ConfigurationError, DeadLetter, IgnoreMessage, LeaseLost, Nack, SkipMessage
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.registry import HandlerOptions
from microcosm_pubsub.sql import TransactionError, current_session
from microcosm_pubsub.sql.layer import try_again
from tests.unit.sql.app import ORDER, Order


def add(content):
    current_session().add(Order(uri=content["uri"]))


def add_and(what):
    """A handler that adds an order, flushes it, and does something else."""

    def handler(content):
        add(content)
        current_session().flush()
        return what()

    return handler


def raising(error):
    def call():
        raise error

    return call


@pytest.mark.parametrize(
    ("what", "outcome", "kept", "left"),
    [
        (lambda: True, "SUCCEEDED", ["one"], 0),
        (lambda: False, "SKIPPED", ["one"], 0),
        (raising(SkipMessage("no")), "SKIPPED", [], 0),
        (raising(IgnoreMessage("no")), "IGNORED", [], 0),
        (raising(Nack(0)), "RETRIED", [], 1),
        (raising(DeadLetter("no")), "FAILED", [], 1),
        (raising(ValueError("no")), "FAILED", [], 1),
        (raising(SystemExit(1)), "FAILED", [], 1),
    ],
)
def test_what_a_handler_returns_is_committed_and_what_it_raises_undone(app, what, outcome, kept, left):
    app.handle(add_and(what))
    app.send("one")

    assert app.outcomes() == [outcome]
    assert app.orders == kept
    assert len(app.queue.bodies) == left


def test_a_handler_without_the_option_has_none(app):
    def handler(content):
        current_session()

    app.handle(handler, transaction=False)
    app.send("one")

    (result,) = app.run()

    assert isinstance(result.exc_info[1], TransactionError)
    assert "transaction=True" in str(result.exc_info[1])


def test_a_daemon_gives_every_handler_one(make_app, url):
    app = make_app(url, pubsub_transactions={"always": True})
    app.handle(add_and(lambda: True), transaction=False)
    app.send("one")

    assert app.outcomes() == ["SUCCEEDED"]
    assert app.orders == ["one"]


def test_a_commit_that_fails_is_a_failed_run(app):
    def handler(content):
        add(content)
        return True

    app.handle(handler)
    app.send("one", "one")

    results = app.run()

    assert [result.result.name for result in results] == ["SUCCEEDED", "FAILED"]
    assert isinstance(results[1].exc_info[1], IntegrityError)
    assert app.orders == ["one"]
    assert len(app.queue.bodies) == 1


# what a handler does to its session itself


def end_itself(call):
    def handler(content):
        add(content)
        call(current_session())
        if content["uri"] == "bad":
            raise ValueError("after it ended its session itself")
        return True

    return handler


@pytest.mark.parametrize(
    ("call", "kept"),
    [
        (lambda session: session.commit(), ["good"]),
        (lambda session: session.rollback(), []),
        (lambda session: (session.flush(), session.commit(), session.close()), ["good"]),
    ],
)
def test_a_handler_that_ends_its_session_itself_is_atomic_all_the_same(app, call, kept):
    app.handle(end_itself(call))
    app.send("bad", "good")

    assert app.outcomes() == ["FAILED", "SUCCEEDED"]
    assert app.orders == kept


def test_a_handler_may_get_or_create(app):
    def handler(content):
        session = current_session()
        session.add(Order(uri="first"))
        session.flush()
        with suppress(IntegrityError), session.begin_nested():
            session.add(Order(uri="first"))
        try:
            session.commit()
            session.add(Order(uri="first"))
            session.commit()
        except IntegrityError:
            session.rollback()
        add(content)
        return True

    app.handle(handler)
    app.send("one")

    assert app.outcomes() == ["SUCCEEDED"]
    assert app.orders == ["first", "one"]


def test_what_a_handler_commits_is_not_undone_by_a_later_rollback(app):
    def handler(content):
        session = current_session()
        for number in range(3):
            session.add(Order(uri=f"kept {number}"))
            session.commit()
            session.add(Order(uri=f"undone {number}"))
            session.flush()
            session.rollback()
        with session.begin():
            session.add(Order(uri="kept 3"))
        session.add(Order(uri="undone 3"))
        session.flush()
        session.rollback()
        return True

    app.handle(handler)
    app.send("one")

    assert app.outcomes() == ["SUCCEEDED"]
    assert app.orders == [f"kept {number}" for number in range(4)]


def test_what_a_block_of_its_session_commits_is_not_undone_either(app):
    def handler(content):
        session = current_session()
        with session.begin():
            session.add(Order(uri="kept"))
        with suppress(ValueError), session.begin():
            session.add(Order(uri="undone"))
            session.flush()
            raise ValueError
        session.add(Order(uri="kept, too"))
        return True

    app.handle(handler)
    app.send("one")

    assert app.outcomes() == ["SUCCEEDED"]
    assert app.orders == ["kept", "kept, too"]


def test_after_a_rollback_nothing_is_final_either(app):
    def handler(content):
        session = current_session()
        session.add(Order(uri="undone"))
        session.flush()
        session.rollback()
        session.add(Order(uri=content["uri"]))
        session.commit()
        if content["uri"] == "bad":
            raise ValueError
        return True

    app.handle(handler)
    app.send("bad", "good")

    assert app.outcomes() == ["FAILED", "SUCCEEDED"]
    assert app.orders == ["good"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda session: (session.flush(), session.close()), "closed before"),
        (lambda session: (session.flush(), session.reset()), "closed before"),
        (lambda session: (session.flush(), session.connection().commit()), "ended on its connection"),
        (lambda session: (session.flush(), session.connection().rollback()), "ended on its connection"),
        (lambda session: (session.flush(), session.invalidate()), "closed before"),
    ],
)
def test_a_handler_that_ends_the_transaction_is_told_so(app, call, said):
    def handler(content):
        add(content)
        if content["uri"] == "bad":
            call(current_session())
        return True

    app.handle(handler)
    app.send("bad", "good")

    results = app.run()

    assert [result.result.name for result in results] == ["FAILED", "SUCCEEDED"]
    assert said in str(results[0].exc_info[1])
    assert app.orders[-1] == "good"
    assert len(app.queue.bodies) == 1


def test_a_handler_that_swallows_an_error_of_the_database_has_failed(app):
    def handler(content):
        session = current_session()
        session.add_all([Order(uri="same"), Order(uri="same")])
        with suppress(IntegrityError):
            session.flush()
        return True

    app.handle(handler)
    app.send("one")

    (result,) = app.run()

    assert isinstance(result.exc_info[1], PendingRollbackError)
    assert app.orders == []


def fail_and_go_on(kind, session):
    """Hide an error at which the database undoes the transaction: any on PostgreSQL, and some on SQLite."""
    statement = "INSERT OR ROLLBACK INTO orders VALUES (1, NULL)" if kind == "sqlite" else "SELECT 1 / 0"
    with suppress(DBAPIError):
        session.execute(text(statement))


def test_a_handler_that_hides_an_error_which_has_undone_its_work_has_failed(make_app, url, kind):
    app = make_app(url, pubsub_database={"auto_upgrade": True})

    def handler(content, session):
        session.execute(text("INSERT INTO orders (uri) VALUES ('lost')"))
        fail_and_go_on(kind, session)
        return True

    app.handle(handler, once=True)
    app.send("one")

    (result,) = app.run()

    assert result.result.name == "FAILED"
    assert "A statement has failed" in str(result.exc_info[1])
    assert app.orders == []
    assert len(app.queue.bodies) == 1


def test_a_block_that_hides_such_an_error_says_so(app, kind):
    def write():
        with app.database.transaction() as session:
            session.execute(text("INSERT INTO orders (uri) VALUES ('lost')"))
            fail_and_go_on(kind, session)

    with pytest.raises(TransactionError, match="A statement has failed"):
        write()

    assert app.orders == []


def test_an_error_behind_a_savepoint_leaves_what_was_before_it(app):
    def handler(content, session):
        session.execute(text("INSERT INTO orders (uri) VALUES ('kept')"))
        with suppress(DBAPIError), session.begin_nested():
            session.execute(text("INSERT INTO orders (uri) VALUES (NULL)"))
        return True

    app.handle(handler)
    app.send("one")

    assert app.outcomes() == ["SUCCEEDED"]
    assert app.orders == ["kept"]


def test_a_session_is_of_no_use_after_its_handler(app):
    kept = []

    def handler(content):
        kept.append(current_session())
        return True

    app.handle(handler)
    app.send("one")
    app.run()
    (session,) = kept

    for call in (
        lambda: session.add(Order(uri="late")),
        lambda: session.execute(text("SELECT 1")),
        lambda: session.get(Order, 1),
        session.flush,
        session.commit,
    ):
        with pytest.raises(TransactionError, match="after its transaction had ended"):
            call()
    with pytest.raises(TransactionError, match="no session here"):
        current_session()


def test_a_session_is_for_one_thread(app):
    def handler(content):
        session = current_session()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(session.execute, text("SELECT 1")).result()

    app.handle(handler)
    app.send("one")

    (result,) = app.run()

    assert "by another thread" in str(result.exc_info[1])


# arguments


def take_session(content, session):
    session.add(Order(uri=content["uri"]))
    return session is current_session()


def take_dbsession(content, dbsession):
    return take_session(content, dbsession)


def take_typed(content, database: Session):
    return take_session(content, database)


@pytest.mark.parametrize("handler", [take_session, take_dbsession, take_typed])
def test_a_handler_may_ask_for_its_session(app, handler):
    app.handle(handler)
    app.send("one")

    assert app.outcomes() == ["SUCCEEDED"]
    assert app.orders == ["one"]


def test_a_batch_handler_may_ask_for_its_session(app):
    def handler(contents, session):
        for content in contents:
            take_session(content, session)
        return True

    app.handle(handler, batch_size=10)
    app.send("one", "two")

    assert app.outcomes() == ["SUCCEEDED"] * 2
    assert app.orders == ["one", "two"]


# time


def test_a_lease_that_is_lost_undoes_what_was_done(app):
    def handler(content):
        add(content)
        message.lease.lose("the test says so")
        return True

    app.handle(handler)
    dispatcher = app.graph.sqs_message_dispatcher
    message = SQSMessage(None, {"uri": "one"}, "created.order", "id", "receipt")
    message.media_type = next(iter(app.handlers))

    result = dispatcher.run(message, app.handlers)

    assert isinstance(result.exc_info[1], LeaseLost)
    assert app.orders == []


# batches


def store(contents):
    for content in contents:
        add(content)
    current_session().flush()


def test_a_batch_has_one_transaction(app):
    sessions = []

    def handler(contents):
        sessions.append(current_session())
        store(contents)
        return True

    app.handle(handler, batch_size=10)
    app.send("one", "two", "three")

    assert app.outcomes() == ["SUCCEEDED"] * 3
    assert len(sessions) == 1
    assert app.orders == ["one", "two", "three"]


def test_a_batch_that_fails_is_undone(app):
    def handler(contents):
        store(contents)
        raise ValueError

    app.handle(handler, batch_size=10)
    app.send("one", "two")

    assert app.outcomes() == ["FAILED"] * 2
    assert app.orders == []


def test_a_batch_of_which_some_stay_is_handled_one_by_one(app):
    calls = []

    def handler(contents):
        calls.append([content["uri"] for content in contents])
        store(contents)
        return [Nack(5) if content["uri"] == "bad" else True for content in contents]

    app.handle(handler, batch_size=10)
    app.send("one", "bad", "two")

    assert app.outcomes() == ["SUCCEEDED", "RETRIED", "SUCCEEDED"]
    assert calls == [["one", "bad", "two"], ["one"], ["bad"], ["two"]]
    assert app.orders == ["one", "two"]


def test_what_nobody_could_read_leaves_its_batch_alone(app):
    calls = []

    def handler(contents):
        calls.append(len(contents))
        store(contents)
        return True

    app.handle(handler, batch_size=10)
    app.send("one")
    app.queue.send({"mediaType": "created.order", "uri": 3})
    app.send("two")
    app.run()

    assert app.orders == ["one", "two"]
    assert sum(calls) == 2


# blocks


def test_a_block_is_committed_at_its_clean_end(app):
    with app.database.transaction() as session:
        session.add(Order(uri="one"))
        assert current_session() is session
    with suppress(ValueError), app.database.transaction() as session:
        session.add(Order(uri="two"))
        raise ValueError

    assert app.orders == ["one"]


def test_a_block_within_a_transaction_is_part_of_it(app):
    with app.database.transaction() as outer:
        outer.add(Order(uri="one"))
        with app.database.transaction() as inner:
            assert inner is outer
            inner.add(Order(uri="two"))
        with suppress(ValueError), app.database.transaction() as inner:
            inner.add(Order(uri="three"))
            raise ValueError

    assert app.orders == ["one", "two"]


# start-up


def test_no_database_is_refused_at_the_start(make_graph):
    graph = make_graph()
    graph.use("sqs_message_dispatcher", "pubsub_transactions")

    assert graph.pubsub_database is None
    with pytest.raises(ConfigurationError, match=r"pubsub_database\.url"):
        graph.pubsub_transactions.for_handler(add, HandlerOptions(transaction=True))
    assert graph.pubsub_transactions.for_handler(add, HandlerOptions()) is None


def test_a_handler_that_asks_for_a_session_is_told_of_the_missing_database_first(make_graph):
    graph = make_graph()
    graph.sqs_message_handler_registry.register(ORDER, take_session, HandlerOptions(transaction=True))

    with pytest.raises(ConfigurationError, match="take_session is to run in a transaction, but there is no database"):
        graph.sqs_message_dispatcher.find_routes({ORDER: take_session})


def test_a_handler_that_asks_for_a_session_and_has_no_transaction_is_refused_at_the_start(app):
    def store(message, session):
        raise AssertionError("is not called")

    app.handle(store, transaction=False)

    with pytest.raises(
        ConfigurationError, match=r"store asks for `session`: it has no transaction; add transaction=True"
    ):
        app.graph.sqs_message_dispatcher.find_routes(app.handlers)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OperationalError("UPDATE parcel SET name=?", ["a secret"], sqlite3.OperationalError("database is locked")),
            "OperationalError: database is locked",
        ),
        (ValueError("no more bolts"), "ValueError: no more bolts"),
    ],
)
def test_what_the_database_says_is_told_without_the_statement_and_its_values(error, said):
    assert try_again(error).reason == f"The database asks to try again: {said}"
