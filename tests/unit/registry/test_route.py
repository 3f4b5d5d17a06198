"""
The route of each message.
"""

import pytest

from microcosm_pubsub.decorators import handles
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.retry import RetryPolicy


@handles("application/vnd.route.one", batch_size=3, retry=RetryPolicy(max_attempts=2))
def handle_one(content):
    return True


@handles("application/vnd.route.many.*", timeout_seconds=7)
def handle_many(content):
    return True


@pytest.fixture
def dispatcher(graph):
    return graph.sqs_message_dispatcher


@pytest.fixture
def routes(dispatcher):
    handlers = {"application/vnd.route.one": handle_one, "application/vnd.route.many.*": handle_many}
    return dispatcher.find_routes(handlers)


def test_it_holds_handler_options_and_policy(routes):
    route = routes.find("application/vnd.route.one")

    assert (route.media_type, route.handler) == ("application/vnd.route.one", handle_one)
    assert (route.options.batch_size, route.policy.max_attempts) == (3, 2)


def test_media_types_of_one_pattern_have_one(routes):
    route = routes.find("application/vnd.route.many.a")

    assert route is routes.find("application/vnd.route.many.b")
    assert route.options.timeout_seconds == 7


@pytest.mark.parametrize("media_type", [None, "", "application/vnd.route.none", "application/vnd.route.many.a.b"])
def test_what_nobody_handles_has_one_without_a_handler(routes, media_type):
    assert routes.find(media_type) is routes.unhandled
    assert routes.unhandled.handler is None


def test_it_is_kept_on_the_message(dispatcher, routes):
    message = SQSMessage(None, {}, "application/vnd.route.one", "m", "r")

    dispatcher.accept([message], routes)

    assert message.route is routes.find("application/vnd.route.one")
    assert message.handler is handle_one


def test_a_handler_under_another_key_is_found_by_what_it_is_registered_for(dispatcher):
    routes = dispatcher.find_routes({"any": handle_many})

    route = routes.find("application/vnd.route.many.a")

    assert (route.handler, route.options.timeout_seconds) == (handle_many, 7)
    assert routes.find("application/vnd.route.many.b") is route


def test_routes_are_made_anew_when_something_has_changed(dispatcher):
    handlers = {"application/vnd.route.many.*": handle_many}
    routes = dispatcher.find_routes(handlers)

    assert dispatcher.find_routes(dict(handlers)) is routes
    handlers["application/vnd.route.one"] = handle_one
    assert dispatcher.find_routes(handlers) is not routes
    routes = dispatcher.find_routes(handlers)
    dispatcher.max_processing_attempts = 3
    assert dispatcher.find_routes(handlers).find("application/vnd.route.many.a").policy.max_attempts == 3
    assert dispatcher.find_routes(handlers) is not routes


def test_layers_that_have_nothing_to_do_for_a_handler_cost_it_nothing(graph):
    class Layer:
        def is_needed(self, handler, policy):
            return handler is handle_one

        def __call__(self, call_next, message):
            told.append(message.media_type)
            return call_next(message)

    told = []
    dispatcher = graph.sqs_message_dispatcher
    dispatcher.middleware = (*dispatcher.middleware, Layer())
    handlers = {"a/b": lambda content: True, "a/c": handle_one}

    for media_type in handlers:
        dispatcher.run(SQSMessage(None, {}, media_type, "m", "r"), handlers)

    assert told == ["a/c"]
