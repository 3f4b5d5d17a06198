"""
One call of a batch handler, inside the layers of every message.

The layers of these tests are written as generators, and tried as they are and as plain functions.
"""

from threading import Thread
from traceback import extract_tb

import pytest

from microcosm_pubsub.dispatcher.batch_run import MAX_NESTED_LAYERS, BatchCall
from microcosm_pubsub.errors import Nack, SkipMessage
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware import Check, around
from microcosm_pubsub.result import MessageHandlingResultType


SUCCEEDED, SKIPPED, IGNORED, EXPIRED, RETRIED, FAILED = MessageHandlingResultType


def make_messages(count):
    return [
        SQSMessage(consumer=None, content=number, media_type="a/b", message_id=str(number), receipt_handle="r")
        for number in range(count)
    ]


def run(count, call, *layers):
    def call_all(messages):
        value = call(messages)
        return value if isinstance(value, list) else [value] * len(messages)

    return BatchCall(layers, call_all)(make_messages(count))


def plainly(layer):
    """Return a layer as a plain function, which waits on the stack."""
    return lambda call_next, message: layer(call_next, message)


@pytest.fixture(params=["flat", "plain"])
def shape(request):
    """Give what turns a generator function into a layer."""
    return around if request.param == "flat" else lambda steps: plainly(around(steps))


def outcomes(results):
    return [result.result for result in results]


def test_each_message_has_its_own_result():
    values = [True, False, SkipMessage("why"), Nack(7), ValueError("no"), SystemExit(1), None]

    results = run(len(values), lambda messages: values)

    assert outcomes(results) == [SUCCEEDED, SKIPPED, SKIPPED, RETRIED, FAILED, FAILED, SKIPPED]
    assert results[3].retry_timeout_seconds == 7
    assert results[4].exc_info[0] is ValueError
    assert all(result.elapsed_time >= 0 for result in results)


@pytest.mark.parametrize(
    ("error", "outcome"), [(Nack(3), RETRIED), (ValueError("no"), FAILED), (KeyboardInterrupt(), FAILED)]
)
def test_what_is_raised_holds_for_all(error, outcome):
    results = []

    def call(messages):
        raise error

    # an interruption of the main thread is not the handler's
    thread = Thread(target=lambda: results.extend(run(3, call)))
    thread.start()
    thread.join(30)

    assert outcomes(results) == [outcome] * 3


def test_who_looks_on_may_interrupt():
    def call(messages):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(3, call)


def test_the_layers_of_all_stand_around_the_one_call(shape):
    told = []

    @shape
    def layer(message):
        told.append(("in", message.content))
        try:
            return (yield)
        finally:
            told.append(("out", message.content))

    results = run(3, lambda messages: told.append([message.content for message in messages]) or True, layer)

    assert told == [("in", 0), ("in", 1), ("in", 2), [0, 1, 2], ("out", 2), ("out", 1), ("out", 0)]
    assert outcomes(results) == [SUCCEEDED] * 3


def test_flat_layers_may_stand_around_plain_ones_and_inside():
    told = []

    def make(name):
        @around
        def layer(message):
            told.append(f"{name}{message.content}")
            value = yield
            told.append(f"{name}{message.content}")
            return value

        return layer

    results = run(2, lambda messages: True, make("a"), plainly(make("b")), make("c"))

    assert told == ["a0", "b0", "c0", "a1", "b1", "c1", "c1", "b1", "a1", "c0", "b0", "a0"]
    assert outcomes(results) == [SUCCEEDED] * 2


@pytest.mark.parametrize("refused", [[0], [1], [2], [0, 2], [1, 2], [0, 1, 2]])
@pytest.mark.parametrize("as_layer", [Check, lambda check: plainly(Check(check))])
def test_what_a_layer_refuses_the_handler_does_not_get(refused, as_layer):
    calls, left = [], []

    @around
    def outer(message):
        try:
            return (yield)
        finally:
            left.append(message.content)

    @as_layer
    def layer(message):
        if message.content in refused:
            raise SkipMessage("refused")

    results = run(3, lambda messages: calls.append([message.content for message in messages]) or True, outer, layer)

    accepted = [number for number in range(3) if number not in refused]
    assert calls == ([accepted] if accepted else [])
    assert outcomes(results) == [SKIPPED if number in refused else SUCCEEDED for number in range(3)]
    assert left == [*refused, *reversed(accepted)]


def test_values_go_to_the_messages_that_the_handler_got(shape):
    @shape
    def layer(message):
        if message.content == 1:
            return False
        return (yield)

    results = run(4, lambda messages: [message.content == 3 for message in messages], layer)

    assert outcomes(results) == [SKIPPED, SKIPPED, SKIPPED, SUCCEEDED]


def test_a_layer_may_swallow_change_and_call_twice(shape):
    calls = []

    @shape
    def swallow(message):
        try:
            return (yield)
        except ValueError:
            return message.content == 0

    def twice(call_next, message):
        call_next(message)
        return call_next(message)

    def call(messages):
        calls.append(len(messages))
        return [ValueError("a") if message.content < 2 else True for message in messages]

    assert outcomes(run(3, call, swallow, twice)) == [SUCCEEDED, SKIPPED, SUCCEEDED]
    assert calls == [3]


def test_a_layer_that_fails_on_its_way_out_fails_its_message_alone(shape):
    @shape
    def layer(message):
        yield
        if message.content == 1:
            raise ValueError("on the way out")
        return True

    assert outcomes(run(3, lambda messages: True, layer)) == [SUCCEEDED, FAILED, SUCCEEDED]


def test_a_layer_that_yields_twice_fails_its_message(shape):
    @shape
    def layer(message):
        yield
        if message.content == 1:
            yield
        return True

    results = run(3, lambda messages: True, layer)

    assert outcomes(results) == [SUCCEEDED, FAILED, SUCCEEDED]
    assert "yields more than once" in str(results[1].exc_info[1])


def test_what_the_handler_raises_comes_out_as_it_is(shape):
    """Python turns a StopIteration that leaves a generator into another error."""

    def call(messages):
        raise StopIteration("mine")

    results = run(2, call, shape(lambda message: (yield)))

    assert [result.exc_info[0] for result in results] == [StopIteration] * 2


def test_an_error_class_among_the_values_is_raised_too():
    """It is truthy: the message would be deleted."""
    results = run(3, lambda messages: [SkipMessage, ValueError, Nack])

    assert outcomes(results) == [SKIPPED, FAILED, FAILED]
    assert results[2].exc_info[0] is TypeError


def test_a_traceback_does_not_grow_from_message_to_message(shape):
    def call(messages):
        raise ValueError("no")

    results = run(30, call, shape(lambda message: (yield)))

    lengths = {len(extract_tb(result.exc_info[2])) for result in results}
    assert len(lengths) == 1
    assert all(extract_tb(result.exc_info[2])[-1].name == "call" for result in results)


def test_no_messages():
    assert run(0, lambda messages: pytest.fail("called")) == []


def descend(depth):
    return depth == 0 or descend(depth - 1)


def test_a_batch_may_have_any_size():
    layers = [around(lambda message: (yield)), Check(lambda message: None)] * 5
    sizes = []

    results = run(5000, lambda messages: sizes.append(len(messages)) or descend(800), *layers)

    assert sizes == [5000]
    assert outcomes(results) == [SUCCEEDED] * 5000


@pytest.mark.parametrize(("layers", "size"), [(1, 100), (7, 14), (150, 1)])
def test_one_whose_layers_must_wait_on_the_stack_is_split(layers, size):
    sizes = []

    results = run(
        250,
        lambda messages: sizes.append(len(messages)) or descend(200),
        *[lambda call_next, message: call_next(message)] * layers,
    )

    assert max(sizes) == size == max(1, MAX_NESTED_LAYERS // layers)
    assert sum(sizes) == 250
    assert outcomes(results) == [SUCCEEDED] * 250
