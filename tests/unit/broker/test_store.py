"""
What goes wrong with databases.
"""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from socket import socket
from threading import Thread

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import create_engine, make_url

from microcosm_pubsub.broker import sqlite
from microcosm_pubsub.broker import store as store_module
from microcosm_pubsub.broker.store import Store, StoreError
from microcosm_pubsub.errors import ConfigurationError


@pytest.fixture
def closed_port():
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]


def test_server_that_does_not_answer(closed_port):
    with pytest.raises(ConfigurationError) as caught:
        Store(f"postgresql+psycopg://user:sesame@127.0.0.1:{closed_port}/pubsub")
    assert f"postgresql+psycopg://user:***@127.0.0.1:{closed_port}/pubsub" in str(caught.value)
    assert str(caught.value).endswith("; see that PostgreSQL runs there")
    assert "sesame" not in str(caught.value)


def test_database_that_is_not_there(postgres):
    url = postgres.create_database() + "_missing"
    with pytest.raises(ConfigurationError, match=r'_missing" does not exist; create it, or correct the URL'):
        Store(url)


def test_tables_that_were_dropped(postgres, make_queue):
    queue = make_queue(postgres.create_database())
    with queue.broker.store.begin() as connection:
        connection.exec_driver_sql("DROP TABLE pubsub_messages")
    with pytest.raises(ClientError, match=r'"pubsub_messages" does not exist; .* restart whatever has it open'):
        queue.send("a")


def test_folder_that_is_not_there(tmp_path):
    path = tmp_path / "missing" / "pubsub.db"
    with pytest.raises(ConfigurationError) as caught:
        Store(f"sqlite:///{path}")
    assert str(path) in str(caught.value)


def test_file_that_is_no_database(tmp_path):
    path = tmp_path / "pubsub.db"
    path.write_text("no database, but a text that is long enough to be looked at\n" * 100)
    with pytest.raises(ConfigurationError) as caught:
        Store(f"sqlite:///{path}")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["", "pubsub.db", "mysql://localhost/pubsub", "postgresql+asyncpg://localhost/a", "sqlite+aiosqlite:///a", "a://b"],
)
def test_url_of_something_else(url):
    with pytest.raises(ConfigurationError, match=r"sqlite:///pubsub\.db"):
        Store(url)


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite:///?timeout=5"])
def test_a_url_that_names_no_file_is_refused(url):
    with pytest.raises(ConfigurationError, match=r"names no file; it must be like sqlite:///pubsub\.db"):
        Store(url)


@pytest.mark.parametrize("url", ["sqlite://pubsub.db", "sqlite://user:sesame@/pubsub.db", "sqlite://h:1/pubsub.db"])
def test_a_url_of_a_file_with_two_slashes_is_refused(url):
    with pytest.raises(ConfigurationError, match=r"three slashes.*sqlite:///pubsub\.db") as caught:
        Store(url)
    assert "sesame" not in str(caught.value)


def test_url_of_something_else_keeps_its_password():
    with pytest.raises(ConfigurationError) as caught:
        Store("mysql://user:sesame@localhost/pubsub")
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(("setting", "value"), [("NORMAL", 1), ("FULL", 2)])
def test_synchronous(file_url, setting, value):
    store = Store(file_url, setting)
    with store.begin() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == value
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    store.close()


def test_a_file_that_was_closed_is_opened_again(file_url):
    store = Store(file_url)
    with store.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE kept (number INTEGER)")
    store.close()
    with store.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM kept").scalar() == 0
    store.close()


def test_close_waits_for_what_is_under_way(file_url):
    store = Store(file_url)
    closing = Thread(target=store.close)
    with store.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE kept (number INTEGER)")
        closing.start()
        connection.exec_driver_sql("INSERT INTO kept VALUES (1)")
    closing.join(15)
    with store.begin() as connection:
        assert connection.exec_driver_sql("SELECT number FROM kept").scalar() == 1
    store.close()


def test_deletes_put_the_log_back_and_others_when_there_are_none(file_url, make_queue, monkeypatch):
    monkeypatch.setattr(store_module, "CHECKPOINT_TRANSACTIONS", 10)
    monkeypatch.setattr(store_module, "MAX_CHECKPOINT_TRANSACTIONS", 20)
    queue = make_queue(file_url)
    store = queue.broker.store
    store._checkpoint()
    statements = []
    driver = store._connection.connection.driver_connection
    driver.set_trace_callback(lambda said: statements.append(said) if "wal_checkpoint" in said else None)
    queue.send(*"abcdefghij")
    (message, *_) = queue.receive()
    assert store._transactions > 10
    assert statements == []
    queue.delete(message)
    assert len(statements) == 1
    sent = 0
    while len(statements) < 2:
        queue.send("b")
        sent += 1
    assert 10 < sent <= 20


def limit_pages(queue, more):
    with queue.broker.store.begin() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar() + more
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")


def test_full_disk(file_url, make_queue):
    queue = make_queue(file_url)
    limit_pages(queue, 20)
    sent = []

    def send_for_ever():
        while True:
            sent.extend(queue.send("a" * 3000))

    with pytest.raises(ClientError) as caught:
        send_for_ever()
    assert sent
    assert caught.value.response["Error"]["Code"] == "StorageFull"
    assert "full" in caught.value.response["Error"]["Message"]
    # no part of a batch either
    with pytest.raises(ClientError):
        queue.send_all(["b" * 3000] * 10)
    limit_pages(queue, 1000)
    assert {message["MessageId"] for message in queue.drain()} == set(sent)
    assert len(queue.send("c")) == 1


@pytest.fixture
def lock(file_url):
    """Another process's transaction, as far as the database can tell."""

    def take():
        connection.execute("BEGIN IMMEDIATE")
        return connection

    connection = sqlite3.connect(file_url.removeprefix("sqlite:///"), isolation_level=None)
    yield take
    connection.close()


def test_locked_database_is_waited_for(file_url, make_queue, lock, monkeypatch):
    queue = make_queue(file_url)
    transaction = lock()
    waits = []

    def wait(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            transaction.execute("COMMIT")

    monkeypatch.setattr(sqlite, "sleep", wait)
    queue.send("a")
    assert len(waits) == 3
    assert [message["Body"] for message in queue.drain()] == ["a"]


def test_locked_database_is_not_waited_for_for_ever(file_url, make_queue, lock, monkeypatch):
    queue = make_queue(file_url)
    transaction = lock()
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_SECONDS", -1)
    with pytest.raises(ClientError) as caught:
        queue.send("a")
    assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"
    path = file_url.removeprefix("sqlite:///")
    assert (
        f"{file_url} failed: database is locked; another program has not ended its transaction for -1 s; see "
        f"which have it open (`fuser -v {path}`), and end the one that hangs"
    ) in str(caught.value)
    transaction.execute("ROLLBACK")
    assert queue.drain() == []


def test_a_locked_database_is_told_at_the_start_too(file_url, make_queue, lock, monkeypatch):
    make_queue(file_url)
    lock()
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_SECONDS", -1)
    with pytest.raises(ConfigurationError, match=r"database is locked; another program has not ended its transaction"):
        Store(file_url)


def test_what_can_be_done_about_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ConfigurationError, match="unable to open database file; see that its folder is there"):
        Store(f"sqlite:///{tmp_path}/nowhere/pubsub.db")


def test_what_can_be_done_about_a_full_disk_is_said(file_url, make_queue):
    queue = make_queue(file_url)
    limit_pages(queue, 1)
    with pytest.raises(ClientError, match="database or disk is full; make room on its disk"):
        queue.send_all(["b" * 3000] * 10)


def test_a_user_without_rights_is_told_what_to_grant(postgres):
    url = make_url(postgres.create_database())
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DO $$ BEGIN CREATE ROLE poor LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    engine.dispose()

    with pytest.raises(ConfigurationError, match=r"permission denied for .*; grant poor CREATE on its schema, once"):
        Store(url.set(username="poor").render_as_string(hide_password=False))


def test_a_disk_that_fails_is_not_full(file_url):
    store = Store(file_url)
    told = "disk I/O error; see whether its disk is full, or fails"
    with pytest.raises(StoreError, match=told) as raised, store.begin():
        raise sqlite3.OperationalError("disk I/O error")
    assert not raised.value.full
    store.close()


def test_server_that_goes_away(postgres, make_queue, make_broker):
    url = postgres.create_database()
    queue = make_queue(url)
    with queue.broker.store.begin() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
    other = make_broker(url)
    with other.store.begin() as connection:
        connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid}, 5000)")
    # whoever meets the lost connection is told so, as by a service that is down for a moment
    with pytest.raises(ClientError) as caught:
        queue.send("a")
    assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"
    assert len(queue.send("b")) == 1
    assert [message["Body"] for message in queue.drain()] == ["b"]


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_file_that_is_deleted_while_it_is_open_is_told(file_url, make_queue, monkeypatch, is_replaced):
    monkeypatch.setattr(store_module, "CHECK_SECONDS", 0.0)
    queue = make_queue(file_url)
    queue.send("a")
    path = Path(file_url.removeprefix("sqlite:///"))
    for each in path.parent.glob("pubsub.db*"):
        if each.is_file():
            each.unlink()
    if is_replaced:
        make_queue(file_url)
    with pytest.raises(ClientError, match="was deleted or replaced while it was open: restart whatever has it open"):
        queue.receive()


def test_the_end_of_the_program_closes_no_connection_under_a_call(tmp_path, monkeypatch):
    store = Store(f"sqlite:///{tmp_path}/pubsub.db")
    monkeypatch.setattr(sqlite, "END_SECONDS", 0)

    with store.begin() as connection:
        thread = Thread(target=store._end)
        thread.start()
        thread.join()
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    with store.begin() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    store.close()


def test_the_end_of_the_program_gives_nobody_a_turn_any_more(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/pubsub.db")
    store._end()

    def call():
        with sqlite.hasty(), pytest.raises(sqlite.Busy), store.begin():
            pass
        return True

    with ThreadPoolExecutor() as pool:
        assert pool.submit(call).result()
