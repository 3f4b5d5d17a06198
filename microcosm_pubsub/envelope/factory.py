"""
The envelope of a graph, as configuration makes it.
"""

from __future__ import annotations

from microcosm.api import typed

from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults
from microcosm_pubsub.envelope.aws_lambda import LambdaSQSEnvelope
from microcosm_pubsub.envelope.base import SQSEnvelope
from microcosm_pubsub.envelope.codec import CodecSQSEnvelope
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.reader import LAMBDA, SQSJsonReader


@defaults(
    strategy_name=typed(values.text("sqs_envelope.strategy_name"), default_value=CodecSQSEnvelope.__name__),
    validate_md5=typed(values.boolean("sqs_envelope.validate_md5"), default_value=False),
)
def configure_sqs_envelope(graph: PubSubGraph) -> SQSEnvelope:
    """
    Configure the envelope of the graph's consumer, bound as `sqs_envelope`.

    Where messages come with Lambda's events, or by a `SQSJsonReader`, the default one is `LambdaSQSEnvelope`, which
    reads what `CodecSQSEnvelope` reads too.
    """
    name = graph.config.sqs_envelope.strategy_name
    source = getattr(getattr(graph.config, "sqs_consumer", None), "sqs_queue_url", None)
    if name == CodecSQSEnvelope.__name__ and (source == LAMBDA or isinstance(source, SQSJsonReader)):
        name = LambdaSQSEnvelope.__name__
    envelope = values.choose_subclass(SQSEnvelope, name, "envelope")
    return envelope(graph)
