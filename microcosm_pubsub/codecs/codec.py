"""
From content to a message's JSON text and back, through a marshmallow schema.

A plain marshmallow schema with a `MEDIA_TYPE` will do too: the codec then writes and reads the media type and the
opaque data beside the schema's own fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from json import dumps, loads
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, missing

from microcosm_pubsub.codecs.one_way import iter_load_only, without_dump_only
from microcosm_pubsub.codecs.schema import PubSubMessageSchema, media_type_of
from microcosm_pubsub.config.cached import cached_property
from microcosm_pubsub.errors import MessageValidationError, article
from microcosm_pubsub.fast import PLAIN
from microcosm_pubsub.fast.dumper import Dumper
from microcosm_pubsub.fast.loader import Loader


#: The errors of fields, and of json, for values of a type or a size that they do not expect.
ENCODING_ERRORS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)


class PubSubMessageCodec:
    """
    Encode and decode the messages of one media type.

    :param schema: a schema instance
    """

    #: Its content is a dict.
    cls = None

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        loader = Loader(schema)
        self._load = partial(schema.load, unknown=EXCLUDE) if PLAIN else loader.load
        self._fits = loader.fits
        self._dump = schema.dump if PLAIN else Dumper(schema).dump
        self._is_message_schema = isinstance(schema, PubSubMessageSchema)

    def encode(self, dct: Mapping[str, Any] | None = None, **kwargs: Any) -> str:
        """
        Return a message's JSON text.

        The dumped content is validated, because marshmallow validates on load only:
        https://marshmallow.readthedocs.io/en/stable/quickstart.html#validation-without-deserialization

        :param dct: the content
        :param kwargs: more content, which wins over `dct`
        :raises marshmallow.ValidationError: if the content does not fit the schema
        """
        content = {**(dct or {}), **kwargs}
        try:
            encoded = self._dump(content)
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
            # dict comes first: a check for any Mapping costs ten times as much.
            dct = message if isinstance(message, (dict, Mapping)) else loads(message)
            if not isinstance(dct, (dict, Mapping)):
                raise ValidationError("Not a JSON object.")
            content: dict[str, Any] = self._load(dct)
        except ValidationError as error:
            raise self._refuse("decode", error.messages) from error
        except ENCODING_ERRORS as error:
            raise self._refuse("decode", {}, error) from error
        if not self._is_message_schema and isinstance(content, dict) and dct.get("opaqueData"):
            content.setdefault("opaque_data", dct["opaqueData"])
        return content

    def to_mapping(self, content: Any) -> dict[str, Any]:
        """
        Return content as `encode` takes it.

        :raises MessageValidationError: if it is no mapping
        """
        if not isinstance(content, Mapping):
            raise self._refuse("encode", {"_schema": [f"Not a mapping, but {article(content)}."]})
        return dict(content)

    def has_field(self, name: str) -> bool:
        """Return whether content has a field of a name."""
        return name in self.schema.fields

    def _validate(self, encoded: dict[str, Any]) -> None:
        if not PLAIN and self._fits(encoded):
            return
        loadable = without_dump_only(self.schema, encoded)
        # Written content may lack the fields that are only read.
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
