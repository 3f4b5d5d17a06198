"""
Marshmallow schemas as JSON Schema: https://json-schema.org/draft/2020-12

The form that a schema writes differs from the one that it reads: in fields that are only read or only written, and in
those that are always there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from inspect import getdoc
from itertools import count
from typing import Any

from marshmallow import RAISE, Schema, fields, validate

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.fields import UUIDField
from microcosm_pubsub.payloads.field import AnyOf, Base64, Duration, Flag, Number


JsonSchema = dict[str, Any]

#: The key for the name of a field or validator that is unknown here, and compared by that name alone.
OPAQUE = "x-opaque"

#: The fields beside the content of every message.
ENVELOPE_FIELDS = frozenset({"mediaType", "opaqueData"})

TEXT: JsonSchema = {"type": "string"}

#: Exact classes first, then what they derive from.
SIMPLE: dict[type, JsonSchema] = {
    Base64: {"type": "string", "contentEncoding": "base64"},
    Duration: {"type": "number", "format": "duration-seconds"},
    Flag: {"type": "boolean"},
    Number: {"type": "number"},
    UUIDField: {"type": "string", "format": "uuid"},
    fields.UUID: {"type": "string", "format": "uuid"},
    fields.Email: {"type": "string", "format": "email"},
    fields.Url: {"type": "string", "format": "uri"},
    fields.IPv4: {"type": "string", "format": "ipv4"},
    fields.IPv6: {"type": "string", "format": "ipv6"},
    fields.IP: {"type": "string", "format": "ip"},
    fields.DateTime: {"type": "string", "format": "date-time"},
    fields.Date: {"type": "string", "format": "date"},
    fields.Time: {"type": "string", "format": "time"},
    fields.TimeDelta: {"type": "integer"},
    fields.Boolean: {"type": "boolean"},
    fields.String: TEXT,
}


class SchemaReader:
    """
    Turn a marshmallow schema, and those within it, into JSON Schema.

    :param reads: whether it is what the schema reads, and not what it writes
    :param has_all: whether what is written has all fields, as an instance of a class has
    """

    def __init__(self, reads: bool, has_all: bool = False) -> None:
        self.reads = reads
        self.has_all = has_all and not reads
        self.definitions: dict[str, JsonSchema] = {}
        # The name of each schema's definition: names of schemas are not unique.
        self._names: dict[tuple[Any, ...], str] = {}

    def read(self, schema: Schema) -> JsonSchema:
        """Return the JSON Schema of a message's content, with nested schemas under `$defs`."""
        # The codec leaves out unknown fields, whatever the schema says.
        made = self._read_object(schema, without=ENVELOPE_FIELDS)
        if doc := find_doc(type(schema)):
            made["description"] = doc
        return {**made, "$defs": self.definitions} if self.definitions else made

    def _read_object(self, schema: Schema, without: frozenset[str] = frozenset()) -> JsonSchema:
        found = schema.load_fields if self.reads else schema.dump_fields
        properties: dict[str, JsonSchema] = {}
        required: list[str] = []
        for name, field in found.items():
            key = field.data_key if field.data_key is not None else name
            if key in without:
                continue
            properties[key] = self._read_field(field)
            # Written content is checked by loading it, so the fields that loading requires are there.
            one_way = field.dump_only or (field.load_only and not self.reads)
            if self.has_all or (field.required and not one_way):
                required.append(key)
        made: JsonSchema = {"type": "object", "properties": properties, "required": sorted(required)}
        return made

    def _read_field(self, field: Any) -> JsonSchema:
        made = self._read_kind(field)
        for validator in field.validators:
            made = narrow(made, validator)
        return with_null(made) if field.allow_none else made

    def _read_kind(self, field: Any) -> JsonSchema:
        if isinstance(field, fields.Nested):
            nested = self._read_nested(field.schema, field.unknown or field.schema.unknown)
            return {"type": "array", "items": nested} if field.many else nested
        if isinstance(field, fields.List):
            return {"type": "array", "items": self._read_field(field.inner)}
        if isinstance(field, fields.Tuple):
            parts = [self._read_field(each) for each in field.tuple_fields]
            return {"type": "array", "prefixItems": parts, "minItems": len(parts), "maxItems": len(parts)}
        if isinstance(field, fields.Mapping):
            values = self._read_field(field.value_field) if field.value_field is not None else True
            return {"type": "object", "additionalProperties": values}
        if isinstance(field, AnyOf):
            return {"anyOf": [self._read_field(each) for _, each in field.candidates]}
        if isinstance(field, fields.Enum):
            return read_enum(field)
        if isinstance(field, (fields.Integer, fields.Decimal, fields.Number)) and type(field) is not Number:
            return self._read_number(field)
        if isinstance(field, fields.DateTime) and field.format not in (None, "iso", "iso8601"):
            return read_time_format(field)
        if isinstance(field, fields.Constant):
            return {"const": field.constant}
        if type(field) is fields.Raw:
            return {}
        for kind in type(field).__mro__:
            if kind in SIMPLE:
                known = dict(SIMPLE[kind])
                return known if is_plain(type(field), kind) else {**known, OPAQUE: name_of(type(field))}
        return {OPAQUE: name_of(type(field))}

    def _read_number(self, field: Any) -> JsonSchema:
        if isinstance(field, fields.Decimal):
            text, number = {"type": "string", "format": "decimal"}, {"type": "number"}
            # Both forms are read, whichever is written.
            return {"anyOf": [text, number]} if self.reads else text if field.as_string else number
        kind = "integer" if isinstance(field, fields.Integer) else "number"
        if getattr(field, "as_string", False):
            return {"type": "string", "format": kind}
        return {"type": kind}

    def _read_nested(self, schema: Schema, unknown: str) -> JsonSchema:
        key = (type(schema), tuple(schema.fields), unknown)
        name = self._names.get(key)
        if name is None:
            qualname = type(schema).__qualname__
            numbers = count(2)
            name = qualname
            while name in self.definitions:
                name = f"{qualname}-{next(numbers)}"
            self._names[key] = name
            # One of the schema's fields may hold the schema itself.
            self.definitions[name] = {}
            made = self._read_object(schema)
            refuses = self.reads and unknown == RAISE
            self.definitions[name] = {**made, "additionalProperties": False} if refuses else made
        return {"$ref": f"#/$defs/{name}"}


def read_time_format(field: Any) -> JsonSchema:
    """Return the schema of a time that is not written as ISO 8601 has it."""
    is_number = str(field.format).startswith("timestamp")
    return {"type": "number" if is_number else "string", "format": f"date-time {field.format}"}


def read_enum(field: Any) -> JsonSchema:
    """Return the values of a field of an enum."""
    values: list[Any] = [
        member.value if field.by_value else member.name
        for member in field.enum  # each as it is written
    ]
    return {"enum": values}


def narrow(made: JsonSchema, validator: Any) -> JsonSchema:
    """Return a JSON Schema that takes no more than a validator lets through, as far as that can be known."""
    for kind, read in VALIDATORS.items():
        if type(validator) is kind:
            return {**made, **read(validator, made)}
    known = made.get("x-validators", [])
    return {**made, "x-validators": sorted({*known, name_of(validator)})}


def read_range(validator: Any, made: JsonSchema) -> JsonSchema:
    """Return the bounds of a range."""
    found: JsonSchema = {}
    if validator.min is not None:
        found["minimum" if validator.min_inclusive else "exclusiveMinimum"] = validator.min
    if validator.max is not None:
        found["maximum" if validator.max_inclusive else "exclusiveMaximum"] = validator.max
    return {key: value if isinstance(value, (int, float)) else str(value) for key, value in found.items()}


def read_length(validator: Any, made: JsonSchema) -> JsonSchema:
    """Return the bounds of a length."""
    kind = {"array": "Items", "object": "Properties"}.get(str(made.get("type")), "Length")
    low = validator.equal if validator.equal is not None else validator.min
    high = validator.equal if validator.equal is not None else validator.max
    bounds = {f"min{kind}": low, f"max{kind}": high}
    return {key: value for key, value in bounds.items() if value is not None}


def read_choices(validator: Any, made: JsonSchema) -> JsonSchema:
    """Return the values of which a value is one."""
    return {"enum": [value.value if isinstance(value, Enum) else value for value in validator.choices]}


def read_contained(validator: Any, made: JsonSchema) -> JsonSchema:
    """Return the values of which all of a list's are some."""
    return {"items": {**made.get("items", {}), "enum": list(validator.choices)}}


VALIDATORS: Mapping[type, Callable[[Any, JsonSchema], JsonSchema]] = {
    validate.Range: read_range,
    validate.Length: read_length,
    validate.OneOf: read_choices,
    validate.ContainsOnly: read_contained,
    validate.Equal: lambda validator, made: {"const": validator.comparable},
    validate.Regexp: lambda validator, made: {"pattern": validator.regex.pattern},
    validate.Email: lambda validator, made: {"format": "email"},
    validate.URL: lambda validator, made: {"format": "uri"},
}


def with_null(made: JsonSchema) -> JsonSchema:
    """Return a JSON Schema that takes null too."""
    if not made or ("anyOf" in made and {"type": "null"} in made["anyOf"]):
        return made
    return {"anyOf": [made, {"type": "null"}]}


def is_plain(cls: type, kind: type) -> bool:
    """Return whether a class of fields reads and writes as the one that it derives from."""
    own = cls.__mro__[: cls.__mro__.index(kind)]
    return not any({"_serialize", "_deserialize", "serialize", "deserialize"} & vars(each).keys() for each in own)


def find_doc(cls: type) -> str | None:
    """Return the docstring of a class, if it is its own."""
    if not cls.__dict__.get("__doc__") or cls in (Schema, PubSubMessageSchema):
        return None
    return getdoc(cls)


def name_of(thing: Any) -> str:
    """Return the name of a class, or of a thing's class."""
    return str(getattr(thing, "__qualname__", None) or type(thing).__qualname__)
