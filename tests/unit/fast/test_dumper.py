"""
What marshmallow writes of content, written in less time.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import Schema, fields, post_dump, pre_dump

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.fast.dumper import DUMPING, Dumper, is_plain


class Inner(Schema):
    a = fields.String()


class Plain(Schema):
    a = fields.String()
    b = fields.Integer(data_key="B")
    c = fields.Integer(as_string=True)
    d = fields.String(attribute="e", dump_default="none")
    f = fields.Float(load_only=True)
    x = fields.Boolean()


class Message(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.dumping.message"

    a = fields.Float()
    b = fields.UUID()
    c = fields.Dict(keys=fields.String(), values=fields.Integer())
    d = fields.Raw(dump_default=list)
    e = fields.List(fields.String())


class Odd(Schema):
    a = fields.Nested(Inner)
    b = fields.Function(lambda content: sorted(map(str, content)))
    c = fields.Method("count")
    d = fields.Constant("d")
    e = fields.String(attribute="a.b")
    f = fields.Pluck(Inner, "a")
    items = fields.String()
    x = fields.Raw(attribute="keys")

    def count(self, content):
        return len(content)


PLAIN = [Plain(), Message(), Odd(), Plain(only=("a", "b")), Plain(exclude=("a",))]


class Before(Plain):
    @pre_dump
    def add(self, content, **kwargs):
        return {**content, "b": 1}


class After(Plain):
    @post_dump
    def add(self, written, **kwargs):
        return {**written, "z": 1}


class Ordered(dict):
    pass


class OwnContent(Plain):
    dict_class = Ordered


OTHERS = [Before(), After(), OwnContent(), Plain(many=True)]

values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.binary(max_size=2)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
    ),
    max_leaves=6,
)
names = ["a", "b", "B", "c", "d", "e", "f", "x", "items", "keys", "media_type", "opaque_data"]


def outcome(dump):
    """Return what a call gives, or raises, as something to compare."""
    try:
        written = dump()
    except Exception as error:
        return ("error", type(error), str(error))
    # The methods of a dict are written with its address.
    return ("written", type(written), repr(written).partition(" object at ")[0])


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schema=st.sampled_from([*PLAIN, *OTHERS]), content=st.dictionaries(st.sampled_from(names), values))
def test_what_is_written_is_what_marshmallow_writes(schema, content):
    dumper = Dumper(schema)
    assert outcome(lambda: dumper.dump(content)) == outcome(lambda: schema.dump(content))


@pytest.mark.parametrize("schema", PLAIN, ids=lambda schema: f"{type(schema).__name__}")
def test_plain_schemas(schema):
    assert is_plain(schema)


@pytest.mark.parametrize("schema", OTHERS, ids=lambda schema: f"{type(schema).__name__}")
def test_others_are_left_to_marshmallow(schema):
    assert not is_plain(schema)


@pytest.mark.parametrize("name", sorted(DUMPING))
def test_a_schema_with_its_own_way_to_dump_is_left_to_marshmallow(name):
    own = Plain()
    own.__dict__[name] = lambda *args, **kwargs: {"own": True}

    assert not is_plain(type("Own", (Plain,), {name: own.__dict__[name]})())
    assert not is_plain(own)


def test_marshmallow_is_not_asked_for_what_is_plain():
    schema = Plain()
    dumper = Dumper(schema)
    assert dumper.dump({"a": "x"}) == {"a": "x", "d": "none"}

    schema.dump_fields["a"].serialize = None
    assert dumper.dump({"a": "y", "b": 1, "e": "z"}) == {"a": "y", "B": 1, "d": "z"}


def test_fields_that_are_exchanged_later():
    schema = Plain(only=("a", "b"))
    dumper = Dumper(schema)
    assert dumper.dump({"a": "1", "b": 3}) == {"a": "1", "B": 3}

    number = fields.Integer()
    number._bind_to_schema("a", schema)
    schema.dump_fields["a"] = number
    assert dumper.dump({"a": "1", "b": 3}) == {"a": 1, "B": 3}

    del schema.dump_fields["b"]
    assert dumper.dump({"a": "1", "b": 3}) == {"a": 1}

    schema.dump_fields = {}
    assert dumper.dump({"a": "1", "b": 3}) == {}


@pytest.mark.parametrize("name", ["serialize", "get_value"])
def test_a_field_with_its_own_way_is_asked(name):
    class Shouting(fields.String):
        pass

    def shout(self, attr, obj, **kwargs):
        return obj["a"].upper()

    setattr(Shouting, name, shout if name == "serialize" else lambda self, obj, attr, **kwargs: obj["a"].upper())

    class Loud(Schema):
        a = Shouting()
        b = fields.String()

        def on_bind_field(self, field_name, field_obj):
            if field_name == "b":
                setattr(field_obj, name, lambda *args, **kwargs: "own")

    assert Dumper(Loud()).dump({"a": "x"}) == {"a": "X", "b": "own"}
