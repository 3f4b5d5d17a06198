"""
One call of a batch handler, inside the layers of every message.
"""

from sys import getrecursionlimit
from threading import Thread
from traceback import extract_tb

import pytest

from microcosm_pubsub.dispatcher.batch_run import BatchRun, max_batch_size
from microcosm_pubsub.errors import Nack, SkipMessage
from microcosm_pubsub.message import SQSMessage
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

    return BatchRun(make_messages(count), layers, call_all).run()


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


def test_the_layers_of_all_stand_around_the_one_call():
    told = []

    def layer(call_next, message):
        told.append(("in", message.content))
        try:
            return call_next(message)
        finally:
            told.append(("out", message.content))

    results = run(3, lambda messages: told.append([message.content for message in messages]) or True, layer)

    assert told == [("in", 0), ("in", 1), ("in", 2), [0, 1, 2], ("out", 2), ("out", 1), ("out", 0)]
    assert outcomes(results) == [SUCCEEDED] * 3


@pytest.mark.parametrize("refused", [[0], [1], [2], [0, 2], [1, 2], [0, 1, 2]])
def test_what_a_layer_refuses_the_handler_does_not_get(refused):
    calls = []

    def layer(call_next, message):
        if message.content in refused:
            raise SkipMessage("refused")
        return call_next(message)

    results = run(3, lambda messages: calls.append([message.content for message in messages]) or True, layer)

    accepted = [number for number in range(3) if number not in refused]
    assert calls == ([accepted] if accepted else [])
    assert outcomes(results) == [SKIPPED if number in refused else SUCCEEDED for number in range(3)]


def test_values_go_to_the_messages_that_the_handler_got():
    def layer(call_next, message):
        return call_next(message) if message.content != 1 else False

    results = run(4, lambda messages: [message.content == 3 for message in messages], layer)

    assert outcomes(results) == [SKIPPED, SKIPPED, SKIPPED, SUCCEEDED]


def test_a_layer_may_swallow_change_and_call_twice():
    calls = []

    def swallow(call_next, message):
        try:
            return call_next(message)
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


def test_a_layer_that_fails_on_its_way_out_fails_its_message_alone():
    def layer(call_next, message):
        call_next(message)
        if message.content == 1:
            raise ValueError("on the way out")
        return True

    assert outcomes(run(3, lambda messages: True, layer)) == [SUCCEEDED, FAILED, SUCCEEDED]


def test_an_error_class_among_the_values_is_raised_too():
    """It is truthy: the message would be deleted."""
    results = run(3, lambda messages: [SkipMessage, ValueError, Nack])

    assert outcomes(results) == [SKIPPED, FAILED, FAILED]
    assert results[2].exc_info[0] is TypeError


def test_a_traceback_does_not_grow_from_message_to_message():
    def call(messages):
        raise ValueError("no")

    results = run(30, call, lambda call_next, message: call_next(message))

    lengths = {len(extract_tb(result.exc_info[2])) for result in results}
    assert len(lengths) == 1
    assert all(extract_tb(result.exc_info[2])[-1].name == "call" for result in results)


def test_no_messages():
    assert run(0, lambda messages: pytest.fail("called")) == []


def test_so_many_messages_as_are_allowed_leave_room_for_the_handler():
    layers = [lambda call_next, message: call_next(message)] * 7
    size = max_batch_size(len(layers), getrecursionlimit())
    results = []

    def descend(depth):
        return depth == 0 or descend(depth - 1)

    thread = Thread(target=lambda: results.extend(run(size, lambda messages: descend(200), *layers)))
    thread.start()
    thread.join(60)

    assert size >= 50
    assert outcomes(results) == [SUCCEEDED] * size


def test_more_layers_leave_room_for_fewer_messages():
    sizes = [max_batch_size(layers, 1000) for layers in (0, 5, 10, 50)]

    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] > 0
