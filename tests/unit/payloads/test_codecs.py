"""
Content that is an instance of a class: one table of what goes both ways, for each kind of class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from json import dumps, loads
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import msgspec
import pydantic
import pytest
from marshmallow import fields
from pydantic.dataclasses import dataclass as pydantic_dataclass

from microcosm_pubsub.errors import ConfigurationError, MessageValidationError, article, with_article
from microcosm_pubsub.payloads.annotation import SchemaMaker
from microcosm_pubsub.payloads.dataclass import make_dataclass_codec
from microcosm_pubsub.payloads.msgspec_struct import make_struct_codec
from microcosm_pubsub.payloads.pydantic_model import make_model_codec


MEDIA_TYPE = "application/vnd.test.order"


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Line:
    article: str
    count: int = 1


@dataclass
class Order:
    number: int
    customer: str
    lines: list[Line] = field(default_factory=list)
    note: str | None = None


class LineModel(pydantic.BaseModel):
    article: str
    count: int = 1


class OrderModel(pydantic.BaseModel):
    number: int
    customer: str
    lines: list[LineModel] = []
    note: str | None = None


class StrictModel(pydantic.BaseModel, strict=True, extra="forbid"):
    id: UUID
    at: datetime


@pydantic_dataclass
class PydanticOrder:
    number: int
    customer: str
    note: str | None = None


class LineStruct(msgspec.Struct):
    article: str
    count: int = 1


class OrderStruct(msgspec.Struct):
    number: int
    customer: str
    lines: list[LineStruct] = []
    note: str | None = None


class StrictStruct(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    order_id: UUID


def make_codec(cls, media_type=MEDIA_TYPE):
    for factory in (make_model_codec, make_struct_codec, make_dataclass_codec):
        if (codec := factory(cls, media_type)) is not None:
            return codec
    raise AssertionError(f"nobody knows {cls}")


KINDS = [
    (Order, Line),
    (OrderModel, LineModel),
    (OrderStruct, LineStruct),
]


@pytest.mark.parametrize(("cls", "line"), KINDS)
def test_there_and_back(cls, line):
    codec = make_codec(cls)
    order = cls(number=1, customer="Ada", lines=[line(article="tea", count=2)])

    text = codec.encode(codec.to_mapping(order), media_type=MEDIA_TYPE, opaque_data={"x-request-id": "7"})

    assert loads(text) == {
        "mediaType": MEDIA_TYPE,
        "opaqueData": {"x-request-id": "7"},
        "number": 1,
        "customer": "Ada",
        "lines": [{"article": "tea", "count": 2}],
        "note": None,
    }
    assert codec.decode(text) == order
    assert codec.decode(loads(text)) == order


@pytest.mark.parametrize("cls", [Order, OrderModel, OrderStruct, PydanticOrder])
@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"customer": "Ada"}, "number"),
        ({"number": "one", "customer": "Ada"}, "number"),
        ({"number": 1, "customer": None}, "customer"),
        ({"number": 1, "customer": "Ada", "note": 5}, "note"),
        ([], "_schema"),
    ],
)
def test_what_does_not_fit(cls, content, place):
    codec = make_codec(cls)

    with pytest.raises(MessageValidationError) as refused:
        codec.decode(dumps(content))

    text = str(refused.value)
    assert place in text
    assert f"Cannot decode a message with {cls.__qualname__}" in text
    assert "Ada" not in text
    # marshmallow writes anything as text
    if content and not (cls is Order and place == "note"):
        with pytest.raises(MessageValidationError, match=f"Cannot encode a message with {cls.__qualname__}"):
            codec.encode(content)


@pytest.mark.parametrize("cls", [Order, OrderModel, OrderStruct, PydanticOrder])
@pytest.mark.parametrize("text", ["{", "5", "null", b"\xff"])
def test_what_is_no_object(cls, text):
    with pytest.raises(MessageValidationError):
        make_codec(cls).decode(text)


@pytest.mark.parametrize("cls", [Order, OrderModel, OrderStruct, PydanticOrder])
def test_what_nobody_asked_for_is_left_out(cls):
    codec = make_codec(cls)

    order = codec.decode({"mediaType": MEDIA_TYPE, "number": 1, "customer": "Ada", "colour": "red"})

    assert order == cls(number=1, customer="Ada")
    assert "colour" not in loads(codec.encode(number=1, customer="Ada", colour="red"))


class Row:
    """What is no `Line`, but has all that one has."""

    article = "a"
    count = 2


def test_a_part_is_an_instance_or_what_has_its_fields():
    field = SchemaMaker().make_field(Line)
    for given in (Line("a", 2), {"article": "a", "count": 2}, Row()):
        assert field.serialize("line", {"line": given}) == {"article": "a", "count": 2}
    assert field.serialize("line", {"line": None}) is None


@pytest.mark.parametrize("given", [5, "a", [], object()])
def test_what_has_none_of_the_fields_of_a_part_is_not_written_as_nothing(given):
    with pytest.raises(TypeError, match=f"{article(given)} is no Line: it has no article"):
        SchemaMaker().make_field(Line).serialize("line", {"line": given})


@pytest.mark.parametrize("cls", [Order, OrderModel, OrderStruct, PydanticOrder])
@pytest.mark.parametrize("content", [5, Line("tea"), LineModel(article="tea"), None, object()])
def test_what_is_no_content(cls, content):
    with pytest.raises(MessageValidationError, match=f"Not {with_article(cls.__qualname__)}, but {article(content)}"):
        make_codec(cls).to_mapping(content)


def test_strict_models_take_what_json_can_say():
    """A strict model refuses a UUID's text from Python, and takes it from JSON."""
    codec = make_codec(StrictModel)
    model = StrictModel(id=UUID(int=1), at=datetime(2026, 1, 1, tzinfo=UTC))

    text = codec.encode(codec.to_mapping(model), opaque_data={"a": "b"})

    assert codec.decode(text) == model
    assert codec.encode(id=UUID(int=1), at=datetime(2026, 1, 1, tzinfo=UTC)) == codec.encode(codec.to_mapping(model))
    with pytest.raises(MessageValidationError, match="Extra inputs"):
        codec.decode({**loads(text), "colour": "red"})


def test_renamed_fields():
    codec = make_codec(StrictStruct)
    struct = StrictStruct(order_id=UUID(int=1))

    text = codec.encode(codec.to_mapping(struct))

    assert loads(text)["orderId"] == str(UUID(int=1))
    assert codec.decode(text) == struct
    with pytest.raises(MessageValidationError, match="unknown field"):
        codec.decode({**loads(text), "colour": "red"})


def test_values_that_json_cannot_say_are_written():
    assert loads(make_codec(StrictStruct).encode(orderId=UUID(int=1)))["orderId"] == str(UUID(int=1))


class Odd(pydantic.BaseModel):
    number: int

    @pydantic.model_validator(mode="wrap")
    @classmethod
    def give_something_else(cls, data, handler):
        return {"number": 1}


def test_a_model_that_gives_something_else():
    with pytest.raises(MessageValidationError, match="Not an Odd, but a dict"):
        make_codec(Odd).decode({"number": 1})


def test_fields_that_a_message_has_itself():
    @dataclass
    class Clash:
        media_type: str

    class ClashModel(pydantic.BaseModel):
        own: str = pydantic.Field(alias="opaqueData")

    class ClashStruct(msgspec.Struct, rename={"own": "mediaType"}):
        own: str

    for cls, name in ((Clash, "media_type"), (ClashModel, "opaqueData"), (ClashStruct, "mediaType")):
        with pytest.raises(ConfigurationError, match=f"its field {name} is where a message has its own"):
            make_codec(cls)


# dataclasses, which are ours to read

Number = NewType("Number", int)


@dataclass
class Node:
    name: str
    children: list["Node"] = field(default_factory=list)


@pytest.mark.parametrize(
    ("annotation", "value", "written"),
    [
        (str, "a", "a"),
        (int, 1, 1),
        (float, 1.5, 1.5),
        (bool, True, True),
        (bytes, b"\x00\xff", "AP8="),
        (datetime, datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00+00:00"),
        (date, date(2026, 1, 1), "2026-01-01"),
        (time, time(12, 30), "12:30:00"),
        (timedelta, timedelta(minutes=1, milliseconds=5), 60.005),
        (Decimal, Decimal("1.10"), "1.10"),
        (UUID, UUID(int=1), str(UUID(int=1))),
        (Colour, Colour.RED, "red"),
        (Literal["a", 1], 1, 1),
        (Any, {"a": [1, None]}, {"a": [1, None]}),
        (Number, 1, 1),
        (Annotated[int, "of something"], 1, 1),
        (Annotated[str, fields.Email()], "a@b.example", "a@b.example"),
        (int | None, 1, 1),
        (int | str, "a", "a"),
        (UUID | int | None, UUID(int=1), str(UUID(int=1))),
        (UUID | int | None, None, None),
        (list[int], [1, 2], [1, 2]),
        (list, [1, "a"], [1, "a"]),
        (Sequence[date], [date(2026, 1, 1)], ["2026-01-01"]),
        (set[int], {1}, [1]),
        (frozenset[str], frozenset("a"), ["a"]),
        (tuple[int, ...], (1, 2), [1, 2]),
        (tuple[int, str], (1, "a"), [1, "a"]),
        (dict, {"a": 1}, {"a": 1}),
        (dict[str, UUID], {"a": UUID(int=1)}, {"a": str(UUID(int=1))}),
        (Mapping[str, list[int]], {"a": [1]}, {"a": [1]}),
        (Line, Line("tea", 2), {"article": "tea", "count": 2}),
        (list[Line], [Line("tea")], [{"article": "tea", "count": 1}]),
        (Node, Node("a", [Node("b")]), {"name": "a", "children": [{"name": "b", "children": []}]}),
    ],
    ids=str,
)
def test_annotations_of_dataclasses(annotation, value, written):
    @dataclass
    class Holder:
        value: annotation  # type: ignore[valid-type]

    codec = make_codec(Holder)
    text = codec.encode(codec.to_mapping(Holder(value)))

    assert loads(text)["value"] == written
    decoded = codec.decode(text)
    assert decoded == Holder(value)
    assert type(decoded.value) is type(value)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, "1"),
        (int, 1.5),
        (int, True),
        (float, "1.5"),
        (float, True),
        (bool, 1),
        (bool, "true"),
        (str, 1),
        (bytes, "!"),
        (bytes, 5),
        (timedelta, "1"),
        (timedelta, True),
        (timedelta, 1e300),
        (datetime, "yesterday"),
        (Colour, "green"),
        (Literal["a"], "b"),
        (Annotated[str, fields.Email()], "a"),
        (int | date, "a"),
        (list[int], {"a": 1}),
        (set[Any], [{}]),
        (tuple[int, str], [1]),
        (dict[str, int], {"a": "b"}),
        (Line, {"count": 1}),
        (int, None),
    ],
    ids=str,
)
def test_what_dataclasses_refuse(annotation, value):
    @dataclass
    class Holder:
        value: annotation  # type: ignore[valid-type]

    with pytest.raises(MessageValidationError, match="value"):
        make_codec(Holder).decode({"value": value})


def test_defaults_and_fields_that_are_not_given():
    @dataclass(slots=True, frozen=True, kw_only=True)
    class Sum:
        of: list[int] = field(default_factory=lambda: [1, 2])
        total: int = field(init=False)

        def __post_init__(self):
            object.__setattr__(self, "total", sum(self.of))

    codec = make_codec(Sum)

    assert codec.decode({}) == Sum()
    assert loads(codec.encode(codec.to_mapping(Sum(of=[5]))))["total"] == 5
    assert codec.decode({"of": [5], "total": 7}).total == 5


def test_what_looks_at_fields_together_may_refuse():
    @dataclass
    class Range:
        first: int
        last: int

        def __post_init__(self):
            if self.first > self.last:
                raise ValueError("first comes after last")

    with pytest.raises(MessageValidationError, match="first comes after last"):
        make_codec(Range).decode({"first": 2, "last": 1})


def test_what_is_not_known_is_refused_when_the_codec_is_made():
    @dataclass
    class Holder:
        value: memoryview

    @dataclass
    class Outer:
        inner: Holder

    for cls in (Holder, Outer):
        with pytest.raises(ConfigurationError, match=r"Holder\.value: nothing is known that JSON could say"):
            make_codec(cls)

    @dataclass
    class Lost:
        value: "Nowhere"  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ConfigurationError, match=r"Cannot resolve the annotations of .*Lost"):
        make_codec(Lost)


def test_a_field_in_an_annotation_is_used_again_as_it_was():
    named = fields.String(data_key="articleCode")

    @dataclass
    class Article:
        code: Annotated[str, named]
        other: Annotated[str, fields.String()] = "x"

    codec = make_codec(Article)

    assert loads(codec.encode(codec.to_mapping(Article("a"))))["articleCode"] == "a"
    assert codec.decode({"articleCode": "a"}) == Article("a")
    assert named.required is False


def test_values_for_the_constructor_alone():
    @dataclass
    class Seeded:
        number: int
        seed: InitVar[int] = 0

    assert make_codec(Seeded).decode({"number": 1, "seed": 5}) == Seeded(1)
