"""
Pairs of schemas, before and after a change, and whom it breaks that was not deployed yet.

"consumers" have the schema of before and get what the new one writes; "producers" write what the one of before lets
them, and the new one reads it. `c` breaks consumers, `p` producers, `cp` both, and an empty text nobody.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Literal, Optional
from uuid import UUID

import msgspec
import pydantic
import pytest
from marshmallow import EXCLUDE, RAISE, Schema, fields
from marshmallow.validate import ContainsOnly, Equal, Length, OneOf, Range, Regexp

from microcosm_pubsub.codecs import PubSubMessageCodec, PubSubMessageSchema
from microcosm_pubsub.gate.description import MessageDescription, read_codec
from microcosm_pubsub.gate.lock import CONSUMERS, PRODUCERS, compare_one
from microcosm_pubsub.payloads.dataclass import DataclassCodec
from microcosm_pubsub.payloads.msgspec_struct import StructCodec
from microcosm_pubsub.payloads.pydantic_model import ModelCodec


MEDIA_TYPE = "application/vnd.acme.gate"

S, I = fields.String, fields.Integer  # noqa: E741
REQUIRED = {"required": True}


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class OnlyRed(Enum):
    RED = "red"


class Renamed(Enum):
    CRIMSON = "red"
    BLUE = "blue"


def even(value):
    return value % 2 == 0


class Money(fields.Field):
    def _deserialize(self, value, attr, data, **kwargs):
        return Decimal(value)


class Price(Money):
    pass


class Shouted(fields.String):
    def _serialize(self, value, attr, obj, **kwargs):
        return value.upper()


class Tag(fields.String):
    """A text like any other."""


def nest(unknown=RAISE, many=False, required=False, **members):
    """Make a field of a nested schema."""
    cls = type("Inner", (Schema,), {"Meta": type("Meta", (), {"unknown": unknown}), **members})
    return fields.Nested(cls, many=many, required=required)


def f(**members):
    """Make the codec of a marshmallow schema."""
    return PubSubMessageCodec(type("Message", (PubSubMessageSchema,), {"MEDIA_TYPE": MEDIA_TYPE, **members})())


def data(**members):
    """Make the codec of a dataclass, of which each member is a type, or a type and a default."""
    annotations = {name: each[0] if isinstance(each, tuple) else each for name, each in members.items()}
    defaults = {name: each[1] for name, each in members.items() if isinstance(each, tuple)}
    cls = type("Data", (), {"__annotations__": annotations, **defaults})
    return DataclassCodec(dataclass(cls), MEDIA_TYPE)


def model(**members):
    """Make the codec of a pydantic model."""
    members = {name: each if isinstance(each, tuple) else (each, ...) for name, each in members.items()}
    return ModelCodec(pydantic.create_model("Model", **members), MEDIA_TYPE)


def struct(*members, **options):
    """Make the codec of a msgspec Struct."""
    return StructCodec(msgspec.defstruct("Struct", members, **options), MEDIA_TYPE)


class Node(Schema):
    name = S(required=True)
    children = fields.List(fields.Nested(lambda: Node()))


class TypedNode(Schema):
    name = I(required=True)
    children = fields.List(fields.Nested(lambda: TypedNode()))


@dataclass
class Line:
    item: str
    count: int = 1


@dataclass
class LineWithPrice:
    item: str
    price: Decimal
    count: int = 1


CORPUS = {
    # fields that come and go
    "nothing": (f(a=S()), f(a=S()), ""),
    "an optional field is new": (f(a=S()), f(a=S(), b=S()), ""),
    "a required field is new": (f(a=S()), f(a=S(), b=S(**REQUIRED)), "p"),
    "an optional field is gone": (f(a=S(), b=S()), f(a=S()), ""),
    "a required field is gone": (f(a=S(), b=S(**REQUIRED)), f(a=S()), "c"),
    "a field becomes required": (f(a=S()), f(a=S(**REQUIRED)), "p"),
    "a field becomes optional": (f(a=S(**REQUIRED)), f(a=S()), "c"),
    "a required field has another name": (f(a=S(**REQUIRED)), f(b=S(**REQUIRED)), "cp"),
    "a field has another name in the code alone": (f(a=S(**REQUIRED)), f(b=S(data_key="a", **REQUIRED)), ""),
    "a field has another name on the wire": (f(a=S(**REQUIRED)), f(a=S(data_key="b", **REQUIRED)), "cp"),
    "a default": (f(a=S()), f(a=S(load_default="x")), ""),
    # one way
    "a required field is no longer read": (f(a=S(**REQUIRED)), f(a=S(dump_only=True)), "c"),
    "a required field is no longer written": (f(a=S(**REQUIRED)), f(a=S(load_only=True, **REQUIRED)), "c"),
    "a field is read at last": (f(a=S(dump_only=True)), f(a=S()), ""),
    # null
    "null is let in": (f(a=S()), f(a=S(allow_none=True)), "c"),
    "null is kept out": (f(a=S(allow_none=True)), f(a=S()), "p"),
    # types
    "text becomes a number": (f(a=S()), f(a=I()), "cp"),
    "a whole number becomes any": (f(a=I()), f(a=fields.Float()), "c"),
    "a number becomes whole": (f(a=fields.Float()), f(a=I()), "p"),
    "text becomes a UUID": (f(a=S()), f(a=fields.UUID()), "p"),
    "a UUID becomes text": (f(a=fields.UUID()), f(a=S()), "c"),
    "a date becomes a time": (f(a=fields.Date()), f(a=fields.DateTime()), "cp"),
    "a time becomes a number": (f(a=fields.DateTime()), f(a=fields.DateTime(format="timestamp")), "cp"),
    "a time is spelled in another way": (f(a=fields.DateTime()), f(a=fields.DateTime(format="%d.%m.%Y")), "cp"),
    "two schemas of one name": (
        f(a=nest(b=S()), c=nest(b=I())),
        f(a=nest(b=S()), c=nest(b=S())),
        "cp",
    ),
    "a nested schema lets unknown pass": (
        f(a=nest(b=S())),
        f(a=fields.Nested(type("Inner", (Schema,), {"b": S()}), unknown=EXCLUDE)),
        "",
    ),
    "text becomes anything": (f(a=S()), f(a=fields.Raw()), "c"),
    "anything becomes text": (f(a=fields.Raw()), f(a=S()), "p"),
    "one becomes a list": (f(a=S()), f(a=fields.List(S())), "cp"),
    "a flag becomes a number": (f(a=fields.Boolean()), f(a=I()), "cp"),
    "a decimal becomes text like any other": (f(a=fields.Decimal(as_string=True)), f(a=S()), "c"),
    "a decimal is written as a number": (f(a=fields.Decimal(as_string=True)), f(a=fields.Decimal()), ""),
    # values
    "an enum gains a value": (f(a=fields.Enum(OnlyRed, by_value=True)), f(a=fields.Enum(Color, by_value=True)), "c"),
    "an enum loses a value": (f(a=fields.Enum(Color, by_value=True)), f(a=fields.Enum(OnlyRed, by_value=True)), "p"),
    "an enum's names change": (f(a=fields.Enum(Color, by_value=True)), f(a=fields.Enum(Renamed, by_value=True)), ""),
    "an enum's names change, which are written": (f(a=fields.Enum(Color)), f(a=fields.Enum(Renamed)), "cp"),
    "an enum is written by value": (f(a=fields.Enum(Color)), f(a=fields.Enum(Color, by_value=True)), "cp"),
    "text becomes an enum": (f(a=S()), f(a=S(validate=OneOf(["x"]))), "p"),
    "an enum becomes text": (f(a=S(validate=OneOf(["x"]))), f(a=S()), "c"),
    "a constant changes": (f(a=S(validate=Equal("1"))), f(a=S(validate=Equal("2"))), "cp"),
    # bounds
    "a bound is new": (f(a=I()), f(a=I(validate=Range(min=0))), "p"),
    "a bound is gone": (f(a=I(validate=Range(min=0))), f(a=I()), "c"),
    "a bound is lower": (f(a=I(validate=Range(max=9))), f(a=I(validate=Range(max=5))), "p"),
    "a bound excludes what it names": (
        f(a=I(validate=Range(max=9))),
        f(a=I(validate=Range(max=9, max_inclusive=False))),
        "p",
    ),
    "text is longer": (f(a=S(validate=Length(max=9))), f(a=S(validate=Length(max=19))), "c"),
    "text must be longer": (f(a=S(validate=Length(min=1))), f(a=S(validate=Length(min=2))), "p"),
    "a list is shorter": (
        f(a=fields.List(S(), validate=Length(max=9))),
        f(a=fields.List(S(), validate=Length(max=5))),
        "p",
    ),
    "a pattern is new": (f(a=S()), f(a=S(validate=Regexp("x+"))), "p"),
    "a pattern changes": (f(a=S(validate=Regexp("x+"))), f(a=S(validate=Regexp("x*"))), "cp"),
    "a list holds fewer values": (
        f(a=fields.List(S(), validate=ContainsOnly(["x", "y"]))),
        f(a=fields.List(S(), validate=ContainsOnly(["x"]))),
        "p",
    ),
    "a validator of one's own is new": (f(a=I()), f(a=I(validate=even)), "p"),
    # what is within
    "a nested field is new, and unknown is refused": (f(a=nest(b=S())), f(a=nest(b=S(), c=S())), "c"),
    "a nested field is new, and unknown is left out": (f(a=nest(EXCLUDE, b=S())), f(a=nest(EXCLUDE, b=S(), c=S())), ""),
    "a nested field is gone, and unknown is refused": (f(a=nest(b=S(), c=S())), f(a=nest(b=S())), "p"),
    "a nested field becomes required": (f(a=nest(b=S())), f(a=nest(b=S(**REQUIRED))), "p"),
    "one becomes many": (f(a=nest(b=S())), f(a=nest(many=True, b=S())), "cp"),
    "many of the same": (f(a=nest(many=True, b=S())), f(a=fields.List(nest(b=S()))), ""),
    "a tree stays": (f(a=fields.Nested(Node)), f(a=fields.Nested(Node)), ""),
    "the leaves of a tree change": (f(a=fields.Nested(Node)), f(a=fields.Nested(TypedNode)), "cp"),
    "the values of a mapping change": (f(a=fields.Dict(values=S())), f(a=fields.Dict(values=I())), "cp"),
    "a mapping takes certain values": (f(a=fields.Dict()), f(a=fields.Dict(values=I())), "p"),
    # fields of others
    "a field of one's own stays": (f(a=Money()), f(a=Money()), ""),
    "a field of one's own for another": (f(a=Money()), f(a=Price()), "cp"),
    "text is written in another way": (f(a=S()), f(a=Shouted()), "cp"),
    "text by another name": (f(a=S()), f(a=Tag()), ""),
    # classes
    "a dataclass gains a default": (data(a=int), data(a=int, b=(str, "x")), ""),
    "a dataclass gains a field": (data(a=int), data(a=int, b=str), "p"),
    "a dataclass loses a field with a default": (data(a=int, b=(str, "x")), data(a=int), ""),
    "a dataclass may hold nothing": (data(a=int), data(a=(Optional[int], None)), "c"),  # noqa: UP045
    "a dataclass has lines with more": (data(a=list[Line]), data(a=list[LineWithPrice]), "p"),
    "a dataclass takes more": (data(a=int), data(a=int | str), "c"),
    "a literal loses a value": (data(a=Literal["x", "y"]), data(a=Literal["x"]), "p"),
    "a dataclass becomes marshmallow's": (data(a=int, b=(str, "x")), f(a=I(**REQUIRED), b=S()), ""),
    "a model gains a default": (model(a=int), model(a=int, b=(str, "x")), ""),
    "a model becomes stricter": (model(a=str), model(a=UUID), "p"),
    "a model's time may be missing": (model(a=datetime), model(a=(datetime | None, None)), "c"),
    "a Struct gains a field": (struct(("a", int)), struct(("a", int), ("b", str)), "p"),
    "a Struct's default is written": (struct(("a", int)), struct(("a", int), ("b", str, "x")), ""),
    "a Struct's default is left out": (
        struct(("a", int, 1)),
        struct(("a", int, 1), omit_defaults=True),
        "",
    ),
    "a dataclass becomes a Struct": (data(a=int, b=(str, "x")), struct(("a", int), ("b", str, "x")), ""),
}


def describe(codec):
    return MessageDescription(MEDIA_TYPE, "Schema", read_codec(codec, reads=False), read_codec(codec, reads=True))


@pytest.mark.parametrize("name", CORPUS)
def test_whom_it_breaks(name):
    before, after, expected = CORPUS[name]

    changes = list(compare_one(MEDIA_TYPE, describe(before), describe(after)))

    broken = {change.breaks for change in changes if change.breaks}
    assert broken == {{"c": CONSUMERS, "p": PRODUCERS}[each] for each in expected}, [str(each) for each in changes]
    assert all(change.path == "a" or change.path[0] in "abc" for change in changes if change.breaks)


def test_the_corpus_is_large_enough():
    assert len(CORPUS) >= 60
