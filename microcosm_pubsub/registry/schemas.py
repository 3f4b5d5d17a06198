"""
Who says what: the schema of each media type.

`decorators` fills it when the graph resolves it: microcosm's hooks go by class name, so that the class keeps its.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from marshmallow import Schema
from microcosm.api import typed

from microcosm_pubsub.batch import MessageBatchSchema
from microcosm_pubsub.codecs import (
    PubSubMessageCodec,
)
from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults
from microcosm_pubsub.conventions.lifecycle import LifecycleChange
from microcosm_pubsub.conventions.messages import (
    ChangedURIMessageSchema,
    IdentityMessageSchema,
    URIMessageSchema,
)
from microcosm_pubsub.errors import AlreadyRegisteredError
from microcosm_pubsub.registry.media_type import WILDCARD, describe_name, find_matching


#: Media types on the wire are without number, so that the codecs kept for them must not be.
MAX_CODECS = 1000

SchemaOrName = type[Schema] | Schema | str


class PubSubMessageSchemaRegistry:
    """
    Keep the schema of each media type.

    :param graph: its `pubsub_lifecycle_change`, and config `auto_register`: whether a media type that
        nobody registered is accepted if it holds a lifecycle change
    """

    def __init__(self, graph: Any) -> None:
        self.auto_register: bool = graph.config.pubsub_message_schema_registry.auto_register
        self.lifecycle_change: LifecycleChange = graph.pubsub_lifecycle_change
        self._schemas: dict[str, SchemaOrName] = {MessageBatchSchema.MEDIA_TYPE: MessageBatchSchema}
        self._codecs: dict[str, PubSubMessageCodec] = {}

    def register(self, media_type: str, schema_or_str: SchemaOrName) -> None:
        """
        Register the schema of a media type.

        :param media_type: may end in `.*`, which matches one last segment without a dot
        :param schema_or_str: a schema, or the media type whose schema is to serve for this one too
        :raises AlreadyRegisteredError: if it has another one
        """
        existing = self._schemas.setdefault(media_type, schema_or_str)
        if existing is not schema_or_str and existing != schema_or_str:
            raise AlreadyRegisteredError(
                f"Media type {media_type} has schema {describe_name(existing)}; "
                f"it cannot have {describe_name(schema_or_str)} too"
            )
        self._codecs.clear()

    def find(self, media_type: str) -> PubSubMessageCodec:
        """
        Return the codec of a media type.

        :raises KeyError: if nobody registered it, and convention does not know it either
        """
        codec = self._codecs.get(media_type)
        if codec is None:
            codec = PubSubMessageCodec(self._find_schema(media_type))
            if len(self._codecs) >= MAX_CODECS:
                self._codecs.clear()
            # two threads may both get here, which makes one codec too many and no other harm
            self._codecs[media_type] = codec
        return codec

    def find_matching_media_type(self, media_type: str) -> str:
        """
        Return the registered media type that matches one.

        :raises KeyError: if there is none
        """
        return find_matching(media_type, self._schemas)

    def keys(self) -> Iterable[str]:
        """Return the registered media types."""
        return self._schemas.keys()

    def _find_schema(self, media_type: str, aliases: tuple[str, ...] = ()) -> Schema:
        try:
            registered = self.find_matching_media_type(media_type)
        except KeyError:
            return self._conventional_schema(media_type)
        schema = self._schemas[registered]
        if isinstance(schema, str):
            aliases = (*aliases, media_type, registered)
            return self._conventional_schema(media_type) if schema in aliases else self._find_schema(schema, aliases)
        if isinstance(schema, Schema):
            return schema
        instance = schema()
        if registered.endswith(WILDCARD):
            instance.MEDIA_TYPE = media_type  # type: ignore[attr-defined]
        return instance

    def _conventional_schema(self, media_type: str) -> Schema:
        change = self.lifecycle_change.find(media_type) if self.auto_register else None
        match change:
            case None:
                raise KeyError(media_type)
            case LifecycleChange.Deleted:
                return IdentityMessageSchema(media_type)
            case LifecycleChange.Changed:
                return ChangedURIMessageSchema(media_type)
            case _:
                return URIMessageSchema(media_type)


@defaults(
    auto_register=typed(
        values.boolean("pubsub_message_schema_registry.auto_register"),
        default_value=True,
    ),
)
def configure_schema_registry(graph: Any) -> PubSubMessageSchemaRegistry:
    """Configure the registry of schemas, bound as `pubsub_message_schema_registry`."""
    return PubSubMessageSchemaRegistry(graph)
