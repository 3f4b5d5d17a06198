"""
The use that a URI handler makes of the graph's `resource_cache`.

The cache is user code, and only ever saves time: whatever it raises is logged, and the resource
is fetched instead.
"""

from collections.abc import Callable
from inspect import signature
from logging import getLogger
from typing import Any


logger = getLogger(__name__)


def is_created_event(media_type: str) -> bool:
    """Return whether a media type is that of a created `*_event`, a resource that never changes."""
    return ".created." in media_type and media_type.rpartition(".")[2].endswith("_event")


def takes_one_argument(judge: Callable[..., Any]) -> bool:
    """Return whether a function is called with one argument alone."""
    try:
        signature(judge).bind("", "")
    except TypeError:
        return True
    except ValueError:
        # A builtin does not tell.
        return False
    return False


def read_cache(cache: Any, uri: str) -> Any:
    """Return the resource of a URI, or None."""
    if cache is None:
        return None
    # A cache is user code, and no error of it is worth a message.
    try:
        return cache.get(uri)
    except Exception as error:
        _warn("read", error)
        return None


def write_cache(cache: Any, uri: str, resource: Any, ttl_seconds: int) -> None:
    """Keep the resource of a URI for a while."""
    if cache is None or resource is None:
        return
    # The reason is that of the reader above.
    try:
        cache.set(uri, resource, ttl=ttl_seconds)
    except Exception as error:
        _warn("written", error)


def _warn(what: str, error: Exception) -> None:
    logger.warning("The resource cache could not be %s (%s)", what, type(error).__name__, exc_info=True)
