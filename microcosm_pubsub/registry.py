"""
Who says what, and who handles it.

One registry holds the schema of each media type, the other the handlers. `decorators` fills both when
the graph resolves them: microcosm's hooks go by class name, so the two classes keep theirs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from inspect import signature, unwrap
from typing import Any, cast

from marshmallow import Schema
from microcosm.api import typed

from microcosm_pubsub import types
from microcosm_pubsub.batch import MessageBatchSchema
from microcosm_pubsub.codecs import (
    DEFAULT_MEDIA_TYPE,
    PubSubMessageCodec,
    PubSubMessageSchema,
    media_type_of,
)
from microcosm_pubsub.conventions.lifecycle import LifecycleChange
from microcosm_pubsub.conventions.messages import (
    ChangedURIMessageSchema,
    IdentityMessageSchema,
    URIMessageSchema,
)
from microcosm_pubsub.errors import AlreadyRegisteredError, ConfigurationError
from microcosm_pubsub.graph import defaults
from microcosm_pubsub.options import DEFAULT_OPTIONS, HandlerOptions


__all__ = [
    "AlreadyRegisteredError",
    "PubSubMessageSchemaRegistry",
    "SQSMessageHandlerRegistry",
    "media_type_for",
]

WILDCARD = ".*"

#: Media types on the wire are without number, so that the codecs kept for them must not be.
MAX_CODECS = 1000

SchemaOrName = type[Schema] | Schema | str
Handler = Callable[[Any], Any]


def media_type_for(schema_cls: Any) -> str:
    """
    Return the media type that a schema class names.

    :param schema_cls: any class with `MEDIA_TYPE` or `infer_media_type()`, or a `PubSubMessageSchema`
        that overrides `deserialize_media_type`
    :raises ConfigurationError: if it names none
    """
    if infer := getattr(schema_cls, "infer_media_type", None):
        return str(infer())
    media_type = getattr(schema_cls, "MEDIA_TYPE", None)
    derived = isinstance(schema_cls, type) and issubclass(schema_cls, PubSubMessageSchema)
    if derived and media_type == DEFAULT_MEDIA_TYPE:
        media_type = _derive_media_type(schema_cls)
    if not isinstance(media_type, str) or not media_type:
        raise ConfigurationError(
            f"{_name(schema_cls)} names no media type: set MEDIA_TYPE to its text, override "
            "deserialize_media_type(), or use the media type's text itself"
        )
    return media_type


def _derive_media_type(schema_cls: type[PubSubMessageSchema]) -> Any:
    try:
        return media_type_of(schema_cls())
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{_name(schema_cls)}.deserialize_media_type() must give the schema's media type whatever its "
            f"argument, but raised {type(error).__name__}; set MEDIA_TYPE instead"
        ) from error


def find_matching(media_type: str, patterns: Mapping[str, Any]) -> str:
    """
    Return the registered media type that matches one: itself, or with `.*` for its last segment.

    :raises KeyError: if there is none
    """
    if media_type in patterns:
        return media_type
    head, dot, last = media_type.rpartition(".")
    pattern = head + WILDCARD
    if dot and last and pattern in patterns:
        return pattern
    raise KeyError(media_type)


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
                f"Media type {media_type} has schema {_name(existing)}; it cannot have {_name(schema_or_str)} too"
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


class SQSMessageHandlerRegistry:
    """Keep the handlers of each media type; a daemon binds those that it runs."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self._handlers: dict[str, list[Any]] = defaultdict(list)
        self._options: dict[tuple[str, int], HandlerOptions] = {}
        self._bound_options: dict[str, HandlerOptions] = {}
        self._instances: dict[type, Handler] = {}

    def register(self, media_type: str, handler: Any, options: HandlerOptions = DEFAULT_OPTIONS) -> None:
        """
        Register a handler of a media type.

        :param media_type: may end in `.*`, which matches one last segment without a dot
        :param handler: a function, or a class whose instances are callable
        :param options: how it wants its messages
        """
        if handler not in self._handlers[media_type]:
            self._handlers[media_type].append(handler)
        self._options[media_type, id(handler)] = options

    def compute_bound_handlers(self, component_names: Iterable[str]) -> dict[str, Handler]:
        """
        Return the handler of each media type for a daemon with these components.

        If any component is a registered handler, those are the handlers; otherwise every registered handler
        is, made by the graph, but for those that say `bind_implicitly = False`.

        :raises AlreadyRegisteredError: if two different handlers remain for one media type
        """
        named = self._bind_named(component_names)
        bound: dict[str, Handler] = {}
        for media_type, handler in self._iter_registered():
            if handler not in named if named else not getattr(handler, "bind_implicitly", True):
                continue
            instance = named[handler] if named else self._bind(handler)
            if bound.setdefault(media_type, instance) is not instance:
                raise AlreadyRegisteredError(
                    f"Media type {media_type} has two handlers, {_name(bound[media_type])} and "
                    f"{_name(instance)}; name the one to run in the daemon's components"
                )
            self._bound_options[media_type] = self._options[media_type, id(handler)]
        return bound

    def find(self, media_type: str, bound_handlers: Mapping[str, Handler]) -> Handler:
        """
        Return the bound handler of a media type.

        :raises KeyError: if there is none
        """
        return bound_handlers[find_matching(media_type, bound_handlers)]

    def find_options(self, media_type: str | None) -> HandlerOptions:
        """Return how the bound handler of a media type wants its messages."""
        options = self._bound_options.get(media_type or "")
        if options is not None:
            return options
        try:
            return self._bound_options[find_matching(media_type or "", self._bound_options)]
        except KeyError:
            return DEFAULT_OPTIONS

    def iter_handlers(self) -> Iterator[Any]:
        """Iterate over the registered handlers, each once."""
        seen: list[Any] = []
        for _, handler in self._iter_registered():
            if handler not in seen:
                seen.append(handler)
                yield handler

    def keys(self) -> Iterable[str]:
        """Return the media types that have handlers."""
        return self._handlers.keys()

    def _iter_registered(self) -> Iterator[tuple[str, Any]]:
        for media_type, handlers in self._handlers.items():
            for handler in handlers:
                yield media_type, handler

    def _bind_named(self, component_names: Iterable[str]) -> dict[Any, Handler]:
        handlers = list(self.iter_handlers())
        named: dict[Any, Handler] = {}
        for name in component_names:
            component = self.graph[name]
            for handler in handlers:
                # compared by identity: a component may have any notion of equality
                if handler is component or handler is type(component) or handler is _unwrap(component):
                    named[handler] = component
        return named

    def _bind(self, handler: Any) -> Handler:
        for name, factory in self.graph._registry.all.items():
            if factory is handler and isinstance(handler, type):
                return cast(Handler, self.graph[name])
        if not isinstance(handler, type):
            return cast(Handler, handler)
        if handler not in self._instances:
            self._instances[handler] = handler(self.graph) if signature(handler).parameters else handler()
        return self._instances[handler]


def _unwrap(component: Any) -> Any:
    return unwrap(component) if callable(component) and hasattr(component, "__wrapped__") else component


def _name(obj: Any) -> str:
    return getattr(obj, "__qualname__", None) or type(obj).__qualname__


@defaults(
    auto_register=typed(
        types.boolean("pubsub_message_schema_registry.auto_register"),
        default_value=True,
    ),
)
def configure_schema_registry(graph: Any) -> PubSubMessageSchemaRegistry:
    """Configure the registry of schemas, bound as `pubsub_message_schema_registry`."""
    return PubSubMessageSchemaRegistry(graph)
