"""
From content to JSON text and back.
"""

from json import dumps, loads
from uuid import UUID

import pytest
from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_dump

from microcosm_pubsub.codecs import (
    DEFAULT_MEDIA_TYPE,
    MediaTypeSchema,
    PubSubMessageCodec,
    PubSubMessageSchema,
    media_type_of,
)
from microcosm_pubsub.errors import MessageValidationError, PubSubError
from microcosm_pubsub.fields import UUIDField


class NamedSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.codecs.named"

    message = fields.String(required=True)


class OverridingSchema(PubSubMessageSchema):
    message = fields.String(required=True)

    def deserialize_media_type(self, obj):
        return "application/vnd.codecs.overriding"


class PlainSchema(Schema):
    MEDIA_TYPE = "application/vnd.codecs.plain"

    message = fields.String(required=True)


class UnnamedSchema(Schema):
    message = fields.String(required=True)


@pytest.mark.parametrize(
    ("schema_cls", "media_type"),
    [
        (NamedSchema, "application/vnd.codecs.named"),
        (OverridingSchema, "application/vnd.codecs.overriding"),
        (PlainSchema, "application/vnd.codecs.plain"),
        (PubSubMessageSchema, DEFAULT_MEDIA_TYPE),
        (UnnamedSchema, DEFAULT_MEDIA_TYPE),
    ],
)
def test_media_type_is_written(schema_cls, media_type):
    codec = PubSubMessageCodec(schema_cls())
    content = {} if schema_cls is PubSubMessageSchema else {"message": "hi"}

    assert media_type_of(codec.schema) == media_type
    assert loads(codec.encode(content)) == {"mediaType": media_type, **content}


@pytest.mark.parametrize("schema_cls", [NamedSchema, OverridingSchema, PlainSchema])
def test_round_trip(schema_cls):
    codec = PubSubMessageCodec(schema_cls())

    decoded = codec.decode(codec.encode(message="hi", opaque_data={"x-request-id": "1"}))

    assert decoded["message"] == "hi"
    assert decoded["opaque_data"] == {"x-request-id": "1"}


def test_the_media_type_of_the_content_wins():
    assert loads(PubSubMessageCodec(NamedSchema()).encode(media_type="a/b", message=""))["mediaType"] == "a/b"
    assert loads(PubSubMessageCodec(PlainSchema()).encode(media_type="a/b", message=""))["mediaType"] == "a/b"


def test_keywords_win_over_the_dict():
    codec = PubSubMessageCodec(NamedSchema())
    content = {"message": "dict"}

    assert loads(codec.encode(content, message="keyword"))["message"] == "keyword"
    assert loads(codec.encode(message="alone"))["message"] == "alone"
    assert content == {"message": "dict"}


@pytest.mark.parametrize(
    "content",
    [{}, {"message": None}, {"message": "x", "opaque_data": "none"}, {"message": "x", "media_type": 7}],
)
def test_encode_validates_what_it_dumped(content):
    with pytest.raises(ValidationError) as raised:
        PubSubMessageCodec(NamedSchema()).encode(content)

    assert isinstance(raised.value, PubSubError)
    assert "NamedSchema" in str(raised.value.messages)


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, b"bytes", {("a", "tuple"): 1}],
    ids=["object", "set", "bytes", "key"],
)
def test_what_json_cannot_say_is_a_validation_error(value):
    class AnyThingSchema(PubSubMessageSchema):
        anything = fields.Raw()

    with pytest.raises(MessageValidationError, match="AnyThingSchema"):
        PubSubMessageCodec(AnyThingSchema()).encode(anything=value)


def test_what_a_field_cannot_dump_is_a_validation_error():
    class MomentSchema(PubSubMessageSchema):
        at = fields.DateTime()

    with pytest.raises(MessageValidationError, match=r"encode.*MomentSchema"):
        PubSubMessageCodec(MomentSchema()).encode(at="yesterday")


def test_dump_only_fields_are_not_unknown():
    class InnerSchema(Schema):
        id = fields.String(dump_only=True)
        name = fields.String(required=True)

    class DumpOnlySchema(PubSubMessageSchema):
        computed = fields.Method("compute", data_key="theComputed")
        one = fields.Nested(InnerSchema, data_key="theOne")
        many = fields.Nested(InnerSchema, many=True)
        listed = fields.List(fields.Nested(InnerSchema))
        mapped = fields.Dict(keys=fields.String(), values=fields.Nested(InnerSchema))
        plucked = fields.Pluck(InnerSchema, "name")
        untyped = fields.Dict()

        def compute(self, obj):
            return 42

    inner = {"id": "1", "name": "n"}
    content = {
        "one": inner,
        "many": [inner],
        "listed": [inner],
        "mapped": {"a": inner},
        "plucked": inner,
        "untyped": {"a": 1},
    }

    encoded = loads(PubSubMessageCodec(DumpOnlySchema()).encode(content))

    assert encoded["theComputed"] == 42
    assert encoded["theOne"] == encoded["many"][0] == encoded["listed"][0] == encoded["mapped"]["a"] == inner
    assert encoded["plucked"] == "n"


def test_what_an_inner_schema_is_not_given_passes_as_it_is():
    class InnerSchema(Schema):
        id = fields.String(dump_only=True)

    class OuterSchema(PubSubMessageSchema):
        one = fields.Nested(InnerSchema, allow_none=True)

    assert loads(PubSubMessageCodec(OuterSchema()).encode(one=None))["one"] is None


def test_an_inner_schema_that_does_not_dump_an_object():
    class InnerSchema(Schema):
        @post_dump
        def to_text(self, data, **kwargs):
            return "text"

    class OuterSchema(PubSubMessageSchema):
        one = fields.Nested(InnerSchema)

    with pytest.raises(ValidationError, match="one"):
        PubSubMessageCodec(OuterSchema()).encode(one={})


def test_load_only_fields_are_not_missing():
    class TreeSchema(Schema):
        secret = fields.String(required=True, load_only=True)
        name = fields.String(required=True)
        children = fields.List(fields.Nested(lambda: TreeSchema()))

    class LoadOnlySchema(PubSubMessageSchema):
        class Meta:
            load_only = ("other",)

        secret = fields.String(required=True, load_only=True)
        other = fields.String(required=True)
        tree = fields.Nested(TreeSchema)
        trees = fields.List(fields.Nested(TreeSchema))

    codec = PubSubMessageCodec(LoadOnlySchema())

    encoded = loads(codec.encode(secret="s", other="o", tree={"name": "t", "secret": "s"}, trees=[{"name": "t"}]))

    assert encoded == {"mediaType": DEFAULT_MEDIA_TYPE, "tree": {"name": "t"}, "trees": [{"name": "t"}]}
    with pytest.raises(ValidationError):
        codec.encode(tree={})


def test_decode_excludes_unknown_fields():
    message = {"mediaType": NamedSchema.MEDIA_TYPE, "message": "hi", "unknown": 1}

    for form in (message, dumps(message), dumps(message).encode()):
        assert PubSubMessageCodec(NamedSchema()).decode(form) == {
            "media_type": NamedSchema.MEDIA_TYPE,
            "message": "hi",
        }


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        '"text"',
        b"\xff",
        "[" * 100_000,
        {},
        {"mediaType": 7, "message": "x"},
        '{"message":1}',
    ],
    ids=["empty", "brace", "list", "null", "number", "text", "bytes", "deep", "none", "media-type", "message"],
)
def test_decode_raises_validation_errors_that_name_the_schema(message):
    with pytest.raises(ValidationError) as raised:
        PubSubMessageCodec(NamedSchema()).decode(message)

    assert "NamedSchema" in str(raised.value.messages)


def test_an_error_does_not_hold_the_body():
    with pytest.raises(ValidationError) as raised:
        PubSubMessageCodec(NamedSchema()).decode('{"message": {"password": "s3cret"}, "mediaType": "x"}')

    assert "s3cret" not in str(raised.value)


def test_the_errors_of_the_fields_are_kept():
    with pytest.raises(ValidationError) as raised:
        PubSubMessageCodec(NamedSchema()).decode({"mediaType": "x"})

    assert raised.value.normalized_messages()["message"] == ["Missing data for required field."]


def test_errors_of_a_hook_that_names_no_field():
    class StrictSchema(PubSubMessageSchema):
        def deserialize_media_type(self, obj):
            raise ValidationError(["one", "two"])

    with pytest.raises(ValidationError) as raised:
        PubSubMessageCodec(StrictSchema()).decode({"mediaType": "x"})
    assert raised.value.normalized_messages()["mediaType"] == ["one", "two"]


def test_media_type_schema():
    assert MediaTypeSchema().load({"mediaType": "a/b", "more": 1}, unknown=EXCLUDE) == {"mediaType": "a/b"}
    with pytest.raises(ValidationError):
        MediaTypeSchema().load({})


class ThingSchema(PubSubMessageSchema):
    id = UUIDField(required=True)
    parent_id = UUIDField(allow_none=True)


UUID_1 = UUID("547cd7df-ddb0-4189-9a96-5107ce04a7ae")


@pytest.mark.parametrize("value", [UUID_1, str(UUID_1), UUID_1.hex, f"{{{UUID_1}}}"])
def test_uuid_field_always_gives_text(value):
    codec = PubSubMessageCodec(ThingSchema())

    assert loads(codec.encode(id=value))["id"] == str(UUID_1)
    assert codec.decode({"mediaType": "x", "id": str(value)})["id"] == str(UUID_1)


def test_uuid_field_keeps_none():
    codec = PubSubMessageCodec(ThingSchema())

    assert loads(codec.encode(id=UUID_1, parent_id=None))["parent_id"] is None
    assert codec.decode({"mediaType": "x", "id": UUID_1.hex, "parent_id": None})["parent_id"] is None


@pytest.mark.parametrize("value", ["", "not a uuid", 7, 1.5, True, [], {}, b"0" * 32, None])
def test_uuid_field_refuses_what_is_no_uuid(value):
    codec = PubSubMessageCodec(ThingSchema())

    with pytest.raises(ValidationError):
        codec.decode({"mediaType": "x", "id": value})
    with pytest.raises(ValidationError):
        codec.encode(id=value)
