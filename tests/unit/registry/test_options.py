"""
How one handler wants its messages.
"""

from functools import wraps

import pytest

from microcosm_pubsub.decorators import handles
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.registry import SQSMessageHandlerRegistry
from microcosm_pubsub.registry.options import DEFAULT_OPTIONS, HandlerOptions


def test_none_are_needed():
    assert HandlerOptions.make({}) == DEFAULT_OPTIONS == HandlerOptions(None, None, 0.0)


def test_all_of_them():
    options = HandlerOptions.make({"timeout_seconds": 1.5, "batch_size": 50, "batch_window_seconds": 2})

    assert options == HandlerOptions(timeout_seconds=1.5, batch_size=50, batch_window_seconds=2)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"timeout_seconds": 0}, "timeout_seconds is 0, but must be a number of seconds above 0"),
        ({"timeout_seconds": -1}, "timeout_seconds is -1"),
        ({"timeout_seconds": "5"}, "timeout_seconds is '5'"),
        ({"timeout_seconds": True}, "timeout_seconds is True"),
        ({"timeout_seconds": float("nan")}, "timeout_seconds is nan"),
        ({"timeout_seconds": float("inf")}, "timeout_seconds is inf"),
        ({"batch_size": 0}, "batch_size is 0, but must be a whole number from 1"),
        ({"batch_size": 2.0}, "batch_size is 2.0"),
        ({"batch_size": "ten"}, "batch_size is 'ten'"),
        ({"batch_size": 2, "batch_window_seconds": -1}, "batch_window_seconds is -1, but must be a number of seconds"),
        ({"batch_window_seconds": 1}, "batch_window_seconds is of use with batch_size alone"),
        (
            {"batches": 1, "bach_size": 1},
            "there is no option bach_size, batches; the options are timeout_seconds,",
        ),
    ],
)
def test_what_cannot_work_is_refused_where_it_is_written(options, text):
    with pytest.raises(ConfigurationError, match=f"^@handles of handle_options: {text}"):
        handles("application/vnd.options.refused", **options)(handle_options)


@handles("application/vnd.options.batch", batch_size=3)
@handles("application/vnd.options.many.*", timeout_seconds=7)
def handle_options(content):
    return True


@handles("application/vnd.options.class", batch_size=5)
class HandleOptions:
    def __call__(self, contents):
        return True


def test_the_registry_knows_those_of_a_bound_handler(graph):
    registry: SQSMessageHandlerRegistry = graph.sqs_message_handler_registry
    bound = registry.compute_bound_handlers([])

    assert registry.find_options("application/vnd.options.batch", handle_options).batch_size == 3
    assert registry.find_options("application/vnd.options.many.*", handle_options).timeout_seconds == 7
    assert registry.find_options("application/vnd.options.none", handle_options) == DEFAULT_OPTIONS
    instance = bound["application/vnd.options.class"]
    assert registry.find_options("application/vnd.options.class", instance).batch_size == 5


def test_a_handler_that_stands_in_for_another_has_options_of_its_own(graph):
    registry: SQSMessageHandlerRegistry = graph.sqs_message_handler_registry

    assert registry.find_options("application/vnd.options.batch", lambda content: True) == DEFAULT_OPTIONS


def test_one_that_wraps_another_has_its_options(graph):
    registry: SQSMessageHandlerRegistry = graph.sqs_message_handler_registry

    @wraps(handle_options)
    def wrapper(content):
        return handle_options(content)

    assert registry.find_options("application/vnd.options.batch", wrapper).batch_size == 3
