"""
How media types are spelled, and the messages of resources.
"""

import pytest
from marshmallow import ValidationError

from microcosm_pubsub.batch import MessageBatchSchema
from microcosm_pubsub.codecs import PubSubMessageCodec
from microcosm_pubsub.conventions import (
    ChangedURIMessageSchema,
    IdentityMessageSchema,
    LifecycleChange,
    URIMessageSchema,
    changed,
    created,
    deleted,
    make_media_type,
    media_type,
    messages,
    name_for,
)


class FooBar:
    pass


class Aliased:
    __alias__ = "other.name"


@pytest.mark.parametrize(
    ("obj", "name"),
    [
        (FooBar, "foo_bar"),
        (FooBar(), "foo_bar"),
        (Aliased, "other.name"),
        (Aliased(), "other.name"),
        ("FooBar", "foo_bar"),
        ("foo_bar", "foo_bar"),
        ("FooBar.ThisThat", "foo_bar.this_that"),
    ],
)
def test_name_for(obj, name):
    assert name_for(obj) == name


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (created(FooBar), "application/vnd.globality.pubsub._.created.foo_bar"),
        (changed(FooBar), "application/vnd.globality.pubsub._.changed.foo_bar"),
        (deleted(FooBar), "application/vnd.globality.pubsub._.deleted.foo_bar"),
        (created("FooBar.ThisThat"), "application/vnd.globality.pubsub._.created.foo_bar.this_that"),
        (created(FooBar, public=True), "application/vnd.globality.pubsub.created.foo_bar"),
        (created(FooBar, organization="acme"), "application/vnd.acme.pubsub._.created.foo_bar"),
        (media_type("archived")(FooBar), "application/vnd.globality.pubsub._.archived.foo_bar"),
        (media_type("archived")(FooBar, public=True), "application/vnd.globality.pubsub.archived.foo_bar"),
        (make_media_type(FooBar), "application/vnd.globality.pubsub._.created.foo_bar"),
        (make_media_type(FooBar, "done", "acme", True), "application/vnd.acme.pubsub.done.foo_bar"),
    ],
)
def test_media_types(actual, expected):
    assert actual == expected


def test_the_default_organization_is_configurable(monkeypatch):
    monkeypatch.setenv("PUBSUB_ORGANIZATION", "acme")

    assert created(FooBar) == "application/vnd.acme.pubsub._.created.foo_bar"
    assert created(FooBar, organization="other") == "application/vnd.other.pubsub._.created.foo_bar"


def test_the_lifecycle_changes(graph):
    change = graph.pubsub_lifecycle_change

    assert isinstance(change, LifecycleChange)
    assert isinstance(change, set)
    assert change == {change.Changed, change.Created, change.Deleted} == {"changed", "created", "deleted"}


@pytest.mark.parametrize(
    ("media_type", "change"),
    [
        (created("foo"), "created"),
        (changed("foo", public=True), "changed"),
        (deleted("foo.bar"), "deleted"),
        (created("foo.changed.bar"), "created"),
        (created("created"), "created"),
        ("application/vnd.globality.pubsub._.created", None),
        ("application/vnd.created", None),
        ("application/json", None),
        ("", None),
    ],
)
def test_which_change_a_media_type_holds(media_type, change):
    assert LifecycleChange().find(media_type) == change
    assert LifecycleChange().matches(media_type) is (change is not None)


def test_a_change_of_ones_own():
    change = LifecycleChange()
    assert not change.matches(media_type("archived")("foo"))

    change.add("archived")

    assert change.matches(media_type("archived")("foo"))
    assert "archived" not in LifecycleChange()


@pytest.mark.parametrize(
    ("schema_cls", "content"),
    [
        (URIMessageSchema, {"uri": "http://x"}),
        (ChangedURIMessageSchema, {"uri": "http://x"}),
        (ChangedURIMessageSchema, {"uri": "http://x", "field_name": "a", "new_value": {"any": "thing"}}),
        (ChangedURIMessageSchema, {"uri": "http://x", "field_name": None, "new_value": None}),
        (IdentityMessageSchema, {"id": "1"}),
    ],
)
def test_messages_of_resources(schema_cls, content):
    codec = PubSubMessageCodec(schema_cls("a/b"))

    assert codec.decode(codec.encode(content)) == {"media_type": "a/b", **content}
    assert PubSubMessageCodec(schema_cls(media_type="c/d")).decode(codec.encode(content))["media_type"] == "a/b"


@pytest.mark.parametrize("schema_cls", [URIMessageSchema, ChangedURIMessageSchema, IdentityMessageSchema])
def test_what_messages_of_resources_need(schema_cls):
    with pytest.raises(ValidationError):
        PubSubMessageCodec(schema_cls()).encode()


def test_where_the_schemas_are():
    assert messages.ChangedURIMessageSchema is ChangedURIMessageSchema
    assert issubclass(ChangedURIMessageSchema, URIMessageSchema)


def test_a_batch_of_a_later_version_can_be_read():
    item = {"media_type": "a/b", "message": "{}", "message_attributes": {}, "topic_arn": "t"}
    codec = PubSubMessageCodec(MessageBatchSchema())

    assert created("batch_message") == MessageBatchSchema.MEDIA_TYPE
    decoded = codec.decode({"mediaType": MessageBatchSchema.MEDIA_TYPE, "messages": [{**item, "priority": 3}]})
    assert decoded["messages"] == [item]
    with pytest.raises(ValidationError):
        codec.decode({"mediaType": MessageBatchSchema.MEDIA_TYPE, "messages": [{"media_type": "a/b"}]})
