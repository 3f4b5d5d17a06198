"""
The schemas of messages about resources, by convention.
"""

from typing import Any

from marshmallow import ValidationError, fields, validates_schema

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


class CallMessageSchema(URIMessageSchema):
    """
    Know a call by its form, where nobody carries it out.

    A resource may be named as calls are, and then is pointed to by its URI.
    """

    uri = fields.String(required=False)
    jsonrpc = fields.String(required=False)
    #: What was called is not checked here, for nobody carries it out; it is shown to people.
    method = fields.Raw(required=False)
    params = fields.Raw(required=False)

    @validates_schema
    def check_form(self, data: Any, **kwargs: Any) -> None:
        """
        Refuse what is neither.

        :raises ValidationError: if it is that
        """
        if "uri" not in data and "jsonrpc" not in data:
            raise ValidationError(self.fields["uri"].error_messages["required"], "uri")
