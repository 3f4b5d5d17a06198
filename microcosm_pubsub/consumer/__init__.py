"""
Receive messages from one queue, and settle them there.
"""

from microcosm_pubsub.consumer.entries import Entry, GivenUp, Refusal, settle_error
from microcosm_pubsub.consumer.factory import configure_sqs_consumer, resolve_queue_url
from microcosm_pubsub.consumer.sqs import SQSConsumer
from microcosm_pubsub.reader import STDIN


__all__ = [
    "STDIN",
    "Entry",
    "GivenUp",
    "Refusal",
    "SQSConsumer",
    "configure_sqs_consumer",
    "resolve_queue_url",
    "settle_error",
]
