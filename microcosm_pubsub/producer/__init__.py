"""
Publish messages, each to the topic of its media type: at once, in batches, or at the end of a block.
"""

from microcosm_pubsub.producer.deferred import (
    DeferredBatchProducer,
    DeferredProducer,
    deferred,
    deferred_batch,
)
from microcosm_pubsub.producer.factory import configure_sns_producer
from microcosm_pubsub.producer.message import ProduceResult, PublishOptions, PubsubMessage
from microcosm_pubsub.producer.pipeline import (
    PublishCall,
    PublishLayer,
    PublishStep,
    configure_pubsub_publish_layers,
    configure_pubsub_publish_steps,
)
from microcosm_pubsub.producer.protocol import BatchingProducer, Producer
from microcosm_pubsub.producer.sns import SNSProducer
from microcosm_pubsub.producer.standalone import make_producer
from microcosm_pubsub.producer.topics import TopicArns, collapse_dict, configure_sns_topic_arns, iter_topic_mappings


__all__ = [
    "BatchingProducer",
    "DeferredBatchProducer",
    "DeferredProducer",
    "ProduceResult",
    "Producer",
    "PublishCall",
    "PublishLayer",
    "PublishOptions",
    "PublishStep",
    "PubsubMessage",
    "SNSProducer",
    "TopicArns",
    "collapse_dict",
    "configure_pubsub_publish_layers",
    "configure_pubsub_publish_steps",
    "configure_sns_producer",
    "configure_sns_topic_arns",
    "deferred",
    "deferred_batch",
    "iter_topic_mappings",
    "make_producer",
]
