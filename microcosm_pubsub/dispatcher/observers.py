"""
The observers of results: the log, metrics, error reports, and the user's own.
"""

from __future__ import annotations

from microcosm.api import typed

from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults, find_component, use_parts
from microcosm_pubsub.dispatcher.dispatcher import SQSMessageDispatcher
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.result import MessageHandlingResult
from microcosm_pubsub.types import Observer


@defaults(names=typed(values.parts("pubsub_observers.names"), default_factory=list))
def configure_pubsub_observers(graph: PubSubGraph) -> tuple[Observer, ...]:
    """
    Configure the observers of settled results, bound as `pubsub_observers`.

    Config `names` lists the observers to add, callables or their bindings.
    """
    make_context = graph.sqs_message_context
    send_metrics = graph.pubsub_send_metrics
    sentry_config = graph.sentry_logging_pubsub
    logger = SQSMessageDispatcher.logger

    def log(message: SQSMessage, result: MessageHandlingResult) -> None:
        context = message.context or make_context(message)
        if result.retry:
            tried = {"attempts": message.attempts, "hidden_seconds": message.hidden_seconds}
            result.log(logger, {**context, **tried}, describe_fate(message, result))
        else:
            result.log(logger, context)

    def measure(message: SQSMessage, result: MessageHandlingResult) -> None:
        send_metrics(result)

    def report(message: SQSMessage, result: MessageHandlingResult) -> None:
        result.error_reporting(sentry_config, message.context or make_context(message))

    # Results are reported even if that goes nowhere: users' tests look for it.
    known = (log, measure, report) if getattr(send_metrics, "enabled", True) else (log, report)
    meters = find_component(graph, "pubsub_meters")
    if meters is not None and meters.enabled:
        known = (*known, meters.observe)
    return (*known, *use_parts(graph, graph.config.pubsub_observers.names, "pubsub_observers.names"))


def describe_fate(message: SQSMessage, result: MessageHandlingResult) -> str:
    """Return what becomes of a message that stays in its queue, as its log line says it behind the message's id."""
    told = []
    # One that was released was not tried.
    if result.elapsed_time is not None and message.attempts is not None:
        told.append(f", attempt {message.attempts}")
    if result.dead_letter:
        told.append(", given up")
    elif message.hidden_seconds is not None:
        told.append(f", again in {message.hidden_seconds} s")
    return "".join(told)
