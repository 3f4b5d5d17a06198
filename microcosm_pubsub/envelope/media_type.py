"""
The media type that a message tells: in its body, or else in its attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from microcosm_pubsub.codecs import MediaTypeSchema, PubSubMessageCodec
from microcosm_pubsub.constants import MEDIA_TYPE_ATTRIBUTE
from microcosm_pubsub.errors import DecodeError


#: Two names of 127 characters, and the slash between them. https://datatracker.ietf.org/doc/html/rfc6838#section-4.2
MAX_MEDIA_TYPE_LENGTH = 255

MEDIA_TYPE_CODEC = PubSubMessageCodec(MediaTypeSchema())


def find_media_type(message: Mapping[str, Any], attributes: Any) -> str:
    """
    Return the media type that a message tells, in its body or else in its attributes.

    :raises DecodeError: if it tells one that would make more of a line in a log than a word
    :raises marshmallow.ValidationError: if it tells none
    """
    media_type = message.get("mediaType")
    if not isinstance(media_type, str):
        media_type = _read_media_type(message, attributes)
    if len(media_type) > MAX_MEDIA_TYPE_LENGTH or not media_type.isprintable():
        raise DecodeError(
            f"The media type, of {len(media_type)} characters, is longer than {MAX_MEDIA_TYPE_LENGTH}, or holds some "
            "that cannot be printed"
        )
    return media_type


def _read_media_type(message: Mapping[str, Any], attributes: Any) -> str:
    if message.get("mediaType") is None and isinstance(attributes, Mapping):
        attribute = attributes.get(MEDIA_TYPE_ATTRIBUTE)
        if isinstance(attribute, Mapping):
            # SNS writes Value, SQS writes StringValue
            value = attribute.get("Value", attribute.get("StringValue"))
            return str(MEDIA_TYPE_CODEC.decode({"mediaType": value})["mediaType"])
    return str(MEDIA_TYPE_CODEC.decode(message)["mediaType"])
