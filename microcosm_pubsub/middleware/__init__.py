"""
What wraps the handler of one message.

A layer is a function `layer(call_next, message) -> bool`. It calls the rest with `call_next(message)`, and
may do something before and after, or not call it at all, or raise. The list below is what every message goes
through, from the outside in; a daemon's own layers, callables or binding names, come last, next to the handler.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

from microcosm.api import typed

from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults, use_parts
from microcosm_pubsub.middleware.attempts import limit_attempts
from microcosm_pubsub.middleware.context import provide_context
from microcosm_pubsub.middleware.decodable import refuse_undecodable
from microcosm_pubsub.middleware.hooks import Hooks
from microcosm_pubsub.middleware.ttl import expire
from microcosm_pubsub.types import Call, Layer


def compose(layers: Iterable[Layer], call: Call) -> Call:
    """Return a call that goes through the layers, the first one outermost, to `call`."""
    for layer in reversed(tuple(layers)):
        call = partial(layer, call)
    return call


@defaults(names=typed(values.parts("pubsub_middleware.names"), default_factory=list))
def configure_pubsub_middleware(graph: Any) -> tuple[Layer, ...]:
    """
    Configure the layers around every handler, bound as `pubsub_middleware`.

    Config `names` lists the layers to add, callables or their bindings.
    """
    return (
        provide_context(graph.opaque, graph.sqs_message_context),
        refuse_undecodable,
        expire,
        limit_attempts(graph.pubsub_retry_policies),
        graph.pubsub_unhandled,
        *use_parts(graph, graph.config.pubsub_middleware.names),
        Hooks(graph.pubsub_event_loop),
    )
