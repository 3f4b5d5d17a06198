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
from logging import getLogger
from time import perf_counter
from typing import Any

from microcosm.api import typed

from microcosm_pubsub import log_context, types
from microcosm_pubsub.constants import MAX_BATCH_ENTRIES
from microcosm_pubsub.consumer import SQSConsumer
from microcosm_pubsub.errors import Nack, PubSubError, SettleError
from microcosm_pubsub.graph import defaults
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware import Layer, compose
from microcosm_pubsub.registry import Handler, SQSMessageHandlerRegistry
from microcosm_pubsub.result import MessageHandlingResult


Observer = Callable[[SQSMessage, MessageHandlingResult], None]
Handled = tuple[SQSMessage, MessageHandlingResult]

#: A handled message waits at most so long for others to be settled with it.
MAX_SETTLE_DELAY_SECONDS = 1.0


class SQSMessageDispatcher:
    """
    Handle messages: run, settle, notify.

    :param consumer: receives and settles messages
    :param registry: knows which media type goes to which handler
    :param middleware: layers around each handler, the outermost first
    :param observers: are told of each settled result
    :param batch_metrics: is told of each batch: milliseconds, number of messages
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
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.consumer = consumer
        self.registry = registry
        self.observers = tuple(observers)
        self.batch_metrics = batch_metrics
        self.clock = clock
        self.call = compose(middleware, call_handler)
        #: How many results there were of each kind, and how often settling and observing failed.
        self.counts: Counter[str] = Counter()

    def handle_batch(
        self,
        bound_handlers: Mapping[str, Handler],
        consumer: SQSConsumer | None = None,
    ) -> list[MessageHandlingResult]:
        """
        Receive messages once, handle and settle each, and return their results.

        :param bound_handlers: the handler of each media type
        :param consumer: receives the messages, if not the dispatcher's own
        :raises ReceiveError: if the receive failed; see `SQSConsumer.consume`
        """
        consumer = consumer or self.consumer
        messages = consumer.consume()
        blocked_groups: set[str] = set()
        start = self.clock()
        handled: list[Handled] = []
        results: list[MessageHandlingResult] = []
        waiting_since = start
        for message in messages:
            # from before the first is handled: after a slow one, the next is likely to be slow too
            waiting_since = waiting_since if handled else self.clock()
            blocked = message.fifo_group in blocked_groups
            result = released(message) if blocked else self.run(message, bound_handlers)
            if message.fifo_group and stays(message, result):
                blocked_groups.add(message.fifo_group)
            handled.append((message, result))
            results.append(result)
            if len(handled) == MAX_BATCH_ENTRIES or self.clock() - waiting_since >= MAX_SETTLE_DELAY_SECONDS:
                self._finish(handled, consumer)
                handled = []
        self._finish(handled, consumer)
        if messages and self.batch_metrics is not None:
            self._observe("batch metrics", self.batch_metrics, (self.clock() - start) * 1000, len(messages))
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

        def call(message: SQSMessage) -> Any:
            try:
                message.handler = self.registry.find(message.media_type or "", bound_handlers)
            except KeyError:
                message.handler = None
            return self.call(message)

        return MessageHandlingResult.capture(call, message)

    def settle(self, handled: Sequence[Handled], consumer: SQSConsumer | None = None) -> None:
        """
        Make results true at the queue.

        What the queue does not take is logged and counted; such a message will be received again.
        """
        nacked = [(message, result.retry_timeout_seconds) for message, result in handled if stays(message, result)]
        acked = [message for message, result in handled if not stays(message, result)]
        consumer = consumer or self.consumer
        self._settle(consumer.ack_batch, acked)
        self._settle(consumer.nack_batch, nacked)

    def notify(self, message: SQSMessage, result: MessageHandlingResult) -> None:
        """Tell the observers of a result."""
        self.counts[result.result.name] += 1
        for observer in self.observers:
            self._observe(f"observer {_name(observer)}", observer, message, result)

    def _finish(self, handled: Sequence[Handled], consumer: SQSConsumer) -> None:
        self.settle(handled, consumer)
        for message, result in handled:
            self.notify(message, result)

    def _settle(self, call: Callable[[Any], list[SettleError]], entries: Sequence[Any]) -> None:
        if not entries:
            return
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
            self.counts["SETTLE_FAILED"] += 1
            expected = isinstance(failure, PubSubError)
            self.logger.error("%s", failure, exc_info=None if expected else failure)

    def _observe(self, what: str, call: Callable[..., None], *args: Any) -> None:
        # The outermost ring: observers are foreign code, and can change nothing.
        try:
            call(*args)
        except Exception:
            self.counts["OBSERVER_FAILED"] += 1
            self.logger.warning("The %s failed", what, exc_info=True)


def call_handler(message: SQSMessage) -> Any:
    """Call a message's handler with its content."""
    assert message.handler is not None, "middleware.ignore_unknown lets no such message through"
    return message.handler(message.content)


def stays(message: SQSMessage, result: MessageHandlingResult) -> bool:
    """Tell whether a handled message stays in its queue."""
    # one that nobody could read is never deleted, whatever a layer made of it
    return result.retry or message.error is not None


def released(message: SQSMessage) -> MessageHandlingResult:
    """Return the result of a message that was not handled because an earlier one of its group failed."""
    return MessageHandlingResult.from_error(
        message,
        Nack(0, reason="An earlier message of its group was not handled"),
    )


def _name(observer: Any) -> str:
    return getattr(observer, "__qualname__", None) or type(observer).__qualname__


@defaults(names=typed(types.names("pubsub_observers.names"), default_factory=list))
def configure_pubsub_observers(graph: Any) -> tuple[Observer, ...]:
    """
    Configure who is told of settled results, bound as `pubsub_observers`.

    Config `names` lists the bindings of the observers to add.
    """
    make_context = graph.sqs_message_context
    send_metrics = graph.pubsub_send_metrics
    sentry_config = graph.sentry_logging_pubsub

    def log(message: SQSMessage, result: MessageHandlingResult) -> None:
        result.log(SQSMessageDispatcher.logger, make_context(message))

    def measure(message: SQSMessage, result: MessageHandlingResult) -> None:
        send_metrics(result)

    def report(message: SQSMessage, result: MessageHandlingResult) -> None:
        if sentry_config.enabled:
            result.error_reporting(sentry_config, make_context(message))

    return (log, measure, report, *graph.use(*graph.config.pubsub_observers.names))


@defaults(
    message_max_processing_attempts=typed(
        types.integer("sqs_message_dispatcher.message_max_processing_attempts", minimum=1),
        default_value=None,
    ),
)
def configure_sqs_message_dispatcher(graph: Any) -> SQSMessageDispatcher:
    """Configure the graph's dispatcher, bound as `sqs_message_dispatcher`."""
    log_context.install()
    return SQSMessageDispatcher(
        consumer=graph.sqs_consumer,
        registry=graph.sqs_message_handler_registry,
        middleware=graph.pubsub_middleware,
        observers=graph.pubsub_observers,
        batch_metrics=graph.pubsub_send_batch_metrics,
    )
