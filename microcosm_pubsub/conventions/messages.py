"""
The schemas of messages about resources, by convention.
"""

from typing import Any

from marshmallow import fields

from microcosm_pubsub.codecs import PubSubMessageSchema


class ConventionalMessageSchema(PubSubMessageSchema):
    """
    Base of schemas that serve many media types.

    :param media_type: the media type that this instance writes
    """

    def __init__(self, media_type: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if media_type is not None:
            self.MEDIA_TYPE = media_type


class URIMessageSchema(ConventionalMessageSchema):
    """Point to a resource by its URI."""

    uri = fields.String(required=True)


class ChangedURIMessageSchema(URIMessageSchema):
    """Point to a resource of which one field has a new value."""

    field_name = fields.String(required=False, allow_none=True)
    new_value = fields.Raw(required=False, allow_none=True)


class IdentityMessageSchema(ConventionalMessageSchema):
    """Name a resource that can no longer be fetched by its id."""

    id = fields.String(required=True)
