"""
The handlers of each media type, and those that a daemon binds.

`decorators` fills it when the graph resolves it: microcosm's hooks go by class name, so that the class keeps its.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, KeysView, Mapping
from inspect import signature, unwrap
from typing import Any, cast

from microcosm_pubsub.config.graph import find_factories
from microcosm_pubsub.errors import AlreadyRegisteredError
from microcosm_pubsub.registry.media_type import describe_name
from microcosm_pubsub.registry.options import DEFAULT_OPTIONS, HandlerOptions
from microcosm_pubsub.registry.patterns import find_matching, iter_ambiguous
from microcosm_pubsub.types import Handler


class SQSMessageHandlerRegistry:
    """Keep the handlers of each media type; a daemon binds those that it runs."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self._handlers: dict[str, list[Any]] = defaultdict(list)
        self._options: dict[tuple[str, int], HandlerOptions] = {}
        self._instances: dict[type, Handler] = {}

    def register(self, media_type: str, handler: Any, options: HandlerOptions = DEFAULT_OPTIONS) -> None:
        """
        Register a handler of a media type.

        :param media_type: or a pattern, see `registry.patterns`
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

        :raises AlreadyRegisteredError: if two different handlers remain for one media type, or two patterns match the
            same ones
        """
        named = self._bind_named(component_names)
        bound: dict[str, Handler] = {}
        for media_type, handler in self._iter_registered():
            if handler not in named if named else not getattr(handler, "bind_implicitly", True):
                continue
            instance = named[handler] if named else self._bind(handler)
            other = bound.setdefault(media_type, instance)
            if other is not instance and _gives_way(other) != _gives_way(instance):
                bound[media_type] = instance if _gives_way(other) else other
            elif other is not instance:
                raise AlreadyRegisteredError(
                    f"Media type {media_type} has two handlers, {describe_name(other)} and "
                    f"{describe_name(instance)}; name the one to run in the daemon's components"
                )
        for first, second in iter_ambiguous(bound):
            if bound[first] is not bound[second]:
                raise AlreadyRegisteredError(
                    f"Some media types match both {first}, which {describe_name(bound[first])} handles, and {second}, "
                    f"which {describe_name(bound[second])} does, and neither is more specific: register one for "
                    "what both match"
                )
        return bound

    def names_any(self, component_names: Iterable[str]) -> bool:
        """Return whether any of these components is a registered handler."""
        return bool(self._bind_named(component_names))

    def find(self, media_type: str, bound_handlers: Mapping[str, Handler]) -> Handler:
        """
        Return the bound handler of a media type.

        :param bound_handlers: handlers by media type; under any other keys, one that is registered for the media type,
            or an instance of a class that is
        :raises KeyError: if there is none
        """
        try:
            return bound_handlers[find_matching(media_type, bound_handlers)]
        except KeyError:
            registered = self._handlers.get(find_matching(media_type, self._handlers), ())
            for key, bound in bound_handlers.items():
                if key not in self._handlers and any(_is_bound_as(each, bound) for each in registered):
                    return bound
            raise

    def find_options(self, media_type: str, handler: Handler) -> HandlerOptions:
        """
        Return how a bound handler of a media type wants its messages.

        :param media_type: as it is registered
        """
        for registered in self._handlers.get(media_type, ()):
            if _is_bound_as(registered, handler):
                return self._options[media_type, id(registered)]
        return DEFAULT_OPTIONS

    def iter_options(self) -> Iterator[HandlerOptions]:
        """Iterate over how the registered handlers want their messages."""
        yield from self._options.values()
        for handler in self.iter_handlers():
            if isinstance(handler, type):
                # It is not made yet; a service says it of all its methods.
                if isinstance(own := getattr(handler, "options", None), HandlerOptions):
                    yield own
                continue
            if hasattr(type(handler), "iter_parts"):
                # Each of the handlers that it has wants its messages in its own way.
                for _, _, options in handler.iter_parts():
                    yield options

    def iter_handlers(self) -> Iterator[Any]:
        """Iterate over the registered handlers, each once."""
        seen: list[Any] = []
        for _, handler in self._iter_registered():
            if handler not in seen:
                seen.append(handler)
                yield handler

    def keys(self) -> KeysView[str]:
        """Return the media types that have handlers."""
        return self._handlers.keys()

    def _iter_registered(self) -> Iterator[tuple[str, Any]]:
        for media_type, handlers in self._handlers.items():
            for handler in handlers:
                yield media_type, handler

    @property
    def named_handlers(self) -> dict[str, list[Any]]:
        """Return the handlers that daemons may name, although they are no bindings: those with a `component_name`."""
        found: dict[str, list[Any]] = {}
        for handler in self.iter_handlers():
            if isinstance(name := getattr(handler, "component_name", None), str):
                found.setdefault(name, []).append(handler)
        return found

    def _bind_named(self, component_names: Iterable[str]) -> dict[Any, Handler]:
        handlers, known = list(self.iter_handlers()), self.named_handlers
        factories = find_factories(self.graph)
        named: dict[Any, Handler] = {}
        for name in component_names:
            if name in known:
                named.update((handler, handler) for handler in known[name])
                continue
            component = self.graph[name]
            for handler in handlers:
                if _is_bound_as(handler, component):
                    named[handler] = component
                elif factories.get(name) is handler:
                    # The graph has called a function, which made a handler, or is the handler itself.
                    named[handler] = cast(Handler, component if callable(component) else handler)
        return named

    def _bind(self, handler: Any) -> Handler:
        for name, factory in find_factories(self.graph).items():
            if factory is handler and isinstance(handler, type):
                return cast(Handler, self.graph[name])
        if not isinstance(handler, type):
            return cast(Handler, handler)
        if handler not in self._instances:
            self._instances[handler] = handler(self.graph) if signature(handler).parameters else handler()
        return self._instances[handler]


def _gives_way(handler: Handler) -> bool:
    """Return whether another handler of the same media type is taken in the place of this one."""
    return getattr(handler, "gives_way", False) is True


def _is_bound_as(registered: Any, component: Any) -> bool:
    """Return whether a component is a registered handler, an instance of one, or wraps either."""
    # Compare by identity: a component may have any notion of equality.
    if registered is component or registered is type(component):
        return True
    wrapped = unwrap(component) if callable(component) and hasattr(component, "__wrapped__") else component
    return registered is wrapped or registered is type(wrapped)
