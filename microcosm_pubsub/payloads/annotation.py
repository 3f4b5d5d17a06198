"""
From a type annotation to the marshmallow field that reads and writes its values as JSON.

`Annotated[str, fields.Email()]` names the field itself.
"""

from __future__ import annotations

import collections.abc
from copy import copy
from dataclasses import MISSING, is_dataclass
from dataclasses import fields as fields_of
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from marshmallow import EXCLUDE, Schema, fields, post_load
from marshmallow.validate import OneOf

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.payloads.field import AnyOf, Base64, Collection, Duration, Flag, Number


#: What reads and writes a type that is not made of others.
SCALARS: dict[Any, Any] = {
    Any: lambda: fields.Raw(allow_none=True),
    object: lambda: fields.Raw(allow_none=True),
    str: fields.String,
    int: lambda: fields.Integer(strict=True),
    float: Number,
    bool: Flag,
    bytes: Base64,
    datetime: fields.DateTime,
    date: fields.Date,
    time: fields.Time,
    timedelta: Duration,
    Decimal: lambda: fields.Decimal(as_string=True),
    UUID: fields.UUID,
    dict: fields.Dict,
}

#: What a list of values becomes.
COLLECTIONS: dict[Any, Any] = {
    list: list,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: list,
    collections.abc.Iterable: list,
    collections.abc.Set: set,
}

MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def make_field(annotation: Any, **options: Any) -> Any:
    """
    Return the field of an annotation.

    :param annotation: a type, resolved
    :param options: of the field, such as `required`
    :raises ConfigurationError: if nothing is known that JSON could say of it
    """
    field = _make_field(annotation)
    for name, value in options.items():
        setattr(field, name, value)
    return field


def make_schema(cls: type) -> Schema:
    """
    Return a schema whose fields are those of a dataclass, and which gives dicts of what its constructor takes.

    :raises ConfigurationError: if an annotation cannot be resolved, or nothing is known that JSON could say of it
    """
    try:
        hints = get_type_hints(cls, include_extras=True)
    except Exception as error:
        # annotations are foreign code, which is run here for the first time
        raise ConfigurationError(f"Cannot resolve the annotations of {cls.__qualname__}: {error}") from error
    members: dict[str, Any] = {}
    for field in fields_of(cls):
        needed = field.init and field.default is MISSING and field.default_factory is MISSING
        try:
            members[field.name] = make_field(hints[field.name], required=needed, dump_only=not field.init)
        except ConfigurationError as error:
            raise ConfigurationError(f"{cls.__qualname__}.{field.name}: {error}") from None
    schema: Schema = Schema.from_dict(members, name=cls.__qualname__)(unknown=EXCLUDE)
    return schema


def make_nested(cls: type) -> fields.Nested:
    """Return the field of a dataclass within another."""
    plain = make_schema_class(cls)
    return fields.Nested(plain, unknown=EXCLUDE)


def make_schema_class(cls: type) -> Any:
    """Return a function that makes the schema of a nested dataclass, which gives instances; it may nest itself."""

    def make() -> Schema:
        schema = make_schema(cls)

        class Instances(type(schema)):  # type: ignore[misc]
            @post_load
            def make_instance(self, data: dict[str, Any], **kwargs: Any) -> Any:
                return cls(**data)

        return Instances(unknown=EXCLUDE)

    return make


def _make_field(annotation: Any) -> Any:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        given = [each for each in args[1:] if isinstance(each, fields.Field)]
        # it may stand in several annotations
        return copy(given[0]) if given else _make_field(args[0])
    if isinstance(annotation, NewType):
        return _make_field(annotation.__supertype__)
    if origin in (Union, UnionType):
        return _make_union(args)
    if origin is Literal:
        return fields.Raw(validate=OneOf(args))
    if annotation in SCALARS:
        return SCALARS[annotation]()
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return fields.Enum(annotation, by_value=True)
    if isinstance(annotation, type) and is_dataclass(annotation):
        return make_nested(annotation)
    return _make_container(annotation, origin, args)


def _make_union(args: tuple[Any, ...]) -> Any:
    others = [each for each in args if each is not NoneType]
    if len(others) == 1:
        return make_field(others[0], allow_none=True)
    return AnyOf([(each, _make_field(each)) for each in others], allow_none=len(others) < len(args))


def _make_container(annotation: Any, origin: Any, args: tuple[Any, ...]) -> Any:
    kind = origin or annotation
    if kind in MAPPINGS:
        keys, values = map(_make_field, args) if args else (None, None)
        return fields.Dict(keys=keys, values=values)
    if kind is tuple and args and args[-1] is not Ellipsis:
        return fields.Tuple([_make_field(each) for each in args])
    if kind is tuple or kind in COLLECTIONS:
        return Collection(COLLECTIONS.get(kind, tuple), _make_field(args[0] if args else Any))
    raise ConfigurationError(
        f"nothing is known that JSON could say of {getattr(annotation, '__qualname__', annotation)}; use another type, "
        "or Annotated[..., marshmallow.fields.Field()] to name what reads and writes it"
    )
