"""
Make the producer of an object graph.
"""

from microcosm.api import typed

from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults, find_component, find_parts
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.producer.sns import SNSProducer


@defaults(
    profile_name=typed(values.text("sns_producer.profile_name"), default_value=None),
    region_name=typed(values.text("sns_producer.region_name"), default_value=None),
    endpoint_url=typed(values.text("sns_producer.endpoint_url"), default_value=None),
    mock_sns=typed(values.boolean("sns_producer.mock_sns"), default_value=True),
    record_only=typed(values.boolean("sns_producer.record_only"), default_value=None),
    skip=typed(values.boolean("sns_producer.skip"), default_value=None),
    deferred_batch_size=typed(
        values.integer("sns_producer.deferred_batch_size", minimum=1),
        default_value=100,
    ),
    connect_timeout=typed(values.number("sns_producer.connect_timeout", minimum=0), default_value=60.0),
    read_timeout=typed(values.number("sns_producer.read_timeout", minimum=0), default_value=60.0),
)
def configure_sns_producer(graph: PubSubGraph) -> SNSProducer:
    """
    Configure the graph's producer, bound as `sns_producer`.

    In a testing graph with `record_only` on, the whole producer only records its calls; version 3 says so by `mock_sns`
    off.
    """
    config = graph.config.sns_producer
    record_only = not config.mock_sns if config.record_only is None else config.record_only
    if graph.metadata.testing and record_only:
        return graph.pubsub_testing.sns_producer
    return SNSProducer(
        sns_client=graph.sns_client,
        sns_topic_arns=graph.sns_topic_arns,
        registry=graph.pubsub_message_schema_registry,
        opaque=find_component(graph, "opaque"),
        skip=graph.metadata.debug if config.skip is None else config.skip,
        deferred_batch_size=config.deferred_batch_size,
        steps=graph.pubsub_publish_steps,
        body_steps=[transform.encode for transform in graph.pubsub_body_transforms],
        layers=graph.pubsub_publish_layers,
        can_wait=bool(find_parts(graph, "pubsub_outbox")),
    )
