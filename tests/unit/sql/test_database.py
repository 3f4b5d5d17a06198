"""
Which database it is, and what is said when it cannot be used.
"""

from gc import collect
from sqlite3 import connect
from weakref import finalize

import pytest
from microcosm.api import binding, create_object_graph, load_from_dict
from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.orm import sessionmaker
from sqlalchemy.pool import StaticPool

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.registry import HandlerOptions
from microcosm_pubsub.sql import Base, Database, TransactionError, current_session, engine, passing
from microcosm_pubsub.sql.database import Settings
from microcosm_pubsub.sql.outbox.store import OutboxStore
from microcosm_pubsub.sql.sessionmaker import read_sessionmaker
from microcosm_pubsub.sql.url import parse_url
from tests.unit.sql.app import ORDER, Order


@pytest.mark.parametrize(
    ("text", "sync", "coroutines"),
    [
        ("sqlite:///orders.db", "sqlite:///orders.db", None),
        ("sqlite+aiosqlite:///orders.db", "sqlite:///orders.db", "sqlite+aiosqlite:///orders.db"),
        ("postgresql://u@h/d", "postgresql+psycopg://u@h/d", "postgresql+psycopg://u@h/d"),
        ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg://u:***@h/d", "postgresql+psycopg://u:***@h/d"),
    ],
)
def test_a_url_names_a_database_for_threads_and_perhaps_for_coroutines(text, sync, coroutines):
    url = parse_url(text)

    assert str(url) == sync
    assert (str(url.coroutines) if url.coroutines else None) == coroutines


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "no URL"),
        ("nonsense://x", "no URL"),
        ("sqlite://orders.db", "three slashes"),
        ("sqlite+aiosqlite://orders.db", "three slashes"),
        ("oracle://u@h/d", "must be of SQLite or PostgreSQL|needs the driver"),
    ],
)
def test_another_url_is_refused(text, said):
    with pytest.raises(ConfigurationError, match=said):
        parse_url(text)


class Clock:
    """A clock that moves when somebody waits."""

    def __init__(self):
        self.time = 0.0
        self.waits = []

    def __call__(self):
        return self.time

    def pause(self, seconds):
        self.waits.append(seconds)
        self.time += seconds


def open_database(url, **settings):
    clock = Clock()
    database = Database.open_url(parse_url(url), Settings(**settings), clock=clock, pause=clock.pause)
    return database, clock


def test_a_driver_that_is_not_installed_is_named():
    with pytest.raises(ConfigurationError, match="needs the driver pg8000: install it"):
        open_database("postgresql+pg8000://u@h/d")


def test_a_database_that_cannot_be_reached_is_waited_for():
    database, clock = open_database("postgresql+psycopg://user:secret@127.0.0.1:1/db", wait_seconds=5)

    with pytest.raises(TransactionError, match="see that it runs") as raised, database.transaction():
        pass

    assert 5 <= sum(clock.waits) < 7
    with pytest.raises(TransactionError, match="see that it runs"):
        database.check()
    assert 10 <= sum(clock.waits) < 14
    assert max(clock.waits) == 1
    assert "user:***@127.0.0.1" in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("part", ["database", "username"])
def test_what_does_not_exist_is_not_waited_for(postgres, part):
    url = make_url(postgres.create_database()).set(**{part: "nobody"})
    database, clock = open_database(url.render_as_string(False))

    with pytest.raises(TransactionError, match=r"correct pubsub_database\.url"), database.transaction():
        pass

    assert clock.waits == []


def test_a_file_that_cannot_be_opened_is_an_error():
    database, _ = open_database("sqlite:////nonexistent/orders.db")

    with pytest.raises(TransactionError, match="unable to open database file; see that its folder is there"):
        database.check()


def test_a_file_that_somebody_else_holds_is_an_error_that_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.01)
    monkeypatch.setattr(passing, "BUSY_SECONDS", 0.01)
    database, _ = open_database(f"sqlite:///{tmp_path}/orders.db", wait_seconds=0)
    database.upgrade()
    other = connect(tmp_path / "orders.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    told = rf"database is locked; another program has not ended .* \(`fuser -v {tmp_path}/orders\.db`\)"

    with pytest.raises(TransactionError, match=told), database.connect():
        pass

    other.close()
    database.close()


def test_one_that_is_not_closed_is_closed_when_it_is_no_longer_used(tmp_path):
    database, _ = open_database(f"sqlite:///{tmp_path}/orders.db")
    closed = []
    event.listen(database.engine, "close", lambda *args: closed.append(args))
    with database.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert closed == []

    del database, connection
    collect()

    assert len(closed) == 1


def test_tables_that_are_missing_are_told_with_the_command_that_makes_them(tmp_path):
    database, _ = open_database(f"sqlite:///{tmp_path}/orders.db", wait_seconds=0)

    with pytest.raises(TransactionError, match=r"no such table: pubsub_outbox\): run `pubsub db upgrade`"):
        OutboxStore(database, 60).list_rows(1)


def test_a_lost_connection_is_tried_again_at_once(app, kind):
    if kind == "sqlite":
        pytest.skip("SQLite has no connection to lose")

    def handler(content):
        session = current_session()
        session.add(Order(uri=content["uri"]))
        session.flush()
        if not lost:
            lost.append(session.scalar(text("SELECT pg_backend_pid()")))
            with app.database.connect() as connection:
                connection.execute(text(f"SELECT pg_terminate_backend({lost[0]})"))
            session.scalar(text("SELECT 1"))
        return True

    lost = []
    app.handle(handler)
    app.send("one")

    assert [(result.result.name, result.retry_timeout_seconds) for result in app.run()] == [("RETRIED", 0)]
    assert app.outcomes() == ["SUCCEEDED"]
    assert app.orders == ["one"]


def test_a_failed_serialization_is_tried_again_at_once(make_app, postgres):
    app = make_app(postgres.create_database(), pubsub_database={"isolation_level": "serializable"})

    def handler(content):
        session = current_session()
        found = len(session.query(Order).all())
        session.add(Order(uri=f"{content['uri']} of {found}"))
        if not disturbed:
            disturbed.append(True)
            with app.database.connect() as connection:
                connection.execute(text("INSERT INTO orders (uri) SELECT 'other ' || count(*) FROM orders"))
        return True

    disturbed = []
    app.handle(handler)
    app.send("one")

    (result,) = app.run()

    assert (result.result.name, result.retry_timeout_seconds) == ("RETRIED", 0)
    assert "SerializationFailure" in result.extra["reason"]
    assert app.outcomes() == ["SUCCEEDED"]
    assert app.orders == ["other 0", "one of 1"]


def test_one_thread_has_one_transaction_of_a_file(app, kind):
    if kind == "postgres":
        pytest.skip("PostgreSQL has as many as it has connections")

    with (
        pytest.raises(TransactionError, match="has a transaction"),
        app.database.transaction(),
        app.database.connect(),
    ):
        pass


# the sessions of others


class OwnSession(sessionmaker().class_):
    """A session of a user's own kind."""


def test_the_sessionmaker_of_a_graph_is_used(postgres):
    engine = create_engine(postgres.create_database())
    factory = sessionmaker(bind=engine, class_=OwnSession, expire_on_commit=False)
    graph = create_object_graph("test", testing=True, loader=load_from_dict({}), registry=make_registry(factory))
    Base.metadata.create_all(engine)

    with graph.pubsub_database.transaction() as session:
        assert isinstance(session, OwnSession)
        order = Order(uri="one")
        session.add(order)

    # since `expire_on_commit` is off
    assert order.uri == "one"
    engine.dispose()


def make_registry(factory):
    from microcosm.registry import Registry

    registry = Registry()
    binding("sessionmaker", registry=registry)(lambda graph: factory)
    return registry


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        (object(), "must be a sqlalchemy.orm.sessionmaker"),
        (sessionmaker(), "has no engine"),
        (sessionmaker(bind=create_engine("sqlite://", poolclass=StaticPool)), "of SQLite"),
    ],
)
def test_another_sessionmaker_is_refused(factory, said):
    with pytest.raises(ConfigurationError, match=said):
        read_sessionmaker(factory)


# models


def test_a_model_shows_its_columns():
    assert repr(Order(uri="one")) == "Order(uri='one')"
    assert repr(Order(id=1, uri="x" * 200)) == f"Order(id=1, uri='{'x' * 99}...)"


def test_a_model_shows_nothing_that_it_would_have_to_fetch(app):
    with app.database.transaction() as session:
        order = Order(uri="one")
        session.add(order)

    assert repr(order) == "Order()"


# options


@pytest.mark.parametrize("options", [{"transaction": "yes"}, {"once": 1}])
def test_options_are_true_or_false(options):
    with pytest.raises(ConfigurationError, match="must be true or false"):
        HandlerOptions(**options)


def test_a_handler_without_a_transaction_is_called_without_a_layer(app):
    app.handle(lambda content: True, transaction=False)

    routes = app.graph.sqs_message_dispatcher.find_routes(app.handlers)

    assert routes.find(ORDER).run is None


@pytest.mark.parametrize(("url", "is_closed"), [("sqlite://", False), ("sqlite:///{}/orders.db", True)])
def test_the_end_of_the_program_closes_no_database_in_memory_under_a_thread(tmp_path, url, is_closed):
    database = Database.open_url(parse_url(url.format(tmp_path)), Settings())

    (end,) = [each for each in finalize._registry if (alive := each.peek()) and alive[0] is database]

    assert end.atexit is is_closed
    database.close()
