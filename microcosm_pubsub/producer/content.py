"""
The media type and the codec of content that is to be published.
"""

from __future__ import annotations

from typing import Any

from microcosm_pubsub.codecs import ContentCodec
from microcosm_pubsub.errors import ConfigurationError, PublishError
from microcosm_pubsub.registry import PubSubMessageSchemaRegistry


def find_media_type(registry: PubSubMessageSchemaRegistry, content: Any) -> str:
    """
    Return the media type of an instance of a registered class.

    :raises PublishError: if its class is not registered
    """
    try:
        return registry.find_media_type(type(content))
    except ConfigurationError as error:
        raise PublishError(
            f"Cannot produce {type(content).__qualname__} alone: a media type must be text, such as created(...) "
            f"gives, or the content an instance of a registered class. {error}"
        ) from error


def find_codec(registry: PubSubMessageSchemaRegistry, media_type: str) -> ContentCodec:
    """
    Return the codec of a media type.

    :raises PublishError: if it has no schema
    """
    try:
        return registry.find(media_type)
    except KeyError:
        raise PublishError(
            f"Cannot produce {media_type}: it has no schema; register one with @schema, or use a media "
            "type with a lifecycle change, such as created(...)"
        ) from None
