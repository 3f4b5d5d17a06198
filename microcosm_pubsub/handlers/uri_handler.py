"""
A handler for messages that point to a resource.

It fetches what the message's URI leads to and hands it on. A resource that is not there yet, or
not yet as the message says, is a reason to try again later. Each step can be overridden.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from logging import DEBUG, INFO, getLogger
from typing import Any

from inflection import underscore
from microcosm.errors import LockedGraphError

from microcosm_pubsub.config.graph import find_component
from microcosm_pubsub.constants import DEFAULT_RESOURCE_CACHE_TTL, URI_KEY
from microcosm_pubsub.errors import Nack, ResourceError
from microcosm_pubsub.handlers.location import locate
from microcosm_pubsub.handlers.resource_cache import is_created_event, read_cache, takes_one_argument, write_cache
from microcosm_pubsub.handlers.session import (
    URINotAllowed,
    configure_pubsub_uri_session,
    raise_for_status,
    read_json,
)


logger = getLogger(__name__)

NOT_FOUND = 404

#: The handler that fetches a resource, here and now.
CALLER: ContextVar[URIHandler] = ContextVar("uri_handler")


class URIHandler:
    """
    Handle a message together with the resource that it points to.

    :param graph: the object graph, with `pubsub_uri_session` and perhaps a `resource_cache`
    :param retry_nack_timeout: how long to wait for a changed field to show, in seconds
    :param resource_nack_timeout: how long to wait for a resource to be found, in seconds
    :param resource_cache_enabled: whether to use the `resource_cache`
    :param resource_cache_ttl: how long a resource stays there, in seconds
    :param resource_cache_whitelist_callable: says by media type and URI whether it may come from there
    """

    def __init__(
        self,
        graph: Any,
        retry_nack_timeout: int = 1,
        resource_nack_timeout: int = 1,
        resource_cache_enabled: bool = True,
        resource_cache_ttl: int = DEFAULT_RESOURCE_CACHE_TTL,
        resource_cache_whitelist_callable: Callable[..., bool] | None = None,
    ) -> None:
        self.graph = graph
        self.retry_nack_timeout = retry_nack_timeout
        self.resource_nack_timeout = resource_nack_timeout
        self.resource_cache_enabled = resource_cache_enabled
        self.resource_cache_ttl = resource_cache_ttl
        if resource_cache_whitelist_callable is not None:
            self.resource_cache_whitelist_callable = resource_cache_whitelist_callable  # type: ignore[method-assign]
        self.session = _find_session(graph)
        self.resource_cache = self.get_resource_cache(graph)

    def get_resource_cache(self, graph: Any) -> Any:
        """Return the graph's cache, which has `get(key)` and `set(key, value, ttl=seconds)`; None is no cache."""
        return find_component(graph, "resource_cache") if self.resource_cache_enabled else None

    def resource_cache_whitelist_callable(self, media_type: str, uri: str) -> bool:
        """Return whether the resource of a message may come from the cache."""
        return resource_cache_whitelist_callable(media_type, uri)

    @property
    def nack_timeout(self) -> int:
        """Return how long to wait for a resource to be found, in seconds."""
        return self.resource_nack_timeout

    @nack_timeout.setter
    def nack_timeout(self, seconds: int) -> None:
        self.resource_nack_timeout = seconds

    @property
    def name(self) -> str:
        """Return the name of the handler in the log."""
        name: str = underscore(type(self).__name__)
        return name

    @property
    def nack_if_not_found(self) -> bool:
        """Return whether a resource that is not found is a reason to try again, and not a failure."""
        return True

    @property
    def resource_type(self) -> Any:
        """Return the class that a resource is an object of."""
        return dict

    def __call__(self, message: dict[str, Any]) -> bool:
        """
        Handle a message.

        :param message: its content
        :returns: what `handle` returned, or False if the message was skipped
        :raises Nack: if the resource is not found, or not yet changed
        :raises requests.HTTPError: if the server refuses to give the resource
        :raises ResourceError: if the resource cannot be had otherwise
        """
        uri = self._uri_of(message)
        self.on_call(message, uri)
        reason = self.get_reason_to_skip(message, uri)
        if reason:
            self.on_skip(message, uri, reason)
            return False
        try:
            resource = self.get_resource(message, uri)
        except URINotAllowed as error:
            logger.warning("%s", error, extra=self._extra(uri))
            self.on_skip(message, uri, error.reason)
            return False
        self.validate_changed_field(message, resource)
        resource = self.convert_resource(resource)
        if self.handle(message, uri, resource):
            self.on_handle(message, uri, resource)
            return True
        self.on_ignore(message, uri, resource)
        return False

    def handle(self, message: dict[str, Any], uri: str, resource: Any) -> bool:
        """Handle the message, and return whether there was anything to do: by default, that the resource is there."""
        return True

    def get_reason_to_skip(self, message: dict[str, Any], uri: str) -> str | None:
        """Return why to skip the message before its resource is fetched, or None."""
        return None

    def get_headers(self, message: dict[str, Any]) -> dict[str, str]:
        """Return the headers to fetch the resource with: the message's opaque data."""
        opaque_data = _find(message, "opaque_data", "opaqueData") or {}
        return {str(key): str(value) for key, value in opaque_data.items() if value is not None}

    def get_resource(self, message: dict[str, Any], uri: str) -> Any:
        """
        Return the resource, as it is in JSON, from the cache or its server.

        :raises Nack: if it is not found, and `nack_if_not_found`
        :raises URINotAllowed: if the URI leads to what may not be fetched
        """
        media_type = _media_type_of(message)
        cache = self.resource_cache
        if cache is not None and not self._may_be_cached(media_type, uri):
            cache = None
        cached = read_cache(cache, uri)
        if cached is not None:
            return cached
        token = CALLER.set(self)
        try:
            response = get(uri, headers=self.get_headers(message))
        finally:
            CALLER.reset(token)
        if response.status_code == NOT_FOUND and self.nack_if_not_found:
            raise Nack(self.nack_timeout, reason="URI resource not found")
        raise_for_status(response)
        resource = read_json(response)
        write_cache(cache, uri, resource, self.resource_cache_ttl)
        return resource

    def _may_be_cached(self, media_type: str, uri: str) -> bool:
        judge: Callable[..., bool] = self.resource_cache_whitelist_callable
        # A judge that was written for media types alone takes one argument.
        return bool(judge(media_type) if takes_one_argument(judge) else judge(media_type, uri))

    def validate_changed_field(self, message: dict[str, Any], resource: Any) -> None:
        """
        Check that a resource shows the change that the message tells of.

        :raises Nack: if it does not
        """
        if ".changed." not in _media_type_of(message) or not isinstance(resource, Mapping):
            return
        field_name = message.get("field_name")
        if not field_name or "new_value" not in message:
            return
        if resource.get(field_name) != message["new_value"]:
            raise Nack(self.retry_nack_timeout, reason=f"URI resource does not show its new {field_name} yet")

    def convert_resource(self, resource: Any) -> Any:
        """
        Make an object of `resource_type` of a resource.

        :raises ResourceError: if the resource is of another shape
        """
        if isinstance(resource, self.resource_type):
            return resource
        if isinstance(resource, Mapping):
            return self.resource_type(**resource)
        raise ResourceError(
            f"Handler {self.name} takes resources of type {self.resource_type.__name__}, but was "
            f"given {type(resource).__name__}: look at what its messages point to, or at its resource_type"
        )

    def on_call(self, message: dict[str, Any], uri: str) -> None:
        """Log that a message is about to be handled."""
        self._log(DEBUG, "Handling", uri)

    def on_skip(self, message: dict[str, Any], uri: str, reason: str) -> None:
        """Log that a message was skipped."""
        self._log(INFO, "Skipped", uri, reason=reason)

    def on_handle(self, message: dict[str, Any], uri: str, resource: Any) -> None:
        """Log that a message was handled."""
        self._log(INFO, "Handled", uri)

    def on_ignore(self, message: dict[str, Any], uri: str, resource: Any) -> None:
        """Log that there was nothing to do for a message."""
        self._log(INFO, "Ignored", uri)

    def _log(self, level: int, what: str, uri: str, **extra: Any) -> None:
        logger.log(level, "%s %s in %s", what, locate(uri), self.name, extra=self._extra(uri, **extra))

    def _extra(self, uri: str, **extra: Any) -> dict[str, Any]:
        return {"handler": self.name, "uri": uri, **extra}

    def _uri_of(self, message: dict[str, Any]) -> str:
        uri = message.get(URI_KEY)
        if isinstance(uri, str):
            return uri
        raise ResourceError(
            f"Handler {self.name} takes messages with a URI, but {_media_type_of(message) or 'this one'} "
            "has none: give its schema a required uri, or handle it without a URIHandler"
        )


def get(uri: str, headers: Mapping[str, str]) -> Any:
    """
    Fetch a resource through the session of the handler that calls, and return the response.

    It is looked up here for each message, and takes no more than this, so that a test may put any function of its own
    in its place.
    """
    return CALLER.get().session.get(uri, headers=headers)


def resource_cache_whitelist_callable(media_type: str, uri: str) -> bool:
    """Return whether a message's resource may come from the cache: one of an event, which never changes."""
    return is_created_event(media_type)


def _find_session(graph: Any) -> Any:
    try:
        return graph.pubsub_uri_session
    except LockedGraphError:
        # The handler came too late to have the graph's session made, and gets one of its own.
        return configure_pubsub_uri_session(graph)


def _media_type_of(message: Mapping[str, Any]) -> str:
    return str(_find(message, "media_type", "mediaType") or "")


def _find(message: Mapping[str, Any], *keys: str) -> Any:
    return next((message[key] for key in keys if message.get(key) is not None), None)
