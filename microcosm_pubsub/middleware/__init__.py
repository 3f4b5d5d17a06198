"""
Layers around the handler: around one message, and around a unit.

A layer is a function `layer(call_next, message) -> bool`. It calls the rest with `call_next(message)`, and
may do something before and after, or not call it at all, or raise. The list below is what every message goes
through, from the outside in; a daemon's own layers, callables or binding names, come last, next to the handler.

A unit is what is handled by one call of a handler: a message, or a batch. A unit layer is a function `layer(call_next,
messages) -> results`, outside of the layers of the messages. No handler's error gets there: the layer sees results, and
may change them. Its own error becomes the result of all the messages. One that is not for every handler has a method
`for_handler(handler, options)`, which returns the layer of a handler, or None.
"""

from microcosm.api import typed

from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults, find_component, find_parts, use_parts
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.middleware.attempts import limit_attempts
from microcosm_pubsub.middleware.context import ProvideContext
from microcosm_pubsub.middleware.decodable import refuse_undecodable
from microcosm_pubsub.middleware.hooks import Hooks
from microcosm_pubsub.middleware.layer import Around, Check, around, compose
from microcosm_pubsub.middleware.ttl import expire
from microcosm_pubsub.types import Layer, UnitLayer


__all__ = [
    "Around",
    "Check",
    "around",
    "compose",
    "configure_pubsub_middleware",
    "configure_pubsub_unit_middleware",
]


@defaults(names=typed(values.parts("pubsub_middleware.names"), default_factory=list))
def configure_pubsub_middleware(graph: PubSubGraph) -> tuple[Layer, ...]:
    """
    Configure the layers around every handler, bound as `pubsub_middleware`.

    Config `names` lists the layers to add, callables or their bindings.
    """
    traces = find_component(graph, "pubsub_traces")
    return (
        ProvideContext(graph.opaque, graph.sqs_message_context),
        *((traces.log,) if traces is not None else ()),
        refuse_undecodable,
        expire,
        limit_attempts,
        graph.pubsub_unhandled,
        *use_parts(graph, graph.config.pubsub_middleware.names, "pubsub_middleware.names"),
        Hooks(graph.pubsub_event_loop),
    )


#: The unit layers of capabilities that stand beside the core, the outermost first.
UNIT_LAYERS = (
    "pubsub_replies",
    "pubsub_ledger_begin",
    "pubsub_transactions",
    "pubsub_ledger_end",
    "pubsub_replies_kept",
)


@defaults(names=typed(values.parts("pubsub_unit_middleware.names"), default_factory=list))
def configure_pubsub_unit_middleware(graph: PubSubGraph) -> tuple[UnitLayer, ...]:
    """
    Configure the layers around every unit, bound as `pubsub_unit_middleware`, the outermost first.

    Config `names` lists them, callables or their bindings; there are none by default. What sends the answers of
    services, and the transactions of handlers that have one, with what the ledger of tasks does before and in them,
    stand inside of them.
    """
    names = graph.config.pubsub_unit_middleware.names
    return (*use_parts(graph, names, "pubsub_unit_middleware.names"), *find_parts(graph, *UNIT_LAYERS))
