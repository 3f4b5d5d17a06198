"""
A daemon under test.
"""

from logging import getLogger

import pytest
from marshmallow import fields

from microcosm_pubsub import ConsumerDaemon, MessageHandlingResultType, Nack, PubSubMessageSchema, RetryPolicy, created
from microcosm_pubsub import harness as harness_module
from microcosm_pubsub.decorators import handles
from microcosm_pubsub.harness import harness


pytest_plugins = ["pytester"]

SUCCEEDED, RETRIED, FAILED = (MessageHandlingResultType[name] for name in ("SUCCEEDED", "RETRIED", "FAILED"))


class Invoiced(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.test.harness.invoiced"

    number = fields.Integer(required=True)


class InvoiceOrder:
    def __init__(self, graph):
        self.sns_producer = graph.sns_producer
        self.attempts = 0

    def __call__(self, message):
        getLogger("orders").info("invoicing %s", message["uri"])
        if message["uri"].endswith("/later"):
            self.attempts += 1
            if self.attempts == 1:
                raise Nack(60)
        if message["uri"].endswith("/broken"):
            raise ValueError("no such order")
        if message["uri"].endswith("/at-once"):
            raise Nack(0)
        self.sns_producer.produce(Invoiced.MEDIA_TYPE, number=1)
        return True


@pytest.fixture(scope="module")
def daemon_cls():
    handles(created("harness_order"), retry=RetryPolicy(max_attempts=2, backoff=10))(InvoiceOrder)
    handles(Invoiced)(ignore)

    class OrdersDaemon(ConsumerDaemon):
        name = "orders"

        def create_object_graph_components(self, graph):
            super().create_object_graph_components(graph)
            invoice = InvoiceOrder(graph)
            self.bound_handlers = {created("harness_order"): invoice}

    return OrdersDaemon


def ignore(message):
    return False


def test_published_handled_and_gone(daemon_cls):
    with harness(daemon_cls) as app:
        assert app.publish(created("harness_order"), uri="https://x/1")
        assert [message.receive_count for message in app.queue] == [0]

        results = app.run()

        assert [result.result for result in results] == [SUCCEEDED]
        assert app.results == results
        assert [(message.media_type, message.content) for message in app.published] == [
            (Invoiced.MEDIA_TYPE, {"number": 1})
        ]
        assert (app.queue, app.dead_letters) == ([], [])


def test_time_passes_when_it_is_told_to(daemon_cls):
    with harness(daemon_cls) as app:
        app.publish(created("harness_order"), uri="https://x/later")

        assert [result.result for result in app.run()] == [RETRIED]
        app.clock.advance(59)
        assert app.run() == []
        app.clock.advance(1)
        assert [result.result for result in app.run()] == [SUCCEEDED]


def test_what_fails_for_good_is_a_dead_letter(daemon_cls, capsys):
    with harness(daemon_cls) as app:
        app.publish(created("harness_order"), uri="https://x/broken")
        app.run()
        app.clock.advance(10)
        app.run()

        assert [result.result for result in app.results] == [FAILED, FAILED]
        assert len(app.dead_letters) == 1
        assert app.queue == []
    sent = f"({created('harness_order')}) to the dead-letter queue orders-dead-letters: FAILED, ValueError, attempts: 2"
    assert sent in capsys.readouterr().out


def test_a_body_as_it_is(daemon_cls, capsys):
    with harness(daemon_cls) as app:
        app.send("{nope")
        app.run()

        assert [result.result for result in app.results] == [FAILED]
        assert [message.body for message in app.dead_letters] == ["{nope"]
    assert "(unknown media type) to the dead-letter queue orders-dead-letters: FAILED" in capsys.readouterr().out


def test_fifo_keeps_the_order_of_a_group(daemon_cls):
    with harness(daemon_cls, fifo=True) as app:
        for number in range(3):
            app.publish(created("harness_order"), uri=f"https://x/{number}")
        app.run()

        assert len(app.results) == 3
        assert len(app.published) == 3


def run_without_end(daemon_cls):
    with harness(daemon_cls) as app:
        app.publish(created("harness_order"), uri="https://x/at-once")
        app.run()


def test_a_run_that_does_not_end(daemon_cls, monkeypatch):
    monkeypatch.setattr(harness_module, "MAX_RECEIVES", 2)
    with pytest.raises(AssertionError, match="still gives messages after 2 receives"):
        run_without_end(daemon_cls)


def fail_in_a_harness(daemon_cls):
    with harness(daemon_cls) as app:
        for name in ("1", "later", "broken"):
            app.publish(created("harness_order"), uri=f"https://x/{name}")
        app.run()
        raise AssertionError("of the test")


def test_a_failure_says_what_happened(daemon_cls):
    with pytest.raises(AssertionError, match="of the test") as caught:
        fail_in_a_harness(daemon_cls)

    (note,) = caught.value.__notes__
    for line in (
        "handled: SUCCEEDED application/vnd.globality.pubsub._.created.harness_order",
        "handled: FAILED application/vnd.globality.pubsub._.created.harness_order: ValueError: no such order",
        f"published: {Invoiced.MEDIA_TYPE} ",
        "in the queue: visible in 60 s, received 1 times: ",
        "log: INFO orders: invoicing https://x/1",
    ):
        assert line in note


def test_nothing_is_left_behind(daemon_cls):
    with harness(daemon_cls) as app:
        handlers = list(getLogger().handlers)
        assert app.log in handlers
    assert app.log not in getLogger().handlers


def test_the_plugin(pytester):
    pytester.makepyfile(
        test_it="""
        from microcosm_pubsub import ConsumerDaemon, created, handles

        @handles(created("plugin_order"))
        def order_created(message):
            return True

        class OrdersDaemon(ConsumerDaemon):
            name = "orders"

        def test_passes(pubsub_harness):
            app = pubsub_harness(OrdersDaemon)
            app.publish(created("plugin_order"), uri="https://x/1")
            assert app.run()

        def test_fails(pubsub_harness):
            app = pubsub_harness(OrdersDaemon)
            app.publish(created("plugin_order"), uri="https://x/1")
            assert app.run() == []
        """
    )

    result = pytester.runpytest_subprocess("-p", "no:randomly")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*Harness of orders*", "*handled: SUCCEEDED*created.plugin_order*"])
