"""
Run, settle, notify.
"""

import asyncio
from collections import Counter
from logging import ERROR, WARNING

import pytest
from marshmallow import fields
from microcosm.api import binding

from microcosm_pubsub.backoff import BackoffPolicy
from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.context import current_message, current_messages
from microcosm_pubsub.decorators import schema
from microcosm_pubsub.dispatcher import SQSMessageDispatcher
from microcosm_pubsub.errors import (
    AttemptsExhausted,
    ConfigurationError,
    DeadLetter,
    HandlerError,
    IgnoreMessage,
    Nack,
    ReceiveError,
    SkipMessage,
    TTLExpired,
)
from microcosm_pubsub.registry import SQSMessageHandlerRegistry
from microcosm_pubsub.registry.options import HandlerOptions
from microcosm_pubsub.result import MessageHandlingResult, MessageHandlingResultType


MEDIA_TYPE = "application/vnd.dispatcher.parcel"
SUCCEEDED, SKIPPED, IGNORED, EXPIRED, RETRIED, FAILED = MessageHandlingResultType


@schema
class DispatcherParcelSchema(PubSubMessageSchema):
    MEDIA_TYPE = MEDIA_TYPE

    number = fields.Integer(required=True)


OBSERVED = []


@binding("dispatcher_test_observer")
def configure_observer(graph):
    return lambda message, result: OBSERVED.append((message.content, result.result))


def parcel(number, **opaque_data):
    return {"mediaType": MEDIA_TYPE, "number": number, **({"opaqueData": opaque_data} if opaque_data else {})}


def raising(error):
    def handler(content):
        raise error

    return handler


def numbers(queue):
    return [int(body.rsplit(":", 1)[1].strip(" }")) for body in queue.bodies]


@pytest.mark.parametrize(
    ("handler", "outcome", "hidden_for"),
    [
        (lambda content: True, SUCCEEDED, []),
        (lambda content: False, SKIPPED, []),
        (raising(SkipMessage("nothing new")), SKIPPED, []),
        (raising(IgnoreMessage("not ours")), IGNORED, []),
        (raising(TTLExpired()), EXPIRED, []),
        (raising(Nack(0)), RETRIED, [0]),
        (raising(Nack(77)), RETRIED, [77]),
        (raising(RuntimeError("broken")), FAILED, [5]),
    ],
)
@pytest.mark.parametrize("one_by_one", [False, True])
def test_each_outcome_is_made_true_at_the_queue(graph, queue, handler, outcome, hidden_for, one_by_one):
    queue.send(parcel(1))
    dispatcher = graph.sqs_message_dispatcher

    if one_by_one:
        (message,) = graph.sqs_consumer.consume()
        result = dispatcher.handle_message(message, {MEDIA_TYPE: handler})
    else:
        (result,) = dispatcher.handle_batch({MEDIA_TYPE: handler})

    assert (result.result, result.media_type) == (outcome, MEDIA_TYPE)
    assert queue.hidden_for == hidden_for
    assert dispatcher.counts == {outcome.name: 1}


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (lambda content: True, ")"),
        (raising(RuntimeError("broken")), ", attempt 1, again in 5 s): RuntimeError: broken"),
        (raising(Nack(77)), ", attempt 1, again in 77 s)"),
        (raising(DeadLetter("no such parcel")), ", attempt 1, given up): DeadLetter: no such parcel"),
    ],
)
def test_a_log_line_says_what_becomes_of_its_message(graph, queue, caplog, handler, told):
    caplog.set_level("INFO")
    queue.send(parcel(1))

    (result,) = graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: handler})

    (record,) = [record for record in caplog.records if record.name == "microcosm_pubsub.dispatcher"]
    assert record.getMessage() == f"{result.result.name}: {MEDIA_TYPE} (message {record.message_id}{told}"
    assert (record.__dict__.get("attempts"), record.__dict__.get("hidden_seconds")) == (
        (1, *queue.hidden_for) if result.retry else (None, None)
    )


def test_what_nobody_here_knows_is_ignored(graph, queue):
    queue.send(parcel(1), {"mediaType": "application/vnd.dispatcher.unknown"})

    results = graph.sqs_message_dispatcher.handle_batch({})

    assert [(result.result, result.extra["reason"]) for result in results] == [
        (IGNORED, "No handler for this media type"),
        (IGNORED, "No schema for this media type"),
    ]
    assert queue.bodies == []


def test_an_undecodable_message_fails_alone(graph, queue):
    queue.send(parcel(1), "{not json", parcel(3))

    results = graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: lambda content: True})

    assert [result.result for result in results] == [SUCCEEDED, FAILED, SUCCEEDED]
    assert queue.bodies == ["{not json"]
    assert queue.hidden_for == [5]


def test_an_undecodable_message_stays_whatever_a_layer_makes_of_it(graph, queue):
    queue.send("{not json")
    dispatcher = SQSMessageDispatcher(
        graph.sqs_consumer,
        graph.sqs_message_handler_registry,
        middleware=[lambda call_next, message: True],
    )

    (result,) = dispatcher.handle_batch({})

    assert result.result is SUCCEEDED
    assert queue.bodies == ["{not json"]


def test_a_loop_of_messages_ends(graph, queue):
    queue.send(parcel(1, **{"x-request-ttl": "0"}))

    (result,) = graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: lambda content: True})

    assert result.result is EXPIRED
    assert queue.bodies == []


def test_attempts_used_up_are_not_deleted(make_graph, look_at, clock):
    graph = make_graph(sqs_message_dispatcher={"message_max_processing_attempts": "1"})
    queue = look_at(graph)
    queue.send(parcel(1))
    calls = []
    handlers = {MEDIA_TYPE: lambda content: calls.append(content)}
    graph.sqs_consumer.consume()[0].nack(0)

    (result,) = graph.sqs_message_dispatcher.handle_batch(handlers)

    assert result.result is FAILED
    assert result.exc_info[0] is AttemptsExhausted
    assert (calls, numbers(queue)) == ([], [1])


def test_no_messages(graph):
    assert graph.sqs_message_dispatcher.handle_batch({}) == []
    assert graph.sqs_message_dispatcher.counts == {}


def test_a_receive_that_fails_is_the_callers_concern(graph, client_error):
    graph.sqs_client.receive_message.side_effect = client_error("ServiceUnavailable")

    with pytest.raises(ReceiveError):
        graph.sqs_message_dispatcher.handle_batch({})


def test_a_stop_is_nobodys_result(graph, queue):
    queue.send(parcel(1))

    with pytest.raises(KeyboardInterrupt):
        graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: raising(KeyboardInterrupt())})

    assert numbers(queue) == [1]


def test_run_settles_nothing(graph, queue):
    queue.send(parcel(1))
    (message,) = graph.sqs_consumer.consume()
    handler = lambda content: True  # noqa: E731

    result = graph.sqs_message_dispatcher.run(message, {MEDIA_TYPE: handler})

    assert result.result is SUCCEEDED
    assert message.handler is handler
    assert not message.settled
    assert len(queue.bodies) == 1


class Letter:
    """What a message has to send before it is settled."""

    def __init__(self, error=None):
        self.error = error
        self.sent = 0

    def begin(self, done, has_more=False):
        self.sent += 1
        done(self.error)


@pytest.mark.parametrize(
    ("error", "outcome", "hidden_for"),
    [(None, SUCCEEDED, []), (Nack(7, reason="not now"), RETRIED, [7]), (RuntimeError("broken"), FAILED, [5])],
)
@pytest.mark.parametrize("one_by_one", [False, True])
def test_what_a_message_has_to_send_is_sent_before_it_is_settled(graph, queue, error, outcome, hidden_for, one_by_one):
    queue.send(parcel(1))
    letter = Letter(error)

    def handle(content):
        current_message().outgoing = letter
        return True

    dispatcher = graph.sqs_message_dispatcher
    if one_by_one:
        (message,) = graph.sqs_consumer.consume()
        result = dispatcher.handle_message(message, {MEDIA_TYPE: handle})
    else:
        (result,) = dispatcher.handle_batch({MEDIA_TYPE: handle})

    assert letter.sent == 1
    assert result.result is outcome
    assert result.elapsed_time is not None
    assert queue.hidden_for == hidden_for


def test_messages_are_settled_together(graph, queue):
    queue.send(*(parcel(number) for number in range(10)))

    def handle(content):
        if content["number"] % 2:
            raise Nack(content["number"])
        return True

    graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: handle})

    assert graph.sqs_client.delete_message_batch.call_count == 1
    assert graph.sqs_client.change_message_visibility_batch.call_count == 1
    # Each is seen by a test that looks for single calls, too.
    assert graph.sqs_client.delete_message.call_count == 5
    assert queue.hidden_for == [1, 3, 5, 7, 9]


@pytest.mark.parametrize(
    ("seconds", "left"),
    # a handled message waits at most a second for others to be settled with it
    [(0.4, [4, 4, 4, 1]), (0.6, [4, 4, 2, 2]), (1.0, [4, 3, 2, 1]), (5.0, [4, 3, 2, 1])],
)
def test_a_handled_message_is_settled_within_a_moment(graph, queue, clock, seconds, left):
    dispatcher = SQSMessageDispatcher(
        graph.sqs_consumer,
        graph.sqs_message_handler_registry,
        middleware=graph.pubsub_middleware,
        clock=clock,
    )
    queue.send(*(parcel(number) for number in range(4)))
    seen = []

    def handle(content):
        seen.append(len(queue.bodies))
        clock.advance(seconds)
        return True

    dispatcher.handle_batch({MEDIA_TYPE: handle})

    assert len(seen) == 4
    assert seen == left
    assert queue.bodies == []


@pytest.fixture
def fifo(make_graph, look_at):
    graph = make_graph(sqs_consumer={"sqs_queue_url": "queue.fifo"})
    return graph, look_at(graph)


@pytest.mark.parametrize("error", [Nack(0), RuntimeError("broken")])
def test_after_a_failure_the_rest_of_its_group_is_released(fifo, clock, error):
    graph, queue = fifo
    queue.send(*(parcel(number) for number in range(4)), MessageGroupId="a")
    queue.send(parcel(10), parcel(11), MessageGroupId="b")
    seen = []

    def handle(content):
        seen.append(content["number"])
        if content["number"] == 1 and seen.count(1) == 1:
            raise error
        return True

    results = graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: handle})

    first = FAILED if isinstance(error, RuntimeError) else RETRIED
    assert [result.result for result in results] == [SUCCEEDED, first, RETRIED, RETRIED, SUCCEEDED, SUCCEEDED]
    assert results[2].extra == {"reason": "An earlier message of its group was not handled"}
    assert numbers(queue) == [1, 2, 3]
    clock.advance(5)
    graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: handle})
    assert seen == [0, 1, 10, 11, 1, 2, 3]
    assert queue.bodies == []
    assert graph.sqs_message_dispatcher.counts["OBSERVER_FAILED"] == 0


def test_an_undecodable_message_blocks_its_group(fifo):
    graph, queue = fifo
    queue.send("{not json", parcel(2), MessageGroupId="a")
    queue.send(parcel(10), MessageGroupId="b")

    # even if a layer made a success of it, for it stays
    dispatcher = SQSMessageDispatcher(
        graph.sqs_consumer,
        graph.sqs_message_handler_registry,
        middleware=[lambda call_next, message: True],
    )
    dispatcher.handle_batch({})

    assert len(queue.bodies) == 2


def test_groups_of_a_fair_queue_have_no_order(graph, queue):
    queue.send(parcel(1), parcel(2), MessageGroupId="a")

    def handle(content):
        if content["number"] == 1:
            raise Nack(0)
        return True

    results = graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: handle})

    assert [result.result for result in results] == [RETRIED, SUCCEEDED]


def test_what_the_queue_does_not_take_is_counted(graph, queue, caplog, client_error):
    queue.send(*(parcel(number) for number in range(3)))
    client = graph.sqs_client
    client.delete_message_batch.side_effect = client_error("Throttling")

    def handle(content):
        if content["number"] == 2:
            raise Nack(3)
        return True

    results = graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: handle})

    assert [result.result for result in results] == [SUCCEEDED, SUCCEEDED, RETRIED]
    assert queue.hidden_for == [30, 30, 3]
    assert graph.sqs_message_dispatcher.counts == {"SUCCEEDED": 2, "RETRIED": 1, "SETTLE_FAILED": 2}
    errors = [record for record in caplog.records if record.levelno == ERROR]
    assert len(errors) == 2
    assert all("Throttling" in record.getMessage() and record.exc_info is None for record in errors)


@pytest.mark.parametrize("timeout", ["soon", object()])
def test_a_timeout_that_is_none_keeps_no_other_message(graph, queue, timeout, caplog):
    queue.send(*(parcel(number) for number in range(3)))

    def handle(content):
        raise Nack(timeout if content["number"] == 1 else 0)

    graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: handle})

    assert queue.hidden_for == [0, 30, 0]
    assert graph.sqs_message_dispatcher.counts == {"RETRIED": 3, "SETTLE_FAILED": 1}
    assert [record.exc_info[0] for record in caplog.records if record.levelno == ERROR] == [TypeError]


class DispatcherPolicy(BackoffPolicy):
    def compute_backoff_timeout(self, message, message_timeout):
        return 60 // message.content["number"]


def test_a_policy_that_fails_keeps_no_other_message(make_graph, look_at):
    graph = make_graph(sqs_consumer={"backoff_policy": "DispatcherPolicy"})
    queue = look_at(graph)
    queue.send(parcel(0), parcel(1), parcel(2))

    graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: raising(Nack(1))})

    assert queue.hidden_for == [30, 60, 30]
    assert graph.sqs_message_dispatcher.counts["SETTLE_FAILED"] == 1


def test_observers_are_told_of_what_is_settled(graph, queue):
    queue.send(parcel(1), parcel(2))
    told = []

    def observe(message, result):
        told.append((message.content["number"], result.result, message.settled, len(queue.bodies)))

    dispatcher = SQSMessageDispatcher(
        graph.sqs_consumer,
        graph.sqs_message_handler_registry,
        middleware=graph.pubsub_middleware,
        observers=[observe],
    )
    dispatcher.handle_batch({MEDIA_TYPE: lambda content: True})

    assert told == [(1, SUCCEEDED, True, 0), (2, SUCCEEDED, True, 0)]


class BrokenObserver:
    def __call__(self, message, result):
        raise RuntimeError("broken observer")


def test_an_observer_can_change_nothing(graph, queue, caplog):
    queue.send(parcel(1), parcel(2))
    told = []
    batches = []

    def measure(elapsed_ms, count):
        batches.append((elapsed_ms >= 0, count))
        raise RuntimeError("broken metrics")

    dispatcher = SQSMessageDispatcher(
        graph.sqs_consumer,
        graph.sqs_message_handler_registry,
        middleware=graph.pubsub_middleware,
        observers=[BrokenObserver(), lambda message, result: told.append(result.result)],
        batch_metrics=measure,
    )
    results = dispatcher.handle_batch({MEDIA_TYPE: lambda content: True})

    assert [result.result for result in results] == told == [SUCCEEDED, SUCCEEDED]
    assert queue.bodies == []
    assert batches == [(True, 2)]
    assert dispatcher.counts == Counter(SUCCEEDED=2, OBSERVER_FAILED=3)
    texts = [record.getMessage() for record in caplog.records if record.levelno == WARNING]
    assert texts == ["The observer BrokenObserver failed"] * 2 + ["The batch metrics failed"]


def test_the_graphs_observers(make_graph, look_at, caplog):
    caplog.set_level("INFO")
    OBSERVED.clear()
    graph = make_graph(pubsub_observers={"names": ["dispatcher_test_observer"]})
    look_at(graph).send(parcel(1, **{"x-request-id": "r-1"}))

    graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: lambda content: True})

    assert [(content["number"], result) for content, result in OBSERVED] == [(1, SUCCEEDED)]
    (record,) = [record for record in caplog.records if record.name == "microcosm_pubsub.dispatcher"]
    assert (record.result, record.media_type, getattr(record, "x-request-id")) == ("SUCCEEDED", MEDIA_TYPE, "r-1")


@pytest.mark.parametrize("value", ["0", "many", -1])
def test_settings_that_cannot_work_are_refused(make_graph, value):
    with pytest.raises(ConfigurationError, match="message_max_processing_attempts"):
        make_graph(sqs_message_dispatcher={"message_max_processing_attempts": value})


def test_results_know_what_is_retried():
    assert MessageHandlingResult("a/b", RETRIED).retry
    assert not MessageHandlingResult("a/b", SKIPPED).retry


@pytest.fixture
def make_dispatcher(graph):
    """Make a dispatcher with one handler, that wants its messages in some way."""

    def make(handler, graph=graph, **options):
        registry = SQSMessageHandlerRegistry(graph)
        registry.register(MEDIA_TYPE, handler, HandlerOptions(**options))
        handlers = registry.compute_bound_handlers([])
        dispatcher = SQSMessageDispatcher(graph.sqs_consumer, registry, middleware=graph.pubsub_middleware)
        return lambda: dispatcher.handle_batch(handlers)

    return make


class AsyncHandler:
    def __init__(self):
        self.seen = []

    async def __call__(self, content):
        await asyncio.sleep(0)
        self.seen.append((content["number"], current_message().content["number"]))
        if content["number"] == 2:
            raise Nack(60)
        if content["number"] == 3:
            raise SystemExit(1)
        return content["number"]


def test_async_handlers(graph, queue):
    queue.send(*(parcel(number) for number in range(4)))
    handler = AsyncHandler()

    results = graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: handler})

    assert [result.result for result in results] == [SKIPPED, SUCCEEDED, RETRIED, FAILED]
    assert results[3].exc_info[0] is HandlerError
    assert handler.seen == [(number, number) for number in range(4)]
    assert sorted(queue.hidden_for) == [5, 60]


def test_a_coroutine_that_nobody_would_wait_for_is_no_success(graph, queue):
    queue.send(parcel(1))
    handler = AsyncHandler()

    (result,) = graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: lambda content: handler(content)})

    assert result.result is FAILED
    assert (numbers(queue), handler.seen) == ([1], [])


@pytest.mark.parametrize("asynchronous", [False, True])
def test_batch_handlers(make_dispatcher, queue, asynchronous):
    queue.send(*(parcel(number) for number in range(7)))
    calls, known = [], []

    def handle(contents):
        calls.append([content["number"] for content in contents])
        known.append([message.content["number"] for message in current_messages()])
        return [content["number"] != 4 or Nack(9) for content in contents]

    async def handle_async(contents):
        return handle(contents)

    results = make_dispatcher(handle_async if asynchronous else handle, batch_size=3)()

    assert calls == known == [[0, 1, 2], [3, 4, 5], [6]]
    assert [result.result for result in results] == [*[SUCCEEDED] * 4, RETRIED, *[SUCCEEDED] * 2]
    assert (numbers(queue), queue.hidden_for) == ([4], [9])


def test_what_a_batch_handler_raises_holds_for_all(make_dispatcher, queue):
    queue.send(*(parcel(number) for number in range(3)))

    results = make_dispatcher(raising(SkipMessage("nothing new")), batch_size=10)()

    assert [result.result for result in results] == [SKIPPED] * 3
    assert queue.bodies == []


def test_too_few_values_delete_nothing(make_dispatcher, queue):
    queue.send(*(parcel(number) for number in range(3)))

    results = make_dispatcher(lambda contents: [True], batch_size=10)()

    assert [result.result for result in results] == [FAILED] * 3
    assert "returned 1 values for 3 contents" in str(results[0].exc_info[1])
    assert len(queue.bodies) == 3


def test_a_batch_handler_gets_only_what_can_be_handled(make_dispatcher, queue):
    queue.send(parcel(1), "{not json", parcel(2, **{"x-request-ttl": "0"}), parcel(3))
    calls = []

    results = make_dispatcher(
        lambda contents: calls.append([content["number"] for content in contents]) or True, batch_size=10
    )()

    assert [result.result for result in results] == [SUCCEEDED, FAILED, EXPIRED, SUCCEEDED]
    # neighbours go together; what cannot be decoded has no handler, and stands between them
    assert calls == [[1], [3]]
    assert queue.bodies == ["{not json"]


def test_hops_of_a_batch_are_those_of_its_last_resort(make_dispatcher, graph, queue):
    queue.send(parcel(1, **{"x-request-ttl": "9"}), parcel(2, **{"x-request-ttl": "3"}), parcel(3))
    left = []

    make_dispatcher(lambda contents: left.append(graph.opaque["x-request-ttl"]) or True, batch_size=3)()

    assert left == ["2"]


def test_after_a_failure_in_a_batch_the_rest_of_its_group_is_released(make_dispatcher, fifo):
    graph, queue = fifo
    queue.send(*(parcel(number) for number in range(5)), MessageGroupId="a")
    queue.send(parcel(10), MessageGroupId="b")

    results = make_dispatcher(
        lambda contents: [content["number"] != 1 or RuntimeError("broken") for content in contents],
        graph=graph,
        batch_size=3,
    )()

    assert [result.result for result in results] == [SUCCEEDED, FAILED, RETRIED, RETRIED, RETRIED, SUCCEEDED]
    assert numbers(queue) == [1, 2, 3, 4]
    assert queue.hidden_for == [5, 0, 0, 0]
