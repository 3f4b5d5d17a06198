"""
The routes of bound handlers: each made once, with its options, its policy, and all that wraps it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from microcosm_pubsub.config.graph import use_parts
from microcosm_pubsub.dispatcher.arguments import ArgumentFinder
from microcosm_pubsub.dispatcher.unit import make_route
from microcosm_pubsub.middleware.event_loop import EventLoop
from microcosm_pubsub.middleware.handler_call import PLAIN_ARGUMENTS
from microcosm_pubsub.middleware.layer import choose_unit_layers
from microcosm_pubsub.registry import (
    DEFAULT_OPTIONS,
    HandlerOptions,
    Route,
    SQSMessageHandlerRegistry,
    is_composite,
)
from microcosm_pubsub.retry import RetryPolicies
from microcosm_pubsub.types import Handler, Layer, UnitLayer


class RouteMaker:
    """
    Make routes.

    :param registry: knows how handlers want their messages
    :param policies: the retry policies of handlers
    :param middleware: layers around each handler, the outermost first
    :param unit_middleware: layers around each message, or batch, outside of the others
    :param loop: runs handlers that are coroutine functions
    :param arguments: finds what handlers ask for beside their content
    """

    def __init__(
        self,
        registry: SQSMessageHandlerRegistry,
        policies: RetryPolicies,
        middleware: Iterable[Layer],
        unit_middleware: Iterable[UnitLayer],
        loop: EventLoop,
        arguments: ArgumentFinder | None,
    ) -> None:
        self.registry = registry
        self.policies = policies
        self.middleware = tuple(middleware)
        self.unit_middleware = tuple(unit_middleware)
        self.loop = loop
        self.arguments = arguments

    def make(self, media_type: str | None, handler: Handler | None) -> Route:
        """
        Return the route of a media type and its handler, with those of the handlers that the handler has.

        :param media_type: as it is registered; None, as the handler, for what nobody handles here
        """
        if media_type is None or handler is None:
            return self._make(media_type, handler, DEFAULT_OPTIONS)
        route = self._make(media_type, handler, self.registry.find_options(media_type, handler))
        if not is_composite(handler):
            return route
        parts = {
            name: replace(self._make(media_type, part, options), name=name)
            for name, part, options in handler.iter_parts()
        }
        return replace(route, parts=parts, find_name=handler.choose)

    def _make(self, media_type: str | None, handler: Handler | None, options: HandlerOptions) -> Route:
        # Layers come before the handler's arguments are looked for: a layer may provide one.
        unit_layers = choose_unit_layers(self.unit_middleware, handler, options)
        arguments = PLAIN_ARGUMENTS
        layers = self.middleware
        if media_type is not None and handler is not None:
            if options.middleware:
                layers = (
                    *layers,
                    *use_parts(self.registry.graph, options.middleware, f"The middleware of {media_type}"),
                )
            if self.arguments is not None:
                arguments = self.arguments.find(media_type, handler, options)
        policy = self.policies.complete(options.retry)
        return make_route(media_type, handler, options, policy, layers, unit_layers, self.loop, arguments)
