"""
What wraps the handler of one message.
"""

from logging import getLogger

import pytest
from microcosm.api import binding

from microcosm_pubsub.errors import AttemptsExhausted, DecodeError, IgnoreMessage, TTLExpired
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware import compose
from microcosm_pubsub.middleware.attempts import limit_attempts
from microcosm_pubsub.middleware.context import provide_context
from microcosm_pubsub.middleware.decodable import refuse_undecodable
from microcosm_pubsub.middleware.known import ignore_unknown
from microcosm_pubsub.middleware.ttl import expire


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
    layer = limit_attempts(allowed)
    message = make(approximate_receive_count=received)

    if exhausted:
        with pytest.raises(AttemptsExhausted, match=rf"m was received {received} times, {allowed} are allowed"):
            layer(call_next, message)
    else:
        assert layer(call_next, message) == "called"


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
            ignore_unknown(call_next, message)
    else:
        assert ignore_unknown(call_next, message) == "called"


def test_context(graph, caplog):
    _ = graph.sqs_message_dispatcher
    layer = provide_context(graph.opaque, graph.sqs_message_context)
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
    layer = provide_context(graph.opaque, graph.sqs_message_context)

    with pytest.raises(ZeroDivisionError):
        layer(lambda message: 1 / 0, make())

    assert dict(graph.opaque) == {}


def test_the_list(make_graph):
    assert len(make_graph().pubsub_middleware) == 5

    graph = make_graph(pubsub_middleware={"names": "middleware_test_layer"})

    assert graph.pubsub_middleware[-1] is graph.middleware_test_layer
    assert compose(graph.pubsub_middleware, call_next)(make(handler=call_next)) == ["own", "called"]
