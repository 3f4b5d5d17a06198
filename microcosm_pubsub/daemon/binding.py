"""
The handlers that a daemon runs: those that its components name, tasks among them, or all that are registered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.types import Handler, Handlers


#: The components that every daemon uses.
COMPONENTS = [
    "opaque",
    "pubsub_lifecycle_change",
    "pubsub_message_schema_registry",
    "pubsub_meters",
    "pubsub_send_batch_metrics",
    "pubsub_send_metrics",
    "pubsub_services",
    "pubsub_tasks",
    "pubsub_worker",
    "sentry_logging_pubsub",
    "sns_producer",
    "sqs_consumer",
    "sqs_envelope",
    "sqs_message_context",
    "sqs_message_dispatcher",
    "sqs_message_handler_registry",
]


def split_names(
    components: Iterable[str], tasks: Collection[str], handlers: Collection[str]
) -> tuple[list[str], list[str], list[str]]:
    """
    Return which names are those of tasks, which are not, and which of these are bindings.

    :param tasks: the names of those that are declared
    :param handlers: the names of those that are no bindings
    """
    names = list(components)
    others = [name for name in names if name not in tasks]
    return [name for name in names if name in tasks], others, [name for name in others if name not in handlers]


def bind_handlers(
    graph: PubSubGraph, components: Iterable[str], with_tasks: bool, and_queues: bool
) -> dict[str, Handler]:
    """
    Return the handler of each media type that a daemon runs.

    :param components: the bindings that it names
    :param with_tasks: whether it names tasks too: then these alone, unless it names handlers
    :param and_queues: whether it names queues of tasks, which it runs beside the handlers that it names
    :raises AlreadyRegisteredError: if two handlers remain for one media type
    """
    registry, names = graph.sqs_message_handler_registry, list(components)
    are_alone = with_tasks and not registry.names_any(names)
    bound: dict[str, Handler] = {} if are_alone else registry.compute_bound_handlers(names)
    if with_tasks or and_queues:
        bound.update(graph.pubsub_tasks.handlers)
    return bound


def provision_subscriptions(graph: PubSubGraph, broker: Any, handlers: Handlers) -> None:
    """Let a daemon's queue on the broker get the messages that its handlers take, if these say what they are."""
    if not graph.sqs_envelope.names_media_types:
        return
    arns = graph.sns_topic_arns
    topics = {media_type: arns.get(media_type, arns.default) for media_type in handlers}
    broker.provision_subscriptions(graph.sqs_consumer.sqs_queue_url, topics)
