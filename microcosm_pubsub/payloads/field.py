"""
Fields for the types of annotations: they take what JSON says of the type, and no more.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, get_origin

from marshmallow import Schema, ValidationError, fields

from microcosm_pubsub.errors import article
from microcosm_pubsub.fast.quick import AS_IS, READS, read_float, read_list


class Number(fields.Float):
    """A number, whole or not; no text."""

    def _validated(self, value: Any) -> Any:
        if not isinstance(value, (int, float)):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Flag(fields.Field):  # type: ignore[type-arg, unused-ignore]
    """True or false; no 1 and no text."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("Not a valid boolean.")
        return value


class Part(fields.Nested):
    """
    An instance of a class within another, a mapping, or what has all the fields of the class.

    marshmallow leaves out what a value lacks, so that a number would be written as an object of nothing.

    :param cls: the class
    :param make_schema: gives the schema of its fields
    """

    def __init__(self, cls: type, make_schema: Callable[[], Schema], **options: Any) -> None:
        super().__init__(make_schema, **options)
        self.cls = cls

    def _serialize(self, nested_obj: Any, attr: Any, obj: Any, **kwargs: Any) -> Any:  # type: ignore[override, unused-ignore]
        if nested_obj is not None and not isinstance(nested_obj, (self.cls, Mapping)):
            lacking = next((name for name in self.schema.fields if not hasattr(nested_obj, name)), None)
            if lacking is not None:
                raise TypeError(f"{article(nested_obj)} is no {self.cls.__qualname__}: it has no {lacking}")
        return super()._serialize(nested_obj, attr, obj, **kwargs)  # type: ignore[no-untyped-call, unused-ignore]


class Base64(fields.Field):  # type: ignore[type-arg, unused-ignore]
    """Bytes, written as base64: https://datatracker.ietf.org/doc/html/rfc4648#section-4"""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else b64encode(value).decode()

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bytes:
        try:
            return b64decode(value, validate=True)
        except (Error, TypeError, ValueError):
            raise ValidationError("Not valid base64.") from None


class Duration(fields.Field):  # type: ignore[type-arg, unused-ignore]
    """A time span, written as seconds."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> float | None:
        return None if value is None else value.total_seconds()

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> timedelta:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValidationError("Not a number of seconds.")
        try:
            return timedelta(seconds=value)
        except (OverflowError, ValueError):
            raise ValidationError("Not a number of seconds that a time span may have.") from None


class Collection(fields.List):  # type: ignore[type-arg, unused-ignore]
    """
    A list, read as a collection of another type.

    :param make: makes it of the list's values
    :param inner: reads and writes each
    """

    def __init__(self, make: Callable[[Iterable[Any]], Any], inner: Any, **kwargs: Any) -> None:
        super().__init__(inner, **kwargs)
        self.make = make

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return self.make(super()._deserialize(value, attr, data, **kwargs))
        except TypeError:
            raise ValidationError("Holds what such a collection cannot hold.") from None


class AnyOf(fields.Field):  # type: ignore[type-arg, unused-ignore]
    """
    A value of one of several types: the first that would write it as it stands there, or else the first that fits.

    :param candidates: each type, and its field
    """

    def __init__(self, candidates: Sequence[tuple[Any, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.candidates = candidates

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        field = self.choose(value)
        return value if field is None else field._serialize(value, attr, obj, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        fitting: list[Any] = []
        for _, field in self.candidates:
            try:
                read = field.deserialize(value, attr, data)
            except ValidationError:
                continue
            # A date fits a time too, and the other way round.
            if is_same(field.serialize("value", {"value": read}), value):
                return read
            fitting.append(read)
        if fitting:
            return fitting[0]
        raise ValidationError("Fits none of its types.")

    def choose(self, value: Any) -> Any:
        """Return the field of the type that a value has, or of which it is an instance; None if there is none."""
        types = [(get_origin(kind) or kind, field) for kind, field in self.candidates]
        for cls, field in types:
            if type(value) is cls:
                return field
        return next((field for cls, field in types if isinstance(cls, type) and isinstance(value, cls)), None)


def is_same(written: Any, value: Any) -> bool:
    """Return whether two values are the same, of the same type."""
    return type(written) is type(value) and bool(written == value)


# These take values of such a type as they are.
AS_IS[Flag] = bool
READS.update({Number: read_float, Collection: read_list})
