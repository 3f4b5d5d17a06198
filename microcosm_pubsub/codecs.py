"""
From content to a message's JSON text and back, through a marshmallow schema.

`PubSubMessageSchema` is the base of all messages; `PubSubMessageCodec` pairs a schema with the text.
A plain marshmallow schema with a `MEDIA_TYPE` will do too: the codec then writes and reads the
media type and the opaque data beside the schema's own fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from json import dumps, loads
from typing import Any

from marshmallow import Schema, ValidationError, fields, missing

from microcosm_pubsub.errors import MessageValidationError
from microcosm_pubsub.loading import Loader


DEFAULT_MEDIA_TYPE = "application/json"

#: What fields raise on values of a type or a size that they do not expect, as json does.
ENCODING_ERRORS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)


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

        :param obj: what stands under `mediaType`
        :raises marshmallow.ValidationError: if that is not text
        """
        if not isinstance(obj, str):
            raise ValidationError("Not a valid string.")
        return obj


class MediaTypeSchema(Schema):
    """Read the media type of a message, and nothing else."""

    mediaType = fields.String(required=True)  # noqa: N815


class PubSubMessageCodec:
    """
    Encode and decode the messages of one media type.

    :param schema: a schema instance
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._loader = Loader(schema)
        self._is_message_schema = isinstance(schema, PubSubMessageSchema)

    def encode(self, dct: Mapping[str, Any] | None = None, **kwargs: Any) -> str:
        """
        Return a message's JSON text.

        What the schema dumped is validated, because marshmallow validates on load only:
        https://marshmallow.readthedocs.io/en/stable/quickstart.html#validation-without-deserialization

        :param dct: the content
        :param kwargs: more content, which wins over `dct`
        :raises marshmallow.ValidationError: if the content does not fit the schema
        """
        content = {**(dct or {}), **kwargs}
        try:
            encoded = self.schema.dump(content)
            self._validate(encoded)
            if not self._is_message_schema:
                encoded["mediaType"] = content.get("media_type") or media_type_of(self.schema)
                if content.get("opaque_data"):
                    encoded["opaqueData"] = content["opaque_data"]
            return dumps(encoded)
        except ValidationError as error:
            raise self._refuse("encode", error.messages) from error
        except ENCODING_ERRORS as error:
            raise self._refuse("encode", self._find_unserializable(content), error) from error

    def decode(self, message: str | bytes | Mapping[str, Any]) -> dict[str, Any]:
        """
        Return the content of a message.

        :param message: JSON text, or the object that was read from it
        :raises marshmallow.ValidationError: if that is no JSON object or does not fit the schema
        """
        try:
            # dict first: a check for any Mapping costs ten times as much
            dct = message if isinstance(message, (dict, Mapping)) else loads(message)
            if not isinstance(dct, (dict, Mapping)):
                raise ValidationError("Not a JSON object.")
            content: dict[str, Any] = self._loader.load(dct)
        except ValidationError as error:
            raise self._refuse("decode", error.messages) from error
        except ENCODING_ERRORS as error:
            raise self._refuse("decode", {}, error) from error
        if not self._is_message_schema and isinstance(content, dict) and dct.get("opaqueData"):
            content.setdefault("opaque_data", dct["opaqueData"])
        return content

    def _validate(self, encoded: dict[str, Any]) -> None:
        loadable = without_dump_only(self.schema, encoded)
        # what is written may lack the fields that are only read
        if errors := self.schema.validate(loadable, partial=self._load_only or None):
            raise ValidationError(errors)

    @cached_property
    def _load_only(self) -> tuple[str, ...]:
        return tuple(iter_load_only(self.schema))

    def _find_unserializable(self, content: dict[str, Any]) -> dict[str, list[str]]:
        """Return which fields refuse their value; marshmallow does not tell."""
        messages: dict[str, list[str]] = {}
        for name, field in self.schema.dump_fields.items():
            try:
                value = field.serialize(field.attribute or name, content, accessor=self.schema.get_attribute)
                if value is not missing:
                    dumps(value)
            except (ValidationError, *ENCODING_ERRORS) as error:
                messages[field.data_key or name] = [f"Cannot be written: {type(error).__name__}."]
        return messages

    def _refuse(self, verb: str, messages: Any, error: Exception | None = None) -> MessageValidationError:
        name = type(self.schema).__name__
        summary = f"Cannot {verb} a message with schema {name}"
        if error is not None:
            summary += f": {type(error).__name__}"
        details = messages if isinstance(messages, dict) else {"_schema": messages}
        return MessageValidationError({**details, "_schema": [*details.get("_schema", []), summary]})


def media_type_of(schema: Schema) -> str:
    """Return the media type of a schema instance."""
    media_type = getattr(schema, "MEDIA_TYPE", DEFAULT_MEDIA_TYPE)
    if media_type == DEFAULT_MEDIA_TYPE and isinstance(schema, PubSubMessageSchema):
        overridden = type(schema).deserialize_media_type is not PubSubMessageSchema.deserialize_media_type
        return schema.deserialize_media_type(None) if overridden else DEFAULT_MEDIA_TYPE
    return str(media_type)


def iter_load_only(schema: Schema, seen: tuple[type[Schema], ...] = ()) -> Iterator[str]:
    """Iterate over the names of the fields that are only read, in nested schemas too, with dots between."""
    for name, field in schema.load_fields.items():
        if field.load_only:
            yield name
        field = field.inner if isinstance(field, fields.List) else field
        # a schema may nest itself
        if isinstance(field, fields.Nested) and type(field.schema) not in seen:
            yield from (f"{name}.{inner}" for inner in iter_load_only(field.schema, (*seen, type(schema))))


def without_dump_only(schema: Schema, dumped: Any) -> Any:
    """Return dumped data without the fields that cannot be loaded, in nested schemas too."""
    if isinstance(dumped, list):
        return [without_dump_only(schema, item) for item in dumped]
    if not isinstance(dumped, Mapping):
        return dumped
    result = dict(dumped)
    for name, field in schema.dump_fields.items():
        key = field.data_key if field.data_key is not None else name
        if field.dump_only:
            result.pop(key, None)
        elif result.get(key) is not None:
            result[key] = _field_without_dump_only(field, result[key])
    return result


def _field_without_dump_only(field: Any, value: Any) -> Any:
    match field:
        case fields.Pluck():
            return value
        case fields.Nested():
            return without_dump_only(field.schema, value)
        case fields.List():
            return [_field_without_dump_only(field.inner, item) for item in value]
        case fields.Dict() if field.value_field is not None:
            return {key: _field_without_dump_only(field.value_field, item) for key, item in value.items()}
        case _:
            return value
