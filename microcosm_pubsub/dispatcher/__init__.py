"""
Run a handler, settle its message, notify the observers.
"""

from microcosm_pubsub.dispatcher.arguments import Argument
from microcosm_pubsub.dispatcher.dispatcher import SQSMessageDispatcher
from microcosm_pubsub.dispatcher.factory import configure_sqs_message_dispatcher
from microcosm_pubsub.dispatcher.observers import configure_pubsub_observers
from microcosm_pubsub.dispatcher.outgoing import refuse_outgoing
from microcosm_pubsub.dispatcher.reason import make_reason, stays
from microcosm_pubsub.dispatcher.settling import BatchSettler
from microcosm_pubsub.dispatcher.unit import get_route, judge


__all__ = [
    "Argument",
    "BatchSettler",
    "SQSMessageDispatcher",
    "configure_pubsub_observers",
    "configure_sqs_message_dispatcher",
    "get_route",
    "judge",
    "make_reason",
    "refuse_outgoing",
    "stays",
]
