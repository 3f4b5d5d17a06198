"""
From received messages to settled ones: run, settle, notify.

    run       a message through the middleware to its handler -> a result; never raises
    settle    make the results true at the queue, in batches; the only place that does
    notify    tell the observers, who can change nothing

Each step is a ring of its own: what goes wrong with one message inside it stays with that message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from logging import getLogger
from threading import Lock
from time import perf_counter

from microcosm_pubsub.config.fork import renew_lock_in_child
from microcosm_pubsub.constants import MAX_BATCH_ENTRIES
from microcosm_pubsub.consumer import SQSConsumer
from microcosm_pubsub.dispatcher.arguments import ArgumentFinder
from microcosm_pubsub.dispatcher.outgoing import send_outgoing
from microcosm_pubsub.dispatcher.reason import stays
from microcosm_pubsub.dispatcher.routes import RouteMaker
from microcosm_pubsub.dispatcher.settling import BatchSettler, choose_settler, settle_results
from microcosm_pubsub.dispatcher.stand_in import to_message
from microcosm_pubsub.dispatcher.unit import NOT_IN_TURN, hold_back, iter_units, judge, make_release
from microcosm_pubsub.errors import PubSubError
from microcosm_pubsub.message import Groups, RecentCounts, SQSMessage
from microcosm_pubsub.middleware.event_loop import EventLoop
from microcosm_pubsub.registry import (
    Route,
    Routes,
    SQSMessageHandlerRegistry,
)
from microcosm_pubsub.registry.media_type import describe_name
from microcosm_pubsub.result import MessageHandlingResult
from microcosm_pubsub.retry import RetryPolicies, RetryPolicy
from microcosm_pubsub.types import Handled, Handler, Layer, Observer, Traces, UnitCall, UnitLayer


#: A handled message waits at most this many seconds for others to be settled with it.
MAX_SETTLE_DELAY_SECONDS = 1.0


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
    :param unit_middleware: layers around each message, or batch, outside of the others; the outermost first
    :param arguments: finds what handlers ask for beside their content
    :param traces: makes the spans of receives and of handlers, if any are wanted
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
        unit_middleware: Iterable[UnitLayer] = (),
        arguments: ArgumentFinder | None = None,
        traces: Traces | None = None,
    ) -> None:
        self.consumer = consumer
        self.registry = registry
        self.observers = tuple(observers)
        self.batch_metrics = batch_metrics
        self.clock = clock
        self.middleware = tuple(middleware)
        self.policies = policies or RetryPolicies(RetryPolicy())
        self.loop = loop or EventLoop()
        self.unit_middleware = tuple(unit_middleware)
        self.arguments = arguments
        self.traces = traces
        self._routes: tuple[RetryPolicies, Routes] | None = None
        #: The number of results of each kind, and of failures of settling and observing.
        self.counts: Counter[str] = Counter()
        self._counting = Lock()
        renew_lock_in_child(self, "_counting")
        #: The number of releases of each message: SQS counts these receives, but they are no attempts.
        self.releases = RecentCounts()

    @property
    def sqs_consumer(self) -> SQSConsumer:
        """Return the consumer, which receives and settles messages."""
        return self.consumer

    @property
    def max_processing_attempts(self) -> int | None:
        """Return after how many attempts a message is given up whose handler's retry policy does not say."""
        return self.policies.default.max_attempts

    @max_processing_attempts.setter
    def max_processing_attempts(self, max_attempts: int | None) -> None:
        self.policies = RetryPolicies(replace(self.policies.default, max_attempts=max_attempts))

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
        begun = self.clock()
        messages = list(map(to_message, consumer.consume()))
        settler = choose_settler(messages, consumer)
        self.received(messages, self.clock() - begun)
        self.accept(messages, self.find_routes(bound_handlers))
        groups = Groups()
        start = self.clock()
        handled: list[Handled] = []
        results: list[MessageHandlingResult] = []
        waiting_since = start
        longest = 0.0
        for unit in iter_units(messages):
            # Each unit is timed: after a slow one, the next is likely to be slow too.
            began = self.clock()
            waiting_since = waiting_since if handled else began
            if has_time(longest):
                outcomes = self._run_in_turn(unit, groups)
            else:
                outcomes = [self.release(message, "There is no time left for it") for message in unit]
            longest = max(longest, self.clock() - began)
            handled.extend(zip(unit, outcomes, strict=True))
            results.extend(result for _, result in handled[-len(unit) :])
            if len(handled) >= MAX_BATCH_ENTRIES or self.clock() - waiting_since >= MAX_SETTLE_DELAY_SECONDS:
                self._finish(handled, settler)
                handled = []
        self._finish(handled, settler)
        if messages and self.batch_metrics is not None:
            # The reason is that of `notify`.
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
        message = to_message(message)
        result = self.run(message, bound_handlers)
        self._finish([(message, result)], choose_settler([message], self.consumer))
        return result

    def run(self, message: SQSMessage, bound_handlers: Mapping[str, Handler]) -> MessageHandlingResult:
        """Run the handler of a message, send its answer, if it has one, and return the result; settle nothing."""
        self.accept([message], self.find_routes(bound_handlers))
        return send_outgoing(message, self.run_unit([message])[0])

    def find_routes(self, bound_handlers: Mapping[str, Handler]) -> Routes:
        """Return the routes of bound handlers: those of the last call, if nothing has changed since."""
        policies, routes = self._routes or (None, None)
        if routes is None or policies is not self.policies or not routes.are_of(bound_handlers):
            maker = RouteMaker(
                self.registry, self.policies, self.middleware, self.unit_middleware, self.loop, self.arguments
            )
            routes = Routes(bound_handlers, self.registry, maker.make)
            self._routes = (self.policies, routes)
        return routes

    def received(self, messages: Sequence[SQSMessage], seconds: float) -> None:
        """Tell the traces the messages of a receive, and how long it took."""
        if self.traces is not None and messages:
            self.traces.received(messages, seconds)

    def accept(self, messages: Iterable[SQSMessage], routes: Routes) -> None:
        """Let messages know how they are handled here, and how often they were released."""
        for message in messages:
            route = routes.find(message.media_type)
            if route.find_name is not None:
                route = route.choose(message)
            message.route = route
            message.handler = route.handler
            if self.releases.counts:
                message.releases = self.releases.count(message.message_id)

    def run_unit(self, messages: Sequence[SQSMessage]) -> list[MessageHandlingResult]:
        """
        Handle messages by one call of their handler, and return the result of each; send and settle nothing.

        :param messages: accepted ones of one route: a single one, or several if its handler takes batches
        """
        return self._run_unit(messages) if self.traces is None else self.traces.handle(self._run_unit, messages)

    def _run_unit(self, messages: Sequence[SQSMessage]) -> list[MessageHandlingResult]:
        route = messages[0].route
        assert isinstance(route, Route), "messages are accepted before they are handled"
        if route.run is not None:
            results = self._run_in_layers(route.run, messages)
        else:
            (message,) = messages
            result = MessageHandlingResult.capture(route.call, message)
            if result.result.retry or message.error is not None:
                judge(message, result)
            results = [result]
        if route.name is not None:
            for result in results:
                result.extra["method"] = route.name
        return results

    def _run_in_layers(self, run: UnitCall, messages: Sequence[SQSMessage]) -> list[MessageHandlingResult]:
        groups = Groups()
        results = []
        for message, result in zip(messages, run(messages), strict=True):
            held = hold_back(groups, message, result)
            if held is not result:
                self.releases.add(message.message_id)
            elif stays(message, result):
                judge(message, result)
            results.append(held)
        return results

    def settle(self, handled: Sequence[Handled], settler: BatchSettler | None = None) -> list[SQSMessage]:
        """
        Make results true at the queue, and return the messages that stay there.

        A message that the queue does not take is logged and counted, and will be received again.

        :param settler: settles, if not the dispatcher's own consumer
        """
        return settle_results(handled, settler or self.consumer, self._settle_failed)

    def notify(self, message: SQSMessage, result: MessageHandlingResult) -> None:
        """Tell the observers of a result."""
        with self._counting:
            self.counts[result.result._name_] += 1
        for observer in self.observers:
            # The outermost ring: observers are user code, and can change nothing.
            try:
                observer(message, result)
            except Exception:
                self._observer_failed(f"observer {describe_name(observer)}")

    def release(self, message: SQSMessage, reason: str = NOT_IN_TURN) -> MessageHandlingResult:
        """Return the result of a message that is not handled, and why."""
        self.releases.add(message.message_id)
        return make_release(message, reason)

    def count(self, what: str) -> None:
        """Count something that happened."""
        with self._counting:
            self.counts[what] += 1

    def _run_in_turn(self, unit: Sequence[SQSMessage], groups: Groups) -> list[MessageHandlingResult]:
        """Run a unit, but for messages whose group an earlier message blocks, and note the groups that it blocks."""
        free = [message for message in unit if not groups.is_blocked(message.fifo_group)]
        results = list(map(send_outgoing, free, self.run_unit(free))) if free else []
        for message, result in zip(free, results, strict=True):
            if stays(message, result):
                groups.block(message.fifo_group)
        outcomes = dict(zip(map(id, free), results, strict=True))
        return [outcomes.get(id(message)) or self.release(message) for message in unit]

    def _finish(self, handled: Sequence[Handled], settler: BatchSettler) -> None:
        self.settle(handled, settler)
        for message, result in handled:
            self.notify(message, result)

    def _settle_failed(self, failure: Exception) -> None:
        self.count("SETTLE_FAILED")
        expected = isinstance(failure, PubSubError)
        self.logger.error("%s", failure, exc_info=None if expected else failure)

    def _observer_failed(self, what: str) -> None:
        self.count("OBSERVER_FAILED")
        self.logger.warning("The %s failed", what, exc_info=True)
