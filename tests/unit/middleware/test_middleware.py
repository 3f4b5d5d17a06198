"""
What wraps the handler of one message.
"""

from asyncio import CancelledError
from concurrent.futures import ThreadPoolExecutor
from logging import getLogger
from types import SimpleNamespace

import pytest
from microcosm.api import binding

from microcosm_pubsub.errors import (
    AttemptsExhausted,
    DeadLetter,
    DecodeError,
    HandlerSignal,
    IgnoreMessage,
    Nack,
    SkipMessage,
    TTLExpired,
    UnhandledMessage,
)
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware import compose
from microcosm_pubsub.middleware.attempts import limit_attempts
from microcosm_pubsub.middleware.context import ProvideContext
from microcosm_pubsub.middleware.decodable import refuse_undecodable
from microcosm_pubsub.middleware.event_loop import EventLoop
from microcosm_pubsub.middleware.hooks import Hooks
from microcosm_pubsub.middleware.ttl import expire
from microcosm_pubsub.middleware.unhandled import MAX_COUNTED, OTHERS, UnhandledMessages
from microcosm_pubsub.retry import RetryPolicy


def make(**more):
    return SQSMessage(
        **{"consumer": None, "content": {}, "media_type": "a/b", "message_id": "m", "receipt_handle": "r"} | more
    )


def call_next(message):
    return "called"


@binding("middleware_test_layer")
def configure_layer(graph):
    def layer(call_next, message):
        return ["own", call_next(message)]

    return layer


def test_layers_are_called_from_the_outside_in():
    def layer(name):
        return lambda call_next, message: [name, *call_next(message)]

    call = compose([layer("a"), layer("b")], lambda message: [message])

    assert call("m") == ["a", "b", "m"]
    assert compose([], call_next)("m") == "called"


def test_undecodable():
    error = DecodeError("not JSON")

    assert refuse_undecodable(call_next, make()) == "called"
    with pytest.raises(DecodeError) as raised:
        refuse_undecodable(call_next, make(error=error))
    assert raised.value is error


@pytest.mark.parametrize(("ttl", "expired"), [(None, False), ("1", False), ("0", True), ("-5", True), ("x", False)])
def test_ttl(ttl, expired):
    message = make(content={"opaque_data": {"x-request-ttl": ttl}})

    if expired:
        with pytest.raises(TTLExpired) as raised:
            expire(call_next, message)
        assert raised.value.extra == {"ttl": int(ttl)}
    else:
        assert expire(call_next, message) == "called"


@pytest.mark.parametrize(
    ("allowed", "received", "exhausted"),
    [(None, 99, False), (3, None, False), (3, 3, False), (3, 4, True), (1, 2, True)],
)
def test_attempts(allowed, received, exhausted):
    policy = RetryPolicy(max_attempts=allowed)
    message = make(approximate_receive_count=received, route=SimpleNamespace(policy=policy))

    if exhausted:
        with pytest.raises(AttemptsExhausted, match=rf"m was received {received} times, {allowed} are allowed"):
            limit_attempts(call_next, message)
    else:
        assert limit_attempts(call_next, message) == "called"
    assert limit_attempts.is_needed(None, policy) == (allowed is not None)


@pytest.mark.parametrize(
    ("content", "handler", "reason"),
    [
        ({}, call_next, None),
        ([], call_next, None),
        (None, call_next, "No schema"),
        ({}, None, "No handler"),
        (None, None, "No schema"),
    ],
)
def test_unknown(content, handler, reason):
    message = make(content=content, handler=handler)

    if reason:
        with pytest.raises(IgnoreMessage, match=reason):
            UnhandledMessages()(call_next, message)
    else:
        assert UnhandledMessages()(call_next, message) == "called"


def test_context(graph, caplog):
    _ = graph.sqs_message_dispatcher
    layer = ProvideContext(graph.opaque, graph.sqs_message_context)
    seen = {}

    def look(message):
        seen.update(graph.opaque)
        getLogger("tests.middleware").warning("handling")
        return "looked"

    message = make(content={"uri": "http://x", "opaque_data": {"X-Request-Id": "1", "x-request-ttl": "5"}})
    assert layer(look, message) == "looked"

    assert seen == {
        "message_id": "m",
        "uri": "http://x",
        "receipt_handle": "r",
        "x-request-id": "1",
        "x-request-ttl": "4",
    }
    (record,) = [record for record in caplog.records if record.name == "tests.middleware"]
    assert (record.message_id, getattr(record, "x-request-id")) == ("m", "1")
    assert dict(graph.opaque) == {}


def test_context_ends_with_an_error(graph):
    layer = ProvideContext(graph.opaque, graph.sqs_message_context)

    with pytest.raises(ZeroDivisionError):
        layer(lambda message: 1 / 0, make())

    assert dict(graph.opaque) == {}


def test_the_list(make_graph):
    assert len(make_graph().pubsub_middleware) == 6

    graph = make_graph(pubsub_middleware={"names": "middleware_test_layer"})

    assert graph.pubsub_middleware[-2] is graph.middleware_test_layer
    assert compose(graph.pubsub_middleware, call_next)(make(handler=call_next)) == ["own", "called"]


@pytest.mark.parametrize(
    ("action", "error"), [("ack", IgnoreMessage), ("nack", UnhandledMessage), ("dead_letter", DeadLetter)]
)
def test_what_nobody_handles(caplog, action, error):
    layer = UnhandledMessages(action, ignore=["known.*"])

    for _ in range(3):
        with pytest.raises(error, match="No handler"):
            layer(call_next, make(media_type="a/b"))
    with pytest.raises(IgnoreMessage):
        layer(call_next, make(media_type="known.thing"))

    assert layer.counts == {"a/b": 3}
    # one warning for each media type
    assert len(caplog.records) == 1
    assert "a/b" in caplog.text


def test_media_types_from_anybody_are_counted_up_to_a_limit():
    layer = UnhandledMessages()

    for number in range(MAX_COUNTED + 50):
        with pytest.raises(IgnoreMessage):
            layer(call_next, make(media_type=f"a/{number}"))

    assert len(layer.counts) == MAX_COUNTED + 1
    assert layer.counts[OTHERS] == 50


class Hooked:
    def __init__(self, outcome=None, breaks=()):
        self.calls = []
        self.outcome = outcome
        self.breaks = breaks

    def note(self, name, *args):
        self.calls.append((name, *args))
        if name in self.breaks:
            raise ValueError(name)

    def on_start(self, message):
        self.note("on_start")

    def on_success(self, message, result):
        self.note("on_success", result)

    async def on_error(self, message, error):
        self.note("on_error", str(error))
        return self.outcome


def failing(error):
    def call_next(message):
        raise error

    return call_next


def test_hooks_of_a_success():
    handler = Hooked()

    assert Hooks(EventLoop())(call_next, make(handler=handler)) == "called"

    assert handler.calls == [("on_start",), ("on_success", "called")]


@pytest.mark.parametrize("outcome", [Nack(7), SkipMessage("enough"), DeadLetter("no use"), None, "anything"])
def test_hooks_of_an_error_choose_the_outcome(outcome):
    handler = Hooked(outcome)
    error = RuntimeError("broken")

    with pytest.raises(type(outcome) if isinstance(outcome, HandlerSignal) else RuntimeError) as raised:
        Hooks(EventLoop())(failing(error), make(handler=handler))

    assert raised.value is (outcome if isinstance(outcome, HandlerSignal) else error)
    assert handler.calls == [("on_start",), ("on_error", "broken")]


def test_an_outcome_is_no_error_to_a_hook():
    handler = Hooked()

    with pytest.raises(Nack):
        Hooks(EventLoop())(failing(Nack(3)), make(handler=handler))

    assert handler.calls == [("on_start",)]


@pytest.mark.parametrize("error", [SystemExit(3), CancelledError(), KeyboardInterrupt()], ids=repr)
def test_hooks_stand_what_would_end_the_program(error):
    class Ending(Hooked):
        def note(self, name, *args):
            super().note(name, *args)
            raise error

    handler = Ending()
    hooks = Hooks(EventLoop())

    with ThreadPoolExecutor() as pool:
        assert pool.submit(hooks, call_next, make(handler=handler)).result() == "called"
        raised = pool.submit(hooks, failing(error), make(handler=handler)).exception()

    assert raised is error
    assert handler.calls == [("on_start",), ("on_success", "called"), ("on_start",), ("on_error", str(error))]
    assert hooks.failures == 4


def test_an_interrupt_of_the_program_is_told_to_no_hook():
    handler = Hooked()

    with pytest.raises(KeyboardInterrupt):
        Hooks(EventLoop())(failing(KeyboardInterrupt()), make(handler=handler))

    assert handler.calls == [("on_start",)]


def test_a_hook_that_fails_changes_nothing(caplog):
    handler = Hooked(breaks=("on_start", "on_success", "on_error"))
    hooks = Hooks(EventLoop())

    assert hooks(call_next, make(handler=handler)) == "called"
    with pytest.raises(RuntimeError):
        hooks(failing(RuntimeError()), make(handler=handler))

    assert hooks.failures == 4
    assert "The hook on_success of Hooked failed" in caplog.text
