"""
The schema of each media type.

`decorators` fills it when the graph resolves it: microcosm's hooks go by class name, so that the class keeps its.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from marshmallow import Schema
from microcosm.api import typed

from microcosm_pubsub.batch import MessageBatchSchema
from microcosm_pubsub.codecs import DEFAULT_MEDIA_TYPE, CodecFactory, ContentCodec, PubSubMessageCodec
from microcosm_pubsub.codecs.content import make_codec
from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults
from microcosm_pubsub.conventions.lifecycle import LifecycleChange
from microcosm_pubsub.conventions.messages import (
    CallMessageSchema,
    ChangedURIMessageSchema,
    IdentityMessageSchema,
    URIMessageSchema,
)
from microcosm_pubsub.conventions.naming import may_be_call
from microcosm_pubsub.errors import AlreadyRegisteredError, ConfigurationError
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.registry.media_type import describe_name, find_declared_media_type
from microcosm_pubsub.registry.patterns import find_matching, is_pattern


#: Media types on the wire are without number, so that the codecs kept for them must not be.
MAX_CODECS = 1000

#: A schema, a class whose instances are the content, or the media type whose schema serves for another one too.
SchemaOrName = type | Schema | str


class PubSubMessageSchemaRegistry:
    """
    Keep the schema of each media type.

    :param graph: its `pubsub_lifecycle_change`, `pubsub_content_codecs`, and config `auto_register`: whether a media
        type that nobody registered is accepted if it holds a lifecycle change
    """

    def __init__(self, graph: Any) -> None:
        self.auto_register: bool = graph.config.pubsub_message_schema_registry.auto_register
        self.lifecycle_change: LifecycleChange = graph.pubsub_lifecycle_change
        self.codec_factories: Sequence[CodecFactory] = graph.pubsub_content_codecs
        self._schemas: dict[str, SchemaOrName] = {MessageBatchSchema.MEDIA_TYPE: MessageBatchSchema}
        self._codecs: dict[str, ContentCodec] = {}

    def register(self, media_type: str, schema_or_str: SchemaOrName) -> None:
        """
        Register the schema of a media type.

        :param media_type: or a pattern, see `registry.patterns`
        :param schema_or_str: a schema, a class whose instances are the content, or the media type whose schema is to
            serve for this one too
        :raises AlreadyRegisteredError: if it has another one
        """
        known = media_type in self._schemas
        existing = self._schemas.setdefault(media_type, schema_or_str)
        if existing is not schema_or_str and existing != schema_or_str:
            raise AlreadyRegisteredError(
                f"Media type {media_type} has schema {describe_name(existing)}; "
                f"it cannot have {describe_name(schema_or_str)} too"
            )
        if not known:
            self._codecs.clear()

    def register_content(self, media_type: str, content: Any) -> None:
        """
        Register the content that a handler's annotation names, if that is a class whose instances are content.

        :raises AlreadyRegisteredError: if the media type has another schema
        """
        if isinstance(content, type) and self.is_content(content):
            self.register(media_type, content)

    def is_content(self, cls: type) -> bool:
        """
        Return whether instances of a class are content.

        :raises ConfigurationError: if they would be, but a field cannot be read
        """
        return make_codec(self.codec_factories, cls, DEFAULT_MEDIA_TYPE) is not None

    def find_media_type(self, cls: type) -> str:
        """
        Return the media type whose content is an instance of a class.

        :raises ConfigurationError: if it is not registered, or for several
        """
        if (declared := find_declared_media_type(cls)) is not None:
            return declared
        found = [media_type for media_type, registered in self._schemas.items() if registered is cls]
        if len(found) != 1:
            known = f"that of several media types, {', '.join(found)}" if found else "not registered with @schema"
            raise ConfigurationError(f"{describe_name(cls)} is {known}: name the media type")
        return found[0]

    def describe(self, media_type: str) -> str:
        """Return the name of the schema that is registered for a media type."""
        return describe_name(self._find_schema(media_type))

    def find(self, media_type: str) -> ContentCodec:
        """
        Return the codec of a media type.

        :raises KeyError: if nobody registered it, and convention does not know it either
        """
        codec = self._codecs.get(media_type)
        if codec is None:
            codec = self._make_codec(media_type)
            if len(self._codecs) >= MAX_CODECS:
                self._codecs.clear()
            # Two threads may both get here, which makes one codec too many and no other harm.
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

    def _make_codec(self, media_type: str) -> ContentCodec:
        schema = self._find_schema(media_type)
        if isinstance(schema, Schema):
            return PubSubMessageCodec(schema)
        codec = make_codec(self.codec_factories, schema, media_type)
        if codec is None:
            raise ConfigurationError(
                f"{describe_name(schema)} is registered for {media_type}, but is neither a marshmallow schema, nor a "
                "dataclass, a pydantic model or a msgspec Struct"
            )
        return codec

    def _find_schema(self, media_type: str, aliases: tuple[str, ...] = ()) -> Schema | type:
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
        if not issubclass(schema, Schema):
            return schema
        instance = schema()
        if is_pattern(registered):
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
                return CallMessageSchema(media_type) if may_be_call(media_type) else URIMessageSchema(media_type)


@defaults(
    auto_register=typed(
        values.boolean("pubsub_message_schema_registry.auto_register"),
        default_value=True,
    ),
)
def configure_schema_registry(graph: PubSubGraph) -> PubSubMessageSchemaRegistry:
    """Configure the registry of schemas, bound as `pubsub_message_schema_registry`."""
    return PubSubMessageSchemaRegistry(graph)
