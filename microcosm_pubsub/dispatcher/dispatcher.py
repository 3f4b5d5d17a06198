"""
From received messages to settled ones: run, settle, notify.

    run       a message through the middleware to its handler -> a result; never raises
    settle    make the results true at the queue, in batches; the only place that does
    notify    tell the observers, who can change nothing

Each step is a ring of its own: what goes wrong with one message inside it stays with that message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from logging import getLogger
from threading import Lock
from time import perf_counter
from typing import Any, Protocol

from microcosm_pubsub.constants import MAX_BATCH_ENTRIES
from microcosm_pubsub.consumer import GivenUp, SQSConsumer
from microcosm_pubsub.dispatcher.batch_run import BatchRun
from microcosm_pubsub.dispatcher.reason import make_reason, name_of, stays
from microcosm_pubsub.errors import Nack, PubSubError, SettleError
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware import compose
from microcosm_pubsub.middleware.event_loop import EventLoop
from microcosm_pubsub.middleware.handler_call import call_batch_handler, call_handler
from microcosm_pubsub.registry import SQSMessageHandlerRegistry
from microcosm_pubsub.result import MessageHandlingResult
from microcosm_pubsub.retry import RetryPolicies, RetryPolicy
from microcosm_pubsub.retry.releases import Releases
from microcosm_pubsub.types import Handled, Handler, Layer, Observer


#: A handled message waits at most so long for others to be settled with it.
MAX_SETTLE_DELAY_SECONDS = 1.0


class BatchSettler(Protocol):
    """What settles messages: a consumer at once, a worker's settler soon. Both return what was not settled."""

    def ack_batch(self, messages: Iterable[SQSMessage]) -> list[SettleError]: ...

    def nack_batch(self, messages: Iterable[tuple[SQSMessage, int | None]]) -> list[SettleError]: ...

    def dead_letter_batch(self, messages: Iterable[GivenUp]) -> list[SettleError]: ...


class SQSMessageDispatcher:
    """
    Handle messages: run, settle, notify.

    :param consumer: receives and settles messages
    :param registry: knows which media type goes to which handler
    :param middleware: layers around each handler, the outermost first
    :param observers: are told of each settled result
    :param batch_metrics: is told of each batch: milliseconds, number of messages
    :param policies: the retry policies of handlers
    :param loop: runs handlers that are coroutine functions
    :param clock: measures time, in seconds
    """

    logger = getLogger("microcosm_pubsub.dispatcher")

    def __init__(
        self,
        consumer: SQSConsumer,
        registry: SQSMessageHandlerRegistry,
        middleware: Iterable[Layer] = (),
        observers: Iterable[Observer] = (),
        batch_metrics: Callable[[float, int], None] | None = None,
        policies: RetryPolicies | None = None,
        loop: EventLoop | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.consumer = consumer
        self.registry = registry
        self.observers = tuple(observers)
        self.batch_metrics = batch_metrics
        self.clock = clock
        self.middleware = tuple(middleware)
        self.policies = policies or RetryPolicies(lambda media_type: None, RetryPolicy())
        self.loop = loop or EventLoop()
        self.call = compose(self.middleware, partial(call_handler, self.loop))
        #: How many results there were of each kind, and how often settling and observing failed.
        self.counts: Counter[str] = Counter()
        self._counting = Lock()
        self.releases = Releases()

    @property
    def sqs_consumer(self) -> SQSConsumer:
        """Return what receives and settles messages."""
        return self.consumer

    @property
    def max_processing_attempts(self) -> int | None:
        """Return after how many attempts a message is given up whose handler's retry policy does not say."""
        return self.policies.default.max_attempts

    @max_processing_attempts.setter
    def max_processing_attempts(self, max_attempts: int | None) -> None:
        self.policies.default = replace(self.policies.default, max_attempts=max_attempts)

    def handle_batch(
        self,
        bound_handlers: Mapping[str, Handler],
        consumer: SQSConsumer | None = None,
        has_time: Callable[[float], bool] = lambda seconds: True,
    ) -> list[MessageHandlingResult]:
        """
        Receive messages once, handle and settle each, and return their results.

        :param bound_handlers: the handler of each media type
        :param consumer: receives the messages, if not the dispatcher's own
        :param has_time: says whether there is time for another message, given the seconds that the longest one took so
            far; from when there is none, messages are released
        :raises ReceiveError: if the receive failed; see `SQSConsumer.consume`
        """
        consumer = consumer or self.consumer
        messages = consumer.consume()
        blocked_groups: set[str] = set()
        start = self.clock()
        handled: list[Handled] = []
        results: list[MessageHandlingResult] = []
        waiting_since = start
        longest = 0.0
        for unit in self._iter_units(messages):
            # from before the first is handled: after a slow one, the next is likely to be slow too
            began = self.clock()
            waiting_since = waiting_since if handled else began
            if has_time(longest):
                outcomes = self._run_unit(unit, blocked_groups, bound_handlers)
            else:
                outcomes = [self.release(message, "There is no time left for it") for message in unit]
            longest = max(longest, self.clock() - began)
            handled.extend(zip(unit, outcomes, strict=True))
            results.extend(result for _, result in handled[-len(unit) :])
            if len(handled) >= MAX_BATCH_ENTRIES or self.clock() - waiting_since >= MAX_SETTLE_DELAY_SECONDS:
                self._finish(handled, consumer)
                handled = []
        self._finish(handled, consumer)
        if messages and self.batch_metrics is not None:
            # as in `notify`
            try:
                self.batch_metrics((self.clock() - start) * 1000, len(messages))
            except Exception:
                self._observer_failed("batch metrics")
        return results

    def handle_message(
        self,
        message: SQSMessage,
        bound_handlers: Mapping[str, Handler],
    ) -> MessageHandlingResult:
        """Handle and settle one message, and return its result."""
        result = self.run(message, bound_handlers)
        self._finish([(message, result)], self.consumer)
        return result

    def run(self, message: SQSMessage, bound_handlers: Mapping[str, Handler]) -> MessageHandlingResult:
        """Run the handler of a message and return the result; settle nothing."""
        if self.registry.find_options(message.media_type).batch_size is not None:
            return self.run_batch([message], bound_handlers)[0]
        self.choose_handler(message, bound_handlers)
        result = MessageHandlingResult.capture(self.call, message)
        self.judge(message, result)
        return result

    def run_batch(
        self,
        messages: Sequence[SQSMessage],
        bound_handlers: Mapping[str, Handler],
    ) -> list[MessageHandlingResult]:
        """Run the batch handler of some messages once, and return the result of each; settle nothing."""
        for message in messages:
            self.choose_handler(message, bound_handlers)
        results = BatchRun(messages, self.middleware, partial(call_batch_handler, self.loop)).run()
        failed_groups: set[str] = set()
        for index, (message, result) in enumerate(zip(messages, results, strict=True)):
            self.judge(message, result)
            if message.fifo_group in failed_groups:
                results[index] = self.release(message)
            elif message.fifo_group and stays(message, result):
                failed_groups.add(message.fifo_group)
        return results

    def judge(self, message: SQSMessage, result: MessageHandlingResult) -> None:
        """Let the retry policy of a message's handler decide what becomes of a message that was not handled."""
        if result.retry or message.error is not None:
            self.policies.find(message.media_type).judge(message, result)

    def choose_handler(self, message: SQSMessage, bound_handlers: Mapping[str, Handler]) -> None:
        """Let a message know the handler that is bound for its media type, or that there is none, and its releases."""
        message.releases = self.releases.count(message)
        try:
            message.handler = self.registry.find(message.media_type or "", bound_handlers)
        except KeyError:
            message.handler = None

    def settle(self, handled: Sequence[Handled], settler: BatchSettler | None = None) -> None:
        """
        Make results true at the queue.

        What the queue does not take is logged and counted; such a message will be received again.

        :param settler: settles, if not the dispatcher's own consumer
        """
        acked: list[SQSMessage] = []
        nacked: list[tuple[SQSMessage, int | None]] = []
        given_up: list[GivenUp] = []
        for message, result in handled:
            if not stays(message, result):
                acked.append(message)
            elif result.dead_letter:
                given_up.append(GivenUp(message, make_reason(message, result), result.retry_timeout_seconds))
            else:
                nacked.append((message, result.retry_timeout_seconds))
        settler = settler or self.consumer
        if acked:
            self._settle(settler.ack_batch, acked)
        if nacked:
            self._settle(settler.nack_batch, nacked)
        if given_up:
            self._settle(settler.dead_letter_batch, given_up)

    def notify(self, message: SQSMessage, result: MessageHandlingResult) -> None:
        """Tell the observers of a result."""
        self.count(result.result.name)
        for observer in self.observers:
            # The outermost ring: observers are foreign code, and can change nothing.
            try:
                observer(message, result)
            except Exception:
                self._observer_failed(f"observer {name_of(observer)}")

    def release(
        self, message: SQSMessage, reason: str = "An earlier message of its group was not handled"
    ) -> MessageHandlingResult:
        """Return the result of a message that is not handled, and why."""
        self.releases.note(message)
        return MessageHandlingResult.from_error(message, Nack(0, reason=reason))

    def count(self, what: str) -> None:
        """Count something that happened."""
        with self._counting:
            self.counts[what] += 1

    def _iter_units(self, messages: Iterable[SQSMessage]) -> Iterator[list[SQSMessage]]:
        """Iterate over what is handled by one call each: a message, or neighbours that a batch handler takes."""
        unit: list[SQSMessage] = []
        size: int | None = None
        for message in messages:
            if not unit or size is None or len(unit) >= size or message.media_type != unit[0].media_type:
                if unit:
                    yield unit
                unit = []
                size = self.registry.find_options(message.media_type).batch_size
            unit.append(message)
        if unit:
            yield unit

    def _run_unit(
        self,
        unit: Sequence[SQSMessage],
        blocked_groups: set[str],
        bound_handlers: Mapping[str, Handler],
    ) -> list[MessageHandlingResult]:
        """Run a unit, but for messages whose group an earlier message blocks, and note the groups that it blocks."""
        free = [message for message in unit if message.fifo_group not in blocked_groups]
        if len(free) == 1:
            results = [self.run(free[0], bound_handlers)]
        else:
            results = self.run_batch(free, bound_handlers) if free else []
        outcomes = dict(zip(map(id, free), results, strict=True))
        for message, result in zip(free, results, strict=True):
            if message.fifo_group and stays(message, result):
                blocked_groups.add(message.fifo_group)
        return [outcomes.get(id(message)) or self.release(message) for message in unit]

    def _finish(self, handled: Sequence[Handled], consumer: SQSConsumer) -> None:
        self.settle(handled, consumer)
        for message, result in handled:
            self.notify(message, result)

    def _settle(self, call: Callable[[Any], list[SettleError]], entries: Sequence[Any]) -> None:
        # The second ring: clients and backoff policies are foreign code, and what they raise must not keep
        # other messages from being settled.
        try:
            errors: list[Exception] = list(call(entries))
        except Exception as error:
            if len(entries) > 1:
                for entry in entries:
                    self._settle(call, [entry])
                return
            errors = [error]
        for failure in errors:
            self.count("SETTLE_FAILED")
            expected = isinstance(failure, PubSubError)
            self.logger.error("%s", failure, exc_info=None if expected else failure)

    def _observer_failed(self, what: str) -> None:
        self.count("OBSERVER_FAILED")
        self.logger.warning("The %s failed", what, exc_info=True)
