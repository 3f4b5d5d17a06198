"""
Units, which are handled at once: a message or a batch, inside the layers around units.

No handler's error gets to these layers: each message has its result by then. A layer that raises, or that returns
something else than a result for each message, has failed all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from time import perf_counter

from microcosm_pubsub.dispatcher.batch_run import BatchCall
from microcosm_pubsub.dispatcher.reason import stays
from microcosm_pubsub.errors import HandlerError, Nack
from microcosm_pubsub.message import Groups, SQSMessage
from microcosm_pubsub.middleware.event_loop import EventLoop
from microcosm_pubsub.middleware.handler_call import PLAIN_ARGUMENTS, Arguments, call_batch_handler, make_handler_call
from microcosm_pubsub.middleware.layer import choose_layers, compose, compose_units
from microcosm_pubsub.registry import HandlerOptions, Route
from microcosm_pubsub.result import MessageHandlingResult, is_interrupt
from microcosm_pubsub.retry import RetryPolicy
from microcosm_pubsub.types import Call, Handler, Layer, UnitCall, UnitLayer


#: Why a message is released that was not handled, or must not count as handled.
NOT_IN_TURN = "An earlier message of its group was not handled"


def iter_units(messages: Iterable[SQSMessage]) -> Iterator[list[SQSMessage]]:
    """Iterate over the units: a message, or neighbours that a batch handler takes."""
    unit: list[SQSMessage] = []
    for message in messages:
        size = get_route(message).options.batch_size
        if unit and (size is None or len(unit) >= size or message.route is not unit[0].route):
            yield unit
            unit = []
        unit.append(message)
    if unit:
        yield unit


def get_route(message: SQSMessage) -> Route:
    """Return the route of a message that was accepted."""
    route = message.route
    assert isinstance(route, Route), "a message is accepted before it is handled"
    return route


def judge(message: SQSMessage, result: MessageHandlingResult) -> None:
    """Let the retry policy of a message's handler decide the fate of a message that stays in its queue."""
    get_route(message).policy.judge(message, result)


def make_route(
    media_type: str | None,
    handler: Handler | None,
    options: HandlerOptions,
    policy: RetryPolicy,
    layers: Iterable[Layer],
    unit_layers: Sequence[UnitLayer],
    loop: EventLoop,
    arguments: Arguments = PLAIN_ARGUMENTS,
) -> Route:
    """
    Return how the messages of a media type are handled.

    :param layers: around each message, the outermost first
    :param unit_layers: around each unit, the outermost first
    :param loop: runs handlers that are coroutine functions
    :param arguments: the handler's arguments
    """
    needed = choose_layers(layers, handler, policy)
    call = compose(needed, make_handler_call(loop, arguments))
    run: UnitCall | None = None
    if options.batch_size is not None:
        run = BatchCall(needed, partial(call_batch_handler, loop, arguments=arguments))
    if unit_layers:
        run = run or partial(run_each, call)
        run = partial(run_contained, compose_units(unit_layers, partial(run_in_turn, run)))
    return Route(media_type, handler, options, policy, call, run)


def run_each(call: Call, messages: Sequence[SQSMessage]) -> list[MessageHandlingResult]:
    """Return the result of each message, handled one by one."""
    return [MessageHandlingResult.capture(call, message) for message in messages]


def run_in_turn(run: UnitCall, messages: Sequence[SQSMessage]) -> list[MessageHandlingResult]:
    """Return the results of messages as unit layers see them: messages after a failure in their group failed."""
    groups = Groups()
    return [hold_back(groups, message, result) for message, result in zip(messages, run(messages), strict=True)]


def hold_back(groups: Groups, message: SQSMessage, result: MessageHandlingResult) -> MessageHandlingResult:
    """Return the result of a message, which is released if an earlier one of its group stays, and note if it stays."""
    if groups.is_blocked(message.fifo_group):
        return make_release(message)
    if stays(message, result):
        groups.block(message.fifo_group)
    return result


def make_release(message: SQSMessage, reason: str = NOT_IN_TURN) -> MessageHandlingResult:
    """Return the result of a message that is not handled now, and why."""
    return MessageHandlingResult.from_error(message, Nack(0, reason=reason))


def run_contained(run: UnitCall, messages: Sequence[SQSMessage]) -> list[MessageHandlingResult]:
    """Return the results that unit layers give; an error that one raises is the result of each message."""
    start = perf_counter()
    # The innermost ring once more: a layer is user code, and whatever it raises is a result.
    try:
        results = list(run(messages))
        if len(results) != len(messages) or not all(isinstance(each, MessageHandlingResult) for each in results):
            raise HandlerError(
                f"A unit layer returned {len(results)} values for {len(messages)} messages; it must return a "
                "MessageHandlingResult for each, in their order"
            )
    except BaseException as error:
        if is_interrupt(error):
            raise
        results = [MessageHandlingResult.from_error(message, error) for message in messages]
    for result in results:
        if result.elapsed_time is None:
            result.elapsed_time = (perf_counter() - start) * 1000
    return results
