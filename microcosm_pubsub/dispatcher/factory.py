"""
The dispatcher of a graph, as configuration makes it.
"""

from __future__ import annotations

from microcosm.api import typed

from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults, find_component
from microcosm_pubsub.context import log_records
from microcosm_pubsub.dispatcher.dispatcher import SQSMessageDispatcher
from microcosm_pubsub.graph import PubSubGraph


@defaults(
    message_max_processing_attempts=typed(
        values.integer("sqs_message_dispatcher.message_max_processing_attempts", minimum=1),
        default_value=None,
    ),
)
def configure_sqs_message_dispatcher(graph: PubSubGraph) -> SQSMessageDispatcher:
    """Configure the graph's dispatcher, bound as `sqs_message_dispatcher`."""
    log_records.install()
    traces = find_component(graph, "pubsub_traces")
    return SQSMessageDispatcher(
        consumer=graph.sqs_consumer,
        registry=graph.sqs_message_handler_registry,
        middleware=graph.pubsub_middleware,
        observers=graph.pubsub_observers,
        batch_metrics=graph.pubsub_send_batch_metrics,
        policies=graph.pubsub_retry_policies,
        loop=graph.pubsub_event_loop,
        unit_middleware=graph.pubsub_unit_middleware,
        arguments=graph.pubsub_arguments,
        traces=None if traces is None else traces.consuming,
    )
