"""
Conventions: media types and schemas of messages about the life of resources.

    graph.sns_producer.produce(created("order"), uri="https://example.com/orders/1")
"""

from functools import partial
from typing import Any

from microcosm_pubsub.conventions.lifecycle import LifecycleChange
from microcosm_pubsub.conventions.messages import (
    ChangedURIMessageSchema,
    IdentityMessageSchema,
    URIMessageSchema,
)
from microcosm_pubsub.conventions.naming import make_media_type, name_for


def media_type(lifecycle_change: str) -> "partial[str]":
    """Return a function that makes media types of one lifecycle change, as `created` does."""
    return partial(make_media_type, lifecycle_change=lifecycle_change)


def created(resource: Any, **kwargs: Any) -> str:
    """Return the media type for a created resource; `kwargs` are those of `make_media_type`."""
    return make_media_type(resource, lifecycle_change=LifecycleChange.Created, **kwargs)


def changed(resource: Any, **kwargs: Any) -> str:
    """Return the media type for a changed resource; `kwargs` are those of `make_media_type`."""
    return make_media_type(resource, lifecycle_change=LifecycleChange.Changed, **kwargs)


def deleted(resource: Any, **kwargs: Any) -> str:
    """Return the media type for a deleted resource; `kwargs` are those of `make_media_type`."""
    return make_media_type(resource, lifecycle_change=LifecycleChange.Deleted, **kwargs)


__all__ = [
    "ChangedURIMessageSchema",
    "IdentityMessageSchema",
    "LifecycleChange",
    "URIMessageSchema",
    "changed",
    "created",
    "deleted",
    "make_media_type",
    "media_type",
    "name_for",
]
