"""
The base of all messages, and what a schema says of its media type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields


DEFAULT_MEDIA_TYPE = "application/json"


class PubSubMessageSchema(Schema):
    """
    Base of all messages.

    A subclass names its media type with `MEDIA_TYPE`, or by overriding `deserialize_media_type`.
    """

    MEDIA_TYPE = DEFAULT_MEDIA_TYPE

    media_type = fields.Method(
        "serialize_media_type",
        "deserialize_media_type",
        data_key="mediaType",
        required=True,
    )
    opaque_data = fields.Dict(data_key="opaqueData", required=False)

    def serialize_media_type(self, obj: Any) -> str:
        """Return the media type to write for content: its own, if it has one, or the schema's."""
        own = obj.get("media_type") if isinstance(obj, Mapping) else None
        return own or media_type_of(self)

    def deserialize_media_type(self, obj: Any) -> str:
        """
        Return the media type of a received message.

        :param obj: the value under `mediaType`
        :raises marshmallow.ValidationError: if that is not text
        """
        if not isinstance(obj, str):
            raise ValidationError("Not a valid string.")
        return obj

    #: The type whose values this method returns as they are.
    deserialize_media_type.as_is = str  # type: ignore[attr-defined]


class MediaTypeSchema(Schema):
    """Read the media type of a message, and nothing else."""

    mediaType = fields.String(required=True)  # noqa: N815


def media_type_of(schema: Schema) -> str:
    """Return the media type of a schema instance."""
    media_type = getattr(schema, "MEDIA_TYPE", DEFAULT_MEDIA_TYPE)
    if media_type == DEFAULT_MEDIA_TYPE and isinstance(schema, PubSubMessageSchema):
        overridden = type(schema).deserialize_media_type is not PubSubMessageSchema.deserialize_media_type
        return schema.deserialize_media_type(None) if overridden else DEFAULT_MEDIA_TYPE
    return str(media_type)
