"""
The registries of schemas and handlers.

One registry holds the schema of each media type, the other the handlers; `decorators` fills both.
"""

from microcosm_pubsub.errors import AlreadyRegisteredError
from microcosm_pubsub.registry.handlers import SQSMessageHandlerRegistry
from microcosm_pubsub.registry.media_type import media_type_for
from microcosm_pubsub.registry.options import DEFAULT_OPTIONS, HandlerOptions
from microcosm_pubsub.registry.patterns import find_matching
from microcosm_pubsub.registry.route import Composite, Route, Routes, is_composite
from microcosm_pubsub.registry.schemas import PubSubMessageSchemaRegistry, configure_schema_registry


__all__ = [
    "DEFAULT_OPTIONS",
    "AlreadyRegisteredError",
    "Composite",
    "HandlerOptions",
    "PubSubMessageSchemaRegistry",
    "Route",
    "Routes",
    "SQSMessageHandlerRegistry",
    "configure_schema_registry",
    "find_matching",
    "is_composite",
    "media_type_for",
]
