"""
What marshmallow makes of content, made in less time.
"""

from inspect import signature
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import (
    EXCLUDE,
    INCLUDE,
    RAISE,
    Schema,
    ValidationError,
    fields,
    post_load,
    pre_load,
    validate,
    validates_schema,
)

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.fast.loader import LOADING, Loader, is_plain
from microcosm_pubsub.payloads.field import Collection, Flag, Number


class Inner(Schema):
    a = fields.String(required=True)
    b = fields.Integer(load_default=7)


class IncludingInner(Inner):
    class Meta:
        unknown = INCLUDE


class Text(str):
    __slots__ = ()


class Plain(Schema):
    a = fields.String(required=True)
    b = fields.Integer()
    c = fields.Integer(strict=True, allow_none=True)
    d = fields.String(data_key="D", load_default="none")
    e = fields.String(attribute="f", validate=validate.Length(max=2))


class Message(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.loading.message"

    a = fields.String()
    b = fields.UUID()
    c = fields.DateTime()
    d = fields.Float()
    e = fields.Boolean()


class Nesting(Schema):
    a = fields.Nested(Inner)
    b = fields.List(fields.Nested(IncludingInner))
    c = fields.Dict(keys=fields.String(), values=fields.Integer())
    d = fields.Raw(load_default=list)
    e = fields.Nested(lambda: Inner(partial=True))
    f = fields.Pluck(Inner, "b")


class Quick(Schema):
    """Fields whose values are read at a look at their type."""

    a = fields.List(fields.String(), required=True)
    b = fields.Float(allow_nan=True)
    c = fields.Dict(allow_none=True)
    d = fields.Raw(allow_none=True)
    e = fields.List(fields.Integer(), validate=validate.Length(max=1))
    f = Collection(set, fields.String())
    x = Number()


class MoreQuick(Schema):
    a = Flag()
    b = Collection(tuple, Flag())
    c = fields.List(Number())
    d = fields.Raw()
    e = Collection(frozenset, fields.Dict())
    f = fields.List(fields.String(validate=validate.Length(max=2)))
    x = fields.Float()


class Failing(Schema):
    a = fields.Function(deserialize=lambda value: 1 / value)
    b = fields.Method(deserialize="shorten")
    c = fields.Constant("c")
    d = fields.String(dump_only=True)

    def shorten(self, value):
        return value[:1]


class Strict(Plain):
    class Meta:
        unknown = RAISE


class Silent(Plain):
    """A schema may keep an error to itself, which marshmallow then raises."""

    def handle_error(self, error, data, **kwargs):
        error.messages["handled"] = True


PLAIN = [
    Plain(),
    Message(),
    Nesting(),
    Quick(),
    MoreQuick(),
    Failing(),
    Strict(),
    Silent(),
    Plain(only=("a", "e")),
    Plain(exclude=("a",)),
    Plain(partial=False),
    Schema.from_dict({"a": fields.String()})(),
]


class Hooked(Plain):
    @pre_load
    def add(self, data, **kwargs):
        return {**data, "b": 1}


class Made(Plain):
    @post_load
    def make(self, data, **kwargs):
        return tuple(data.items())


class Judged(Plain):
    @validates_schema
    def judge(self, data, **kwargs):
        if len(data) > 2:
            raise ValidationError("too much", "a")


class Dotted(Schema):
    a = fields.String(attribute="x.a")
    b = fields.String(attribute="x.b")


class Ordered(dict):
    pass


class OwnContent(Plain):
    dict_class = Ordered


OTHERS = [
    Hooked(),
    Made(),
    Judged(),
    Dotted(),
    OwnContent(),
    Plain(partial=True),
    Plain(partial=("a",)),
    Nesting(partial=("a.a",)),
    Plain(many=True),
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.text(max_size=3).map(Text),
    st.binary(max_size=2),
    st.sampled_from(["12", "2020-01-01T00:00:00", "0f0e0d0c-0b0a-0908-0706-050403020100", "1" * 5000]),
)
names = st.sampled_from(["a", "b", "c", "d", "D", "e", "f", "mediaType", "opaqueData", "x"])
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=6,
)
anything = st.dictionaries(names, values)
fitting = st.fixed_dictionaries(
    {"a": st.text(max_size=3)},
    optional={
        "b": st.integers(),
        "c": st.none() | st.integers(),
        "D": st.text(),
        "e": st.text(max_size=2),
        "x": values,
    },
)


def outcome(load):
    """Return what a call gives, or raises, as something to compare."""
    try:
        content = load()
    except ValidationError as error:
        return ("invalid", repr(error.messages), repr(error.data), repr(error.valid_data))
    except Exception as error:
        return ("error", type(error), str(error))
    return ("content", type(content), repr(content))


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schema=st.sampled_from([*PLAIN, *OTHERS]), data=anything | fitting)
def test_content_and_errors_are_those_of_marshmallow(schema, data):
    loader = Loader(schema)

    for given_data in (data, MappingProxyType(data)):
        expected = outcome(lambda given_data=given_data: schema.load(given_data, unknown=EXCLUDE))
        assert outcome(lambda given_data=given_data: loader.load(given_data)) == expected


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schema=st.sampled_from([*PLAIN, *OTHERS]), data=anything | fitting)
def test_marshmallow_has_nothing_to_say_of_what_fits(schema, data):
    if Loader(schema).fits(data):
        assert schema.validate(data) == {}


def test_what_fits():
    loader = Loader(Plain())
    assert loader.fits({"a": "x", "b": 3, "D": "y"})
    assert not loader.fits({"b": 3})
    assert not loader.fits({"a": "x", "unknown": 3})
    assert not loader.fits({"a": "x", "e": "too long"})
    assert not Loader(Hooked()).fits({"a": "x"})

    class Own(Plain):
        def validate(self, data, **kwargs):
            return {"own": kwargs}

    assert not Loader(Own()).fits({"a": "x"})


@pytest.mark.parametrize("schema", PLAIN, ids=lambda schema: f"{type(schema).__name__}")
def test_plain_schemas(schema):
    assert is_plain(schema)


@pytest.mark.parametrize("schema", OTHERS, ids=lambda schema: f"{type(schema).__name__}")
def test_others_are_left_to_marshmallow(schema):
    assert not is_plain(schema)


@pytest.mark.parametrize("name", sorted(LOADING))
def test_a_schema_with_its_own_way_to_load_is_left_to_marshmallow(name):
    class Mixin:
        pass

    setattr(Mixin, name, lambda self, *args, **kwargs: {"own": True})
    own = Plain()
    own.__dict__[name] = getattr(Mixin, name)

    assert not is_plain(type("Own", (Mixin, Plain), {})())
    assert not is_plain(own)


def test_a_schema_may_load_in_its_own_way():
    class Own(Plain):
        def load(self, data, **kwargs):
            return {"own": kwargs}

    assert Loader(Own()).load({}) == {"own": {"unknown": EXCLUDE}}


def test_marshmallow_is_not_asked_for_what_fits():
    schema = Plain()
    loader = Loader(schema)
    assert loader.load({"a": "x"}) == {"a": "x", "d": "none"}

    def load(data, **kwargs):
        raise AssertionError("asked")

    schema.load = load

    assert loader.load({"a": "y", "b": "3", "z": 1}) == {"a": "y", "b": 3, "d": "none"}
    with pytest.raises(AssertionError, match="asked"):
        loader.load({"b": 3})


def test_fields_that_are_exchanged_later():
    schema = Plain(only=("a", "b"))
    loader = Loader(schema)
    assert loader.load({"a": "x", "b": 3}) == {"a": "x", "b": 3}

    number = fields.Integer()
    number._bind_to_schema("a", schema)
    schema.load_fields["a"] = number
    assert loader.load({"a": "1", "b": 3}) == {"a": 1, "b": 3}

    del schema.load_fields["b"]
    assert loader.load({"a": "1", "b": 3}) == {"a": 1}

    schema.partial = True
    assert loader.load({}) == {}

    schema.partial = None
    schema.load_fields = {}
    assert loader.load({"a": "1"}) == {}


@pytest.mark.skipif(
    "pre_load" not in signature(fields.Field).parameters, reason="fields have these since marshmallow 4"
)
@pytest.mark.parametrize("name", ["pre_load", "post_load"])
def test_what_a_field_does_before_and_after(name):
    schema = Schema.from_dict({"a": fields.String(**{name: lambda value: value.strip()})})()

    assert is_plain(schema)
    assert Loader(schema).load({"a": " x "}) == {"a": "x"}


def test_a_field_that_says_more_of_itself_than_we_know_is_asked():
    class Shouting(Schema):
        a = fields.String()

        def on_bind_field(self, field_name, field_obj):
            field_obj.deserialize = lambda value, *args, **kwargs: value.upper()

    assert Loader(Shouting()).load({"a": "x"}) == {"a": "X"}
