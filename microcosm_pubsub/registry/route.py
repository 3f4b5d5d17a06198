"""
Routes: the handler of a media type, its options, its retry policy, and the one call that goes through all that wraps
it.

A route is found once for each message, when it is accepted, and kept on it. Parts that belong to one handler alone,
such as layers of its own, are put into its route when that is made, and cost the others nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeGuard

from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.registry.handlers import SQSMessageHandlerRegistry
from microcosm_pubsub.registry.options import HandlerOptions
from microcosm_pubsub.registry.patterns import find_matching
from microcosm_pubsub.retry import RetryPolicy
from microcosm_pubsub.types import Call, Handler, Handlers, UnitCall


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """
    The way in which the messages of one media type are handled here.

    :param media_type: as it is registered, perhaps a pattern; None if nobody handles it here
    :param handler: the bound handler; None if there is none
    :param options: how that wants its messages
    :param policy: the retry policy
    :param call: handles one message, through the layers around it
    :param run: handles some messages at once, through the layers around all of them; None if a message goes through
        `call` by itself
    :param parts: the routes of the handlers that the handler has, by name, if it is `Composite`
    :param find_name: finds which of them a message wants
    :param name: by which it is found among the parts of another one, and which log lines tell
    """

    media_type: str | None
    handler: Handler | None
    options: HandlerOptions
    policy: RetryPolicy
    call: Call
    run: UnitCall | None = None
    parts: Mapping[str, Route] = field(default_factory=dict)
    find_name: Callable[[SQSMessage], str | None] | None = None
    name: str | None = None

    def choose(self, message: SQSMessage) -> Route:
        """Return the route of one message: this one, or that of the handler which its content names."""
        if self.find_name is None or message.error is not None:
            return self
        return self.parts.get(self.find_name(message) or "", self)


class Composite(Protocol):
    """
    A handler that has others, one for each of the names that the content of its messages may hold.

    It handles those itself of which it has none.
    """

    def __call__(self, content: Any, /) -> Any: ...

    def iter_parts(self) -> Iterable[tuple[str, Handler, HandlerOptions]]:
        """Iterate over its handlers: a name, a handler, and how that wants its messages."""
        ...

    def choose(self, message: SQSMessage) -> str | None:
        """Return the name that a message's content holds; None if there is none, or the message is none of them."""
        ...


def is_composite(handler: Handler) -> TypeGuard[Composite]:
    """Return whether a handler has others; its class says so, since a mock has any attribute that it is asked for."""
    return hasattr(type(handler), "iter_parts") and hasattr(type(handler), "choose")


class Routes:
    """
    Find the route of each message among the handlers that a daemon binds.

    :param handlers: the bound handlers
    :param registry: finds those that are not bound by a media type
    :param make_route: makes the route of a media type and its handler; of None and None for what nobody handles here
    """

    def __init__(
        self,
        handlers: Handlers,
        registry: SQSMessageHandlerRegistry,
        make_route: Callable[[str | None, Handler | None], Route],
    ) -> None:
        self.handlers = dict(handlers)
        self.registry = registry
        self.make_route = make_route
        self.routes = {media_type: make_route(media_type, handler) for media_type, handler in handlers.items()}
        self.unhandled = make_route(None, None)

    def find(self, media_type: str | None) -> Route:
        """Return the route of a media type."""
        # Most media types are bound as they are.
        return self.routes.get(media_type or "") or self._find_matching(media_type or "")

    def _find_matching(self, media_type: str) -> Route:
        try:
            return self.routes[find_matching(media_type, self.routes)]
        except KeyError:
            pass
        try:
            handler = self.registry.find(media_type, self.handlers)
        except KeyError:
            return self.unhandled
        registered = find_matching(media_type, self.registry.keys())
        if registered not in self.routes:
            self.routes[registered] = self.make_route(registered, handler)
        return self.routes[registered]

    def are_of(self, handlers: Mapping[str, Handler]) -> bool:
        """Return whether these are the routes of exactly these handlers."""
        # Handlers are compared by identity: they may have any notion of equality.
        return handlers.keys() == self.handlers.keys() and all(
            self.handlers[media_type] is handler for media_type, handler in handlers.items()
        )
