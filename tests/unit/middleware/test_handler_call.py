"""
How a handler is called.
"""

from functools import partial, wraps
from types import SimpleNamespace

import pytest

from microcosm_pubsub.errors import HandlerError
from microcosm_pubsub.middleware.event_loop import EventLoop
from microcosm_pubsub.middleware.handler_call import call, call_batch_handler, is_async, make_handler_call


@pytest.fixture
def loop():
    return EventLoop()


class Counting:
    def __call__(self, content):
        return content


class AsyncCounting:
    async def __call__(self, content):
        return content

    async def method(self, content):
        return content


async def handle(content):
    return content


def hide(handler):
    @wraps(handler)
    def hidden(content):
        return handler(content)

    return hidden


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (handle, True),
        (AsyncCounting(), True),
        (AsyncCounting().method, True),
        (partial(handle), True),
        (Counting(), False),
        (lambda content: content, False),
        (hide(handle), False),
        (print, False),
    ],
)
def test_which_handlers_are_async(handler, expected):
    assert is_async(handler) is expected


@pytest.mark.parametrize("handler", [handle, AsyncCounting(), Counting(), lambda content: content])
@pytest.mark.parametrize("content", [True, False, None, {"a": 1}, [1]])
def test_the_value_is_the_handlers(loop, handler, content):
    assert call(loop, handler, content) == content
    assert make_handler_call(loop)(SimpleNamespace(handler=handler, content=content)) == content


def generate(content):
    yield content


async def generate_async(content):
    yield content


@pytest.mark.parametrize("handler", [hide(handle), lambda content: handle(content), hide(AsyncCounting())])
def test_a_coroutine_of_a_plain_function_is_refused(loop, handler):
    with pytest.raises(HandlerError, match="is no coroutine function, but returned a coroutine"):
        call(loop, handler, 1)


@pytest.mark.parametrize("handler", [generate, generate_async, lambda content: (x for x in [content])])
def test_a_generator_is_refused_since_nobody_runs_it(loop, handler):
    with pytest.raises(HandlerError, match="returned a generator, which nobody runs"):
        call(loop, handler, 1)


def batch(handler, size=3):
    return [SimpleNamespace(handler=handler, content=number) for number in range(size)]


@pytest.mark.parametrize(
    ("returned", "values"),
    [
        (True, [True] * 3),
        (None, [None] * 3),
        ("yes", ["yes"] * 3),
        ([True, False, None], [True, False, None]),
        ((1, 0, 1), [1, 0, 1]),
        ({"a": 1}, [{"a": 1}] * 3),
    ],
)
def test_a_batch_handler_answers_for_each_or_for_all(loop, returned, values):
    seen = []

    def handler(contents):
        seen.append(contents)
        return returned

    async def async_handler(contents):
        return handler(contents)

    assert call_batch_handler(loop, batch(handler)) == values
    assert call_batch_handler(loop, batch(async_handler)) == values
    assert seen == [[0, 1, 2]] * 2


@pytest.mark.parametrize("returned", [[], [True], (True,) * 4])
def test_as_many_answers_as_contents(loop, returned):
    with pytest.raises(HandlerError, match=rf"returned {len(returned)} values for 3 contents"):
        call_batch_handler(loop, batch(lambda contents: returned))


@pytest.mark.parametrize(
    "handler",
    [
        lambda contents: (content for content in contents),
        lambda contents: map(str, contents),
        lambda contents: iter(contents),
    ],
)
def test_answers_that_are_still_to_be_computed_are_refused(loop, handler):
    with pytest.raises(HandlerError, match="which nobody runs"):
        call_batch_handler(loop, batch(handler))


def test_a_coroutine_among_the_answers_fails_its_message_alone(loop):
    first, second, third = call_batch_handler(loop, batch(lambda contents: [True, handle(1), False]))

    assert (first, third) == (True, False)
    assert isinstance(second, HandlerError)
