"""
What is known while a message is handled.
"""

from contextvars import copy_context
from functools import partial
from threading import Thread

import pytest

from microcosm_pubsub.context import SQSMessageContext, current_message, current_messages, handling
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.message import SQSMessage


def make(opaque_data=None, **more):
    content = {"uri": "http://x", "opaque_data": opaque_data or {}}
    return SQSMessage(**{"consumer": None, "content": content, "media_type": "a/b", "message_id": "m"} | more)


def test_the_names_of_a_message(graph):
    assert isinstance(graph.sqs_message_context, SQSMessageContext)
    assert graph.sqs_message_context(make(receipt_handle="r")) == {
        "message_id": "m",
        "uri": "http://x",
        "receipt_handle": "r",
        "x-request-ttl": "31",
    }
    assert graph.sqs_message_context(make(content=None, receipt_handle=None, message_id=None)) == {
        "x-request-ttl": "31",
    }


@pytest.mark.parametrize(
    ("ttl", "context_ttl"),
    [("5", "4"), (5, "4"), ("1", "0"), ("0", "-1"), ("five", "31")],
)
def test_one_hop_less(graph, ttl, context_ttl):
    for key in ("x-request-ttl", "X-Request-TTL"):
        context = graph.sqs_message_context(make({key: ttl}, receipt_handle=None))
        assert context["x-request-ttl"] == context_ttl
        assert "X-Request-TTL" not in context


def test_opaque_data_and_extra(graph):
    context = graph.sqs_message_context(
        make({"X-Request-Id": "1", "uri": "y"}, receipt_handle=None), message_id="z", a=1
    )

    assert context["x-request-id"] == "1"
    assert context["uri"] == "http://x"
    assert (context["message_id"], context["a"]) == ("z", 1)


@pytest.mark.parametrize(
    ("config", "opaque_data", "expected"),
    [
        ({"enable_ttl": "false"}, {}, None),
        ({"enable_ttl": False}, {"x-request-ttl": "5"}, "5"),
        ({"initial_ttl": "3"}, {}, "2"),
    ],
)
def test_configuration(make_graph, config, opaque_data, expected):
    context = make_graph(sqs_message_context=config).sqs_message_context(make(opaque_data, receipt_handle=None))

    assert context.get("x-request-ttl") == expected


@pytest.mark.parametrize("config", [{"enable_ttl": "maybe"}, {"initial_ttl": "0"}, {"initial_ttl": "many"}])
def test_what_cannot_work_is_refused(make_graph, config):
    with pytest.raises(ConfigurationError, match="sqs_message_context"):
        make_graph(sqs_message_context=config)


def test_the_message_that_is_being_handled():
    first, second = make(receipt_handle="r"), make(receipt_handle="r")

    with handling(first):
        assert current_message() is first
        with handling(second):
            assert current_message() is second
            assert current_messages() == (first, second)
        assert current_messages() == (first,)


def test_elsewhere_there_is_none():
    for current in (current_message, current_messages):
        with pytest.raises(LookupError, match="No message is being handled here"):
            current()


def test_a_thread_of_a_handler_has_a_context_of_its_own_unless_it_is_given():
    message, seen = make(receipt_handle="r"), []

    def look():
        try:
            seen.append(current_message())
        except LookupError:
            seen.append(None)

    with handling(message):
        for target in (look, partial(copy_context().run, look)):
            thread = Thread(target=target)
            thread.start()
            thread.join(30)

    assert seen == [None, message]


def test_what_a_handler_raises_ends_it_too():
    with pytest.raises(ValueError, match="no"), handling(make(receipt_handle="r")):
        raise ValueError("no")
    with pytest.raises(LookupError):
        current_message()
