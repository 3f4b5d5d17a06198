"""
How a URI handler uses the graph's `resource_cache`.

The cache is foreign code, and only ever saves time: whatever it raises is logged, and the resource
is fetched instead.
"""

from collections.abc import Callable
from logging import getLogger
from typing import Any


logger = getLogger(__name__)


def is_created_event(media_type: str) -> bool:
    """Return whether a media type is that of a created `*_event`, a resource that never changes."""
    return ".created." in media_type and media_type.rpartition(".")[2].endswith("_event")


class ResourceCache:
    """
    Keep fetched resources for a while.

    :param cache: an object with `get(key)` and `set(key, value, ttl=seconds)`; None for no cache
    :param ttl_seconds: how long a resource is kept
    :param whitelist: tells by the media type whether a message's resource may come from the cache
    """

    def __init__(self, cache: Any, ttl_seconds: int, whitelist: Callable[[str], bool]) -> None:
        self.cache = cache
        self.ttl_seconds = ttl_seconds
        self.whitelist = whitelist

    def get(self, media_type: str, uri: str) -> Any:
        """Return the resource of a URI, or None."""
        if self.cache is None or not self.whitelist(media_type):
            return None
        # A cache is foreign code, and no error of it is worth a message.
        try:
            return self.cache.get(uri)
        except Exception as error:
            self._warn("read", error)
            return None

    def set(self, media_type: str, uri: str, resource: Any) -> None:
        """Keep the resource of a URI, if it is one to keep."""
        if self.cache is None or resource is None or not self.whitelist(media_type):
            return
        # As above.
        try:
            self.cache.set(uri, resource, ttl=self.ttl_seconds)
        except Exception as error:
            self._warn("written", error)

    def _warn(self, what: str, error: Exception) -> None:
        logger.warning("The resource cache could not be %s (%s)", what, type(error).__name__, exc_info=True)
