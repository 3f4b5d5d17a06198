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
from microcosm_pubsub.payloads.field import AnyOf, Base64, Collection, Duration, Flag, Number, Part


#: The fields of types that are not made of others.
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

#: The fields of keys of mappings that JSON, whose keys are texts, would not give back as they were.
KEYS: dict[Any, Any] = {
    int: lambda: fields.Integer(as_string=True),
    float: lambda: fields.Float(as_string=True),
}

#: The types of values that JSON gives back as they were.
PLAIN = (str, int, float, bool, NoneType)

#: The collection that a list of values becomes.
COLLECTIONS: dict[Any, Any] = {
    list: list,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: list,
    collections.abc.Iterable: list,
    collections.abc.Set: set,
}

MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def make_schema(cls: type) -> Schema:
    """
    Return a schema whose fields are those of a dataclass, and which gives dicts of its constructor's arguments.

    :raises ConfigurationError: if an annotation cannot be resolved, or nothing is known that JSON could say of it, in
        dataclasses within it too
    """
    return SchemaMaker().make_class(cls)(unknown=EXCLUDE)


class SchemaMaker:
    """Make the schema of a dataclass, and of those within it, each once: it may hold itself."""

    def __init__(self) -> None:
        self.nested: dict[type, type[Schema]] = {}

    def make_class(self, cls: type, **hooks: Any) -> type[Schema]:
        """
        Return a class of schemas whose fields are those of a dataclass.

        :param hooks: more of its attributes
        """
        try:
            hints = get_type_hints(cls, include_extras=True)
        except Exception as error:
            # Annotations are user code, which is run here for the first time.
            raise ConfigurationError(f"Cannot resolve the annotations of {cls.__qualname__}: {error}") from error
        members: dict[str, Any] = {}
        for field in fields_of(cls):
            try:
                made = self.make_field(hints[field.name])
            except ConfigurationError as error:
                raise ConfigurationError(f"{cls.__qualname__}.{field.name}: {error}") from None
            made.required = field.init and field.default is MISSING and field.default_factory is MISSING
            made.dump_only = not field.init
            members[field.name] = made
        return Schema.from_dict({**members, **hooks}, name=cls.__qualname__)

    def make_field(self, annotation: Any) -> Any:
        """
        Return the field of an annotation.

        :param annotation: a type, resolved
        :raises ConfigurationError: if nothing is known that JSON could say of it
        """
        origin, args = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            given = [each for each in args[1:] if isinstance(each, fields.Field)]
            # The field may stand in several annotations.
            return copy(given[0]) if given else self.make_field(args[0])
        if isinstance(annotation, NewType):
            return self.make_field(annotation.__supertype__)
        if origin in (Union, UnionType):
            return self._make_union(args)
        if origin is Literal:
            if strange := next((each for each in args if type(each) not in PLAIN), None):
                raise ConfigurationError(f"JSON cannot say {strange!r} of a Literal: annotate it by its type")
            return fields.Raw(validate=OneOf(args))
        if annotation in SCALARS:
            return SCALARS[annotation]()
        if isinstance(annotation, type) and issubclass(annotation, Enum):
            return make_enum(annotation, PLAIN)
        if isinstance(annotation, type) and is_dataclass(annotation):
            return self._make_nested(annotation)
        return self._make_container(annotation, origin, args)

    def _make_nested(self, cls: type) -> Part:
        if cls not in self.nested:
            # A field may be of the class whose fields are being made.
            self.nested[cls] = Schema
            self.nested[cls] = self.make_class(cls, make_instance=post_load(lambda self, data, **kwargs: cls(**data)))
        return Part(cls, lambda: self.nested[cls](unknown=EXCLUDE))

    def _make_union(self, args: tuple[Any, ...]) -> Any:
        others = [each for each in args if each is not NoneType]
        if len(others) > 1:
            return AnyOf([(each, self.make_field(each)) for each in others], allow_none=len(others) < len(args))
        field = self.make_field(others[0])
        field.allow_none = True
        return field

    def _make_key(self, annotation: Any) -> Any:
        if isinstance(annotation, NewType):
            return self._make_key(annotation.__supertype__)
        if isinstance(annotation, type) and issubclass(annotation, Enum):
            return make_enum(annotation, (str,))
        return KEYS[annotation]() if annotation in KEYS else self.make_field(annotation)

    def _make_container(self, annotation: Any, origin: Any, args: tuple[Any, ...]) -> Any:
        kind = origin or annotation
        if kind in MAPPINGS:
            keys, values = (self._make_key(args[0]), self.make_field(args[1])) if args else (None, None)
            return fields.Dict(keys=keys, values=values)
        if kind is tuple and args and args[-1] is not Ellipsis:
            return fields.Tuple([self.make_field(each) for each in args])
        if kind is tuple or kind in COLLECTIONS:
            return Collection(COLLECTIONS.get(kind, tuple), self.make_field(args[0] if args else Any))
        raise ConfigurationError(
            f"nothing is known that JSON could say of {getattr(annotation, '__qualname__', annotation)}; use another "
            "type, or Annotated[..., marshmallow.fields.Field()] to name what reads and writes it"
        )


def make_enum(cls: type[Enum], plain: tuple[type, ...]) -> fields.Enum[Any]:
    """
    Return the field of an enumeration: by the values of its members, or else by their names.

    :param plain: the types of values that come back as they were
    """
    return fields.Enum(cls, by_value=all(isinstance(member.value, plain) for member in cls))
