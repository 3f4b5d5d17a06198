"""
What is published inside a transaction is published if, and only if, that is committed.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from json import loads
from threading import current_thread
from time import time

import pytest
from marshmallow import ValidationError, fields

from microcosm_pubsub import PubSubMessageSchema, schema
from microcosm_pubsub.conventions import created
from microcosm_pubsub.errors import ConfigurationError, Nack, PublishError, TopicNotDefinedError
from microcosm_pubsub.producer import DeferredBatchProducer, DeferredProducer, ProduceResult, PublishOptions
from microcosm_pubsub.sql import TransactionError, current_session
from tests.unit.sql.app import Order
from tests.waiting import wait_until


INVOICE = created("invoice")
NUMBER = "application/vnd.outbox.number"
DATED = "application/vnd.outbox.dated"


@schema
class OutboxNumberSchema(PubSubMessageSchema):
    MEDIA_TYPE = NUMBER

    number = fields.Integer(required=True)


@schema
class OutboxDatedSchema(PubSubMessageSchema):
    MEDIA_TYPE = DATED

    at = fields.String()
    delay_seconds = fields.Integer()


class Topics:
    """Takes what is published, in place of SNS, unless it is told to refuse it."""

    def __init__(self):
        self.messages = []
        self.refused = set()
        self.before = lambda: None

    def __call__(self, call_next, messages):
        self.before()
        results = []
        for message in messages:
            content = loads(message.message)
            name = content.get("uri", content.get("number"))
            if name in self.refused:
                results.append(ProduceResult(error=PublishError(f"refused {name}")))
            else:
                self.messages.append(message)
                results.append(ProduceResult(message_id="id"))
        return results

    @property
    def names(self):
        contents = [loads(message.message) for message in self.messages]
        return [content.get("uri", content.get("number")) for content in contents]


@pytest.fixture
def topics():
    return Topics()


@pytest.fixture
def config(topics):
    return {
        "pubsub_database": {"auto_upgrade": True},
        "pubsub_publish_layers": {"names": [topics]},
        "sns_topic_arns": {"default": "arn:aws:sns:local:000000000000:topic"},
    }


@pytest.fixture
def app(make_app, url, config):
    return make_app(url, **config)


@pytest.fixture
def outbox(app):
    return app.graph.pubsub_outbox


@pytest.fixture
def producer(app):
    return app.graph.sns_producer


@pytest.fixture
def waiting(app):
    """The names of what waits in the outbox."""

    def look():
        rows = app.graph.pubsub_outbox.store.list_rows(1000)
        return [loads(row["body"]).get("uri", loads(row["body"]).get("number")) for row in rows]

    return look


# within a transaction


@pytest.mark.parametrize(
    ("what", "published"),
    [
        (True, ["one"]),
        (False, ["one"]),
        (Nack(0), []),
        (ValueError("no"), []),
    ],
)
def test_what_a_handler_publishes_goes_with_its_transaction(app, producer, topics, waiting, what, published):
    def handler(content):
        current_session().add(Order(uri=content["uri"]))
        assert producer.produce(INVOICE, uri=content["uri"])
        assert topics.names == []
        if isinstance(what, Exception):
            raise what
        return what

    app.handle(handler)
    app.send("one")
    app.run()

    assert topics.names == app.orders == published
    assert waiting() == []


def test_what_is_published_is_what_was_produced(app, producer, topics):
    options = PublishOptions(group="group", attributes={"colour": "red"})
    with app.database.transaction():
        identity = producer.produce(INVOICE, uri="one", opaque_data={"x-tenant": "acme"}, options=options)
        kept = app.database.current().outgoing.messages[0]

    (message,) = topics.messages
    assert message == kept
    assert message.opaque_data["x-message-id"] == identity
    assert loads(message.message)["opaqueData"]["x-message-id"] == identity
    assert message.message_attributes["colour"]["StringValue"] == "red"


def test_outside_of_a_transaction_it_is_published_at_once(producer, topics):
    assert producer.produce(INVOICE, uri="one") == "id"
    assert topics.names == ["one"]


def test_a_batch_is_published_in_batches(app, producer, topics):
    calls = []
    topics.before = lambda: calls.append(1)
    with app.database.transaction():
        results = producer.produce_batch([{"media_type": INVOICE, "uri": str(number)} for number in range(25)])
        assert all(result.ok and result.message_id for result in results)

    assert sorted(topics.names, key=int) == [str(number) for number in range(25)]
    assert len(calls) == 3


@pytest.mark.parametrize("cls", [DeferredProducer, DeferredBatchProducer])
def test_deferred_producers_write_rows_too(app, producer, topics, cls):
    producer.sns_topic_arns["application/vnd.microcosm.batchmessage"] = "topic"
    with suppress(ValueError), app.database.transaction(), cls(producer) as deferred:
        deferred.produce(INVOICE, uri="one")
        raise ValueError
    with app.database.transaction():
        with cls(producer) as deferred:
            deferred.produce(INVOICE, uri="two")
        assert topics.names == []

    assert topics.names == ["two"]


def test_what_is_wrong_is_told_at_once(app, producer, topics, waiting):
    with app.database.transaction():
        with pytest.raises(ValidationError):
            producer.produce(NUMBER, number="x")
        with pytest.raises(PublishError, match=r"it has .* bytes, and a topic takes 262144"):
            producer.produce(INVOICE, uri="x" * 300_000)
        producer.sns_topic_arns.default = None
        with pytest.raises(TopicNotDefinedError):
            producer.produce(INVOICE, uri="one")

    assert topics.names == waiting() == []


def test_a_savepoint_takes_back_what_was_published_in_it(app, producer, topics):
    with app.database.transaction() as session:
        producer.produce(INVOICE, uri="one")
        session.add(Order(uri="one"))
        session.flush()
        with suppress(ValueError), session.begin_nested():
            producer.produce(INVOICE, uri="two")
            raise ValueError
        with session.begin_nested():
            producer.produce(INVOICE, uri="three")
        nested = session.connection().begin_nested()
        producer.produce(INVOICE, uri="four")
        nested.rollback()
        producer.produce(INVOICE, uri="five")

    assert sorted(topics.names) == ["five", "one", "three"]


def test_a_rollback_of_its_session_takes_back_what_was_published(app, producer, topics):
    with app.database.transaction() as session:
        producer.produce(INVOICE, uri="one")
        session.add(Order(uri="one"))
        session.flush()
        session.rollback()
        producer.produce(INVOICE, uri="two")
        session.add(Order(uri="two"))
        session.commit()
        producer.produce(INVOICE, uri="three")
        session.add(Order(uri="three"))
        session.flush()
        session.rollback()

    assert topics.names == ["two"]
    assert app.orders == ["two"]


def test_a_coroutine_publishes_with_its_transaction(make_app, url, config, topics):
    app = make_app(url.replace("sqlite:", "sqlite+aiosqlite:"), **config)
    producer = app.graph.sns_producer

    async def handler(content):
        producer.produce(INVOICE, uri=content["uri"])
        await producer.produce_async(INVOICE, uri=content["uri"] + " too")
        with suppress(ValueError):
            async with current_session().begin_nested():
                producer.produce(INVOICE, uri="undone")
                raise ValueError
        assert topics.names == []
        if content["uri"] == "bad":
            raise ValueError
        return True

    app.handle(handler)
    app.send("bad", "one")

    assert app.outcomes() == ["FAILED", "SUCCEEDED"]
    assert sorted(topics.names) == ["one", "one too"]
    app.close()


def test_missing_tables_are_told_of(make_app, url, config):
    app = make_app(url, **{**config, "pubsub_database": {}})

    with pytest.raises(TransactionError, match="run `pubsub db upgrade`"), app.database.transaction():
        app.graph.sns_producer.produce(INVOICE, uri="one")


# what cannot be published


def test_what_is_refused_waits_and_keeps_nobody(app, producer, topics, outbox, waiting):
    now = 1_000_000.0
    outbox.store.now = lambda: now
    topics.refused = {"bad"}
    with app.database.transaction():
        for name in ("one", "bad", "two"):
            producer.produce(INVOICE, uri=name)

    assert sorted(topics.names) == ["one", "two"]
    (row,) = outbox.store.list_rows(10)
    assert (row["attempts"], row["error"]) == (1, "refused bad")
    assert row["free_at"] == int((now + 1) * 1000)
    assert outbox.relay.relay_some() == 0

    now += 1.1
    assert outbox.relay.relay_some() == 1
    (row,) = outbox.store.list_rows(10)
    assert row["attempts"] == 2
    assert row["free_at"] == int((now + 2) * 1000)

    topics.refused = set()
    now += 2.1
    assert outbox.relay.relay_some() == 1
    assert waiting() == []
    assert topics.names[-1] == "bad"


def test_what_its_process_left_is_somebody_elses_after_a_while(app, producer, topics, outbox, waiting):
    now = 1_000_000.0
    outbox.store.now = lambda: now

    def die():
        raise KeyboardInterrupt

    topics.before = die
    with pytest.raises(KeyboardInterrupt), app.database.transaction():
        producer.produce(INVOICE, uri="one")
    topics.before = lambda: None

    assert waiting() == ["one"]
    assert outbox.relay.relay_some() == 0
    now += 31
    assert outbox.relay.relay_some() == 1
    assert topics.names == ["one"]


def test_a_second_publish_has_the_same_ids(make_app, url, config, topics):
    config["sns_topic_arns"]["default"] += ".fifo"
    app = make_app(url, **config)
    outbox = app.graph.pubsub_outbox
    finish = outbox.store.finish
    now = 1_000_000.0
    outbox.store.now = lambda: now

    def die(*args):
        raise KeyboardInterrupt

    outbox.store.finish = die
    with pytest.raises(KeyboardInterrupt), app.database.transaction():
        app.graph.sns_producer.produce(INVOICE, uri="one")
    outbox.store.finish = finish
    now += 31
    outbox.relay.relay_some()

    first, second = topics.messages
    assert first.deduplication_id == second.deduplication_id is not None
    assert first.opaque_data["x-message-id"] == second.opaque_data["x-message-id"]
    assert first == second


def test_an_error_while_publishing_leaves_the_handler_as_it_is(app, producer, topics, waiting, outbox):
    def handler(content):
        producer.produce(INVOICE, uri="one")
        return True

    def break_down(*args):
        raise TransactionError("no database any more")

    outbox.store.finish = break_down
    app.handle(handler)
    app.send("one")

    assert app.outcomes() == ["SUCCEEDED"]
    assert waiting() == ["one"]


# a thread of its own


@pytest.fixture
def service(app):
    (service,) = app.graph.pubsub_services
    yield service
    service.stop()


def test_a_daemon_publishes_by_a_thread_of_its_own(app, producer, topics, outbox, service, waiting):
    threads = []
    topics.before = lambda: threads.append(current_thread().name)
    service.start()
    with app.database.transaction():
        producer.produce(INVOICE, uri="one")

    wait_until(lambda: topics.names == ["one"] and waiting() == [])
    assert threads == ["outbox-relay"]


def test_a_daemon_publishes_what_others_left(app, producer, topics, outbox, service):
    outbox.relay.publish_soon = lambda rows: None
    outbox.store.now = lambda: time() - 1000
    with app.database.transaction():
        producer.produce(INVOICE, uri="one")
    outbox.store.now = time

    service.start()
    wait_until(lambda: topics.names == ["one"])


class NeverWorking:
    """A thread that runs, and never gets its turn."""

    is_running = True

    def wake(self):
        """Do nothing."""

    stop = wake


def test_what_was_committed_is_published_before_a_daemon_ends(app, producer, topics, outbox, service, waiting):
    # as when the thread's last step was over before
    outbox.relay.work = NeverWorking()
    service.relay, service.works = outbox.relay, []
    with app.database.transaction():
        producer.produce(INVOICE, uri="one")
    assert topics.names == []

    service.stop()
    assert topics.names == ["one"]
    assert waiting() == []


def test_what_waits_is_told_to_metrics(app, producer, topics, outbox, service):
    now = 1_000_000.0
    outbox.store.now = lambda: now
    topics.refused = {"bad"}
    with app.database.transaction():
        producer.produce(INVOICE, uri="bad")
    now += 0.5
    service.start()

    wait_until(service.gauges)
    assert service.gauges() == {"outbox_waiting": 1, "outbox_failed": 1, "outbox_oldest_seconds": 0.5}


# order


@pytest.fixture
def fifo(make_app, url, config):
    config["sns_topic_arns"]["default"] += ".fifo"
    return make_app(url, **config)


def test_a_group_is_published_in_order(fifo, topics):
    with fifo.database.transaction():
        for number in range(5):
            for group in ("a", "b"):
                fifo.graph.sns_producer.produce(NUMBER, number=number, options=PublishOptions(group=group))

    for group in ("a", "b"):
        assert [name for name, m in zip(topics.names, topics.messages, strict=True) if m.group_id == group] == [
            0, 1, 2, 3, 4,
        ]  # fmt: skip


def test_a_row_that_is_refused_keeps_its_group_and_no_other(fifo, topics):
    now = 1_000_000.0
    outbox = fifo.graph.pubsub_outbox
    outbox.store.now = lambda: now
    topics.refused = {1}
    with fifo.database.transaction():
        for number, group in ((0, "a"), (1, "a"), (2, "a"), (3, "b")):
            fifo.graph.sns_producer.produce(NUMBER, number=number, options=PublishOptions(group=group))

    assert topics.names == [0, 3]

    # those of another transaction wait behind it, too
    with fifo.database.transaction():
        for number, group in ((4, "a"), (5, "b")):
            fifo.graph.sns_producer.produce(NUMBER, number=number, options=PublishOptions(group=group))
    assert topics.names == [0, 3, 5]

    topics.refused = set()
    now += 1.1
    outbox.relay.relay_some()
    assert topics.names == [0, 3, 5, 1, 2, 4]


def test_nobody_takes_from_a_group_of_which_somebody_has_the_first(fifo, topics):
    outbox = fifo.graph.pubsub_outbox
    outbox.relay.publish_soon = lambda rows: None
    with fifo.database.transaction():
        for number in range(3):
            fifo.graph.sns_producer.produce(NUMBER, number=number, options=PublishOptions(group="a"))

    assert len(outbox.store.take_ordered(2)) == 2
    assert outbox.store.take_ordered(10) == []


def test_what_is_to_come_later_keeps_nobody_of_its_group(fifo, topics):
    now = 1_000_000.0
    fifo.graph.pubsub_outbox.store.now = fifo.graph.sns_producer.now = lambda: now
    with fifo.database.transaction():
        for number, delay in ((1, 60), (2, None)):
            options = PublishOptions(group="a", delay_seconds=delay)
            fifo.graph.sns_producer.produce(NUMBER, number=number, options=options)
    assert topics.names == [2]
    now += 61
    fifo.graph.pubsub_outbox.relay.relay_some()
    assert topics.names == [2, 1]


# later


@pytest.mark.parametrize("inside", [True, False])
def test_what_is_to_come_later_waits_until_then(app, producer, topics, outbox, waiting, inside):
    now = 1_700_000_000.0
    outbox.store.now = producer.now = lambda: now
    at = datetime.fromtimestamp(now, UTC) + timedelta(days=3)
    if inside:
        with app.database.transaction():
            producer.produce(INVOICE, uri="one", delay_seconds=60)
            producer.produce(INVOICE, uri="two", at=at)
    else:
        assert producer.produce(INVOICE, uri="one", delay_seconds=60)
        producer.produce(INVOICE, uri="two", at=at)

    outbox.relay.relay_some()
    assert topics.names == []
    now += 61
    outbox.relay.relay_some()
    assert topics.names == ["one"]
    now += 3 * 24 * 3600
    outbox.relay.relay_some()
    assert topics.names == ["one", "two"]


def test_a_time_that_has_passed_is_now(producer, topics):
    producer.produce(INVOICE, uri="one", at=datetime(2000, 1, 1, tzinfo=UTC))
    producer.produce(INVOICE, uri="two", delay_seconds=0)

    assert topics.names == ["one", "two"]


def test_deferred_batches_leave_out_what_is_to_come_later(app, producer, topics, waiting):
    producer.sns_topic_arns["application/vnd.microcosm.batchmessage"] = "topic"
    with DeferredBatchProducer(producer) as deferred:
        deferred.produce(INVOICE, uri="one", delay_seconds=60)
        deferred.produce(INVOICE, uri="two")

    assert topics.names == ["two"]
    assert waiting() == ["one"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"at": datetime(2030, 1, 1)}, "without a zone"),
        ({"at": "2030-01-01"}, "must be a datetime"),
        ({"delay_seconds": -1}, "from 0"),
        ({"delay_seconds": float("nan")}, "from 0"),
        ({"delay_seconds": "60"}, "from 0"),
        ({"delay_seconds": 1, "at": datetime(2030, 1, 1, tzinfo=UTC)}, "not both"),
    ],
)
def test_times_that_make_no_sense_are_refused(producer, options, said):
    with pytest.raises(ConfigurationError, match=said):
        producer.produce(INVOICE, uri="one", **options)


def test_fields_of_these_names_are_content(producer, topics):
    producer.produce(DATED, at="noon", delay_seconds=7)

    content = loads(topics.messages[0].message)
    assert (content["at"], content["delay_seconds"]) == ("noon", 7)


def test_without_a_database_nothing_is_published_later(make_graph):
    producer = make_graph().sns_producer

    with pytest.raises(ConfigurationError, match=r"set pubsub_database\.url"):
        producer.produce(INVOICE, uri="one", delay_seconds=60)
    (result,) = producer.produce_batch([{"media_type": INVOICE, "uri": "one", "delay_seconds": 60}])
    assert isinstance(result.error, ConfigurationError)
