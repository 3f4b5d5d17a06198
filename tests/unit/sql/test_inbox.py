"""
A message is handled once, whatever is delivered, and whoever gets it.
"""

from json import dumps
from threading import Barrier, Event, Thread

import pytest

from microcosm_pubsub.conventions import created
from microcosm_pubsub.errors import Nack
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.registry import HandlerOptions
from microcosm_pubsub.sql import current_session
from microcosm_pubsub.sql.inbox import DAY_SECONDS, STEP, find_key
from microcosm_pubsub.sql.transaction import current_transaction
from tests.unit.sql.app import ORDER, Order


SAME = {"x-message-id": "the-same"}


@pytest.fixture
def app(make_app, url):
    return make_app(url, pubsub_database={"auto_upgrade": True})


class Adding:
    """A handler that counts its calls, adds an order for each, and does what it is told to."""

    def __init__(self, *whats):
        self.whats = list(whats)
        self.calls = 0

    def __call__(self, content):
        self.calls += 1
        current_session().add(Order(uri=f"{content['uri']} {self.calls}"))
        current_session().flush()
        what = self.whats.pop(0) if self.whats else True
        if isinstance(what, Exception):
            raise what
        return what


def test_what_was_handled_before_is_skipped(app):
    handler = Adding()
    app.handle(handler, once=True, transaction=False)
    app.send("one", opaque_data=SAME)
    app.send("one", opaque_data=SAME)

    results = app.run()

    assert [result.result.name for result in results] == ["SUCCEEDED", "SKIPPED"]
    assert results[1].extra["reason"] == "handled before"
    assert handler.calls == 1
    assert app.orders == ["one 1"]
    assert app.queue.bodies == []


@pytest.mark.parametrize("what", [ValueError("no"), Nack(0)])
def test_what_failed_before_is_handled(app, what):
    app.handle(Adding(what), once=True)
    app.send("one", opaque_data=SAME)
    app.send("one", opaque_data=SAME)

    assert app.outcomes()[1] == "SUCCEEDED"
    assert app.orders == ["one 2"]


def test_a_handler_that_rolls_back_is_remembered_all_the_same(app):
    def handler(content):
        current_session().add(Order(uri="one"))
        current_session().flush()
        current_session().rollback()
        return True

    app.handle(handler, once=True)
    app.send("one", opaque_data=SAME)
    app.send("one", opaque_data=SAME)

    assert app.outcomes() == ["SUCCEEDED", "SKIPPED"]


def test_each_handler_has_an_inbox_of_its_own(app):
    app.handle(Adding(), once=True)
    app.handle(store, media_type=created("invoice"), once=True)
    app.send("one", opaque_data=SAME)
    app.send("one", media_type=created("invoice"), opaque_data=SAME)

    assert app.outcomes() == ["SUCCEEDED", "SUCCEEDED"]


# batches


def store(contents):
    contents = contents if isinstance(contents, list) else [contents]
    current_session().add_all([Order(uri=content["uri"]) for content in contents])
    current_session().flush()
    return True


def test_a_batch_is_handled_without_what_was_handled_before(app):
    batches = []

    def handler(contents):
        batches.append([content["uri"] for content in contents])
        store(contents)
        return True

    app.handle(handler, once=True, batch_size=10)
    app.send("one", opaque_data={"x-message-id": "1"})
    assert app.outcomes() == ["SUCCEEDED"]
    for name, identity in (("one", "1"), ("two", "2"), ("two", "2"), ("three", "3")):
        app.send(name, opaque_data={"x-message-id": identity})

    assert app.outcomes() == ["SKIPPED", "SUCCEEDED", "SKIPPED", "SUCCEEDED"]
    assert batches == [["one"], ["two", "three"]]
    assert app.count(app.database.tables.inbox) == 3


def test_a_message_that_is_twice_in_a_batch_that_fails_comes_twice_again(app):
    def handler(contents):
        raise ValueError

    app.handle(handler, once=True, batch_size=10)
    app.send("one", "one", opaque_data=SAME)

    assert app.outcomes() == ["FAILED", "RETRIED"]
    assert app.count(app.database.tables.inbox) == 0


def test_a_batch_of_which_some_stay_remembers_the_others(app):
    def handler(contents):
        store(contents)
        return [content["uri"] != "bad" or Nack(0) for content in contents]

    app.handle(handler, once=True, batch_size=10)
    for name in ("one", "bad", "two"):
        app.send(name, opaque_data={"x-message-id": name})

    assert app.outcomes() == ["SUCCEEDED", "RETRIED", "SUCCEEDED"]
    assert app.count(app.database.tables.inbox) == 2


# several at once


@pytest.mark.parametrize("first", [True, ValueError("no")])
def test_of_two_that_get_the_same_message_one_handles_it(app, kind, first):
    if kind == "sqlite":
        pytest.skip("transactions of one process take turns there")
    runs, inside, go_on = [], Event(), Event()

    def handler(content):
        runs.append(content["uri"])
        if len(runs) == 1:
            inside.set()
            assert go_on.wait(30)
            if isinstance(first, Exception):
                raise first
        return True

    app.handle(handler, once=True)
    dispatcher = app.graph.sqs_message_dispatcher
    results = {}

    def handle(name):
        message = SQSMessage(None, {"uri": name, "opaque_data": dict(SAME)}, ORDER, name, name)
        results[name] = dispatcher.run(message, app.handlers).result.name

    threads = [Thread(target=handle, args=[name]) for name in ("one", "two")]
    threads[0].start()
    assert inside.wait(30)
    threads[1].start()
    wait_until_somebody_waits(app)
    go_on.set()
    for thread in threads:
        thread.join(30)

    assert results == {
        "one": "SUCCEEDED" if first is True else "FAILED",
        "two": "SKIPPED" if first is True else "SUCCEEDED",
    }
    assert len(runs) == (1 if first is True else 2)


def wait_until_somebody_waits(app):
    from sqlalchemy import text

    from tests.waiting import wait_until

    def waits():
        with app.database.connect() as connection:
            return connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    wait_until(waits)


def test_many_threads_handle_each_message_once(app):
    calls = []

    def handler(content):
        calls.append(content["uri"])
        return True

    app.handle(handler, once=True)
    app.graph.sqs_message_dispatcher.find_routes(app.handlers)
    start = Barrier(4)
    outcomes = []

    def work(number):
        start.wait(30)
        for name in range(20):
            message = SQSMessage(None, {"uri": name, "opaque_data": {"x-message-id": str(name)}}, ORDER, "m", "r")
            outcomes.append(app.graph.sqs_message_dispatcher.run(message, app.handlers).result.name)

    threads = [Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(calls) == list(range(20))
    assert outcomes.count("SUCCEEDED") == 20
    assert outcomes.count("SKIPPED") == 60


def test_a_handler_that_rolls_back_and_loses_its_message_to_another_does_not_handle_it(app, kind):
    if kind == "sqlite":
        pytest.skip("there nobody else can write meanwhile")
    runs = []

    def handler(content):
        runs.append(1)
        current_session().add(Order(uri="one"))
        current_session().flush()

        def get_between(connection):
            name = app.graph.pubsub_transactions.for_handler(handler, HandlerOptions(once=True)).inbox.handler
            with app.database.connect() as other:
                app.graph.pubsub_inbox.take(other, name, ["the-same"])

        current_transaction().beginnings.insert(0, get_between)
        current_session().rollback()
        current_session().add(Order(uri="two"))
        return True

    app.handle(handler, once=True)
    app.send("one", opaque_data=SAME)

    (result,) = app.run()

    assert (result.result.name, result.retry_timeout_seconds) == ("RETRIED", 0)
    assert app.orders == []
    assert app.outcomes() == ["SKIPPED"]
    assert len(runs) == 1


# keys


@pytest.mark.parametrize(
    ("opaque_data", "body", "key"),
    [
        ({"x-message-id": "ours"}, {"Type": "Notification", "MessageId": "sns"}, "ours"),
        ({"X-Message-Id": "ours"}, {}, "ours"),
        ({"x-message-id": ""}, {"Type": "Notification", "MessageId": "sns"}, "sns"),
        ({}, {"Type": "Notification", "MessageId": "sns"}, "sns"),
        ({}, {"Type": "Other", "MessageId": "sns"}, "sqs"),
        ({"x-message-id": 3}, {}, "sqs"),
        ({}, [], "sqs"),
    ],
)
def test_the_key_is_ours_or_that_of_sns_or_that_of_the_queue(opaque_data, body, key):
    message = SQSMessage(
        None, {"opaque_data": opaque_data}, ORDER, message_id="sqs", receipt_handle="r", raw={"Body": dumps(body)}
    )

    assert find_key(message) == key


@pytest.mark.parametrize("given", ["x" * 1000, "a\x00b", "a\ud800b"])
def test_a_key_that_cannot_be_stored_is_a_digest(given):
    message = SQSMessage(None, {"opaque_data": {"x-message-id": given}}, ORDER, "sqs", "r")

    assert find_key(message).startswith("sha256:")


def test_a_body_that_is_no_json_has_no_id_of_sns():
    assert find_key(SQSMessage(None, {}, ORDER, "sqs", "r", raw={"Body": "{"})) == "sqs"


# its end


def test_rows_that_are_too_old_are_removed_step_by_step(app):
    inbox = app.graph.pubsub_inbox
    now = 10_000_000_000.0
    with app.database.transaction():
        pass
    with app.database.connect() as connection:
        for name, age in (("old", 31), ("new", 29)):
            inbox.now = lambda age=age: now - age * DAY_SECONDS
            inbox.take(connection, "handler", [f"{name} {number}" for number in range(STEP + 10)])
    inbox.now = lambda: now

    assert [inbox.remove_old() for _ in range(3)] == [STEP, 10, 0]
    assert app.count(app.database.tables.inbox) == STEP + 10
