"""
Who says what, and who handles it.
"""

from functools import wraps
from json import loads

import pytest
from marshmallow import Schema, fields
from microcosm.api import binding, create_object_graph

from microcosm_pubsub.codecs import PubSubMessageCodec, PubSubMessageSchema
from microcosm_pubsub.conventions import (
    ChangedURIMessageSchema,
    IdentityMessageSchema,
    URIMessageSchema,
    changed,
    created,
    deleted,
    media_type,
)
from microcosm_pubsub.decorators import handles, schema
from microcosm_pubsub.errors import AlreadyRegisteredError, ConfigurationError
from microcosm_pubsub.registry import media_type_for
from microcosm_pubsub.registry import schemas as schemas_module


FIRST = "application/vnd.registry.first"
SECOND = "application/vnd.registry.second"
WILD = "application/vnd.registry.wild.*"
SHARED = "application/vnd.registry.shared"


@schema
class FirstSchema(PubSubMessageSchema):
    MEDIA_TYPE = FIRST

    number = fields.Integer(required=True)


@schema
class OverridingSchema(PubSubMessageSchema):
    def deserialize_media_type(self, obj):
        return SECOND


class InferringSchema(Schema):
    @classmethod
    def infer_media_type(cls):
        return "application/vnd.registry.inferred"


class OtherSchema(PubSubMessageSchema):
    MEDIA_TYPE = FIRST


@handles(FirstSchema)
def handle_first(message):
    return True


@binding("registry_second_handler")
@handles(OverridingSchema)
@handles(WILD)
class SecondHandler:
    def __init__(self, graph):
        self.graph = graph

    def __call__(self, message):
        return True


@handles(InferringSchema)
class UnboundHandler:
    def __call__(self, message):
        return True


@handles("application/vnd.registry.unbound_too")
@handles("application/vnd.registry.unbound")
class UnboundHandlerOfGraph(SecondHandler):
    pass


class OnDemandHandler:
    bind_implicitly = False

    def __init__(self, graph):
        pass

    def __call__(self, message):
        return True


binding("registry_on_demand")(handles("application/vnd.registry.on_demand")(OnDemandHandler))


@binding("registry_function")
def configure_function(graph):
    return handle_first


def logged(func):
    @wraps(func)
    def wrapper(message):
        return func(message)

    return wrapper


@binding("registry_wrapped")
def configure_wrapped(graph):
    return logged(handle_first)


@pytest.fixture
def schemas(graph):
    return graph.pubsub_message_schema_registry


@pytest.fixture
def handlers(graph):
    return graph.sqs_message_handler_registry


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (FirstSchema, FIRST),
        (OverridingSchema, SECOND),
        (InferringSchema, "application/vnd.registry.inferred"),
        (type("Plain", (), {"MEDIA_TYPE": "a/b"}), "a/b"),
        (PubSubMessageSchema, "application/json"),
    ],
)
def test_media_type_for(cls, expected):
    assert media_type_for(cls) == expected


class Demanding(PubSubMessageSchema):
    def deserialize_media_type(self, obj):
        return obj.lower()


class Silent(PubSubMessageSchema):
    def deserialize_media_type(self, obj):
        return None


@pytest.mark.parametrize("cls", [Demanding, Silent, Schema, type("Empty", (), {"MEDIA_TYPE": ""}), object(), 7])
def test_what_names_no_media_type_is_refused_where_it_is_declared(cls):
    for declare in (media_type_for, lambda cls: handles(cls)(lambda message: True), schema):
        with pytest.raises(ConfigurationError, match="MEDIA_TYPE"):
            declare(cls)


def test_unknown_options_are_refused():
    with pytest.raises(ConfigurationError, match="colour, size"):
        handles(FIRST, size=1, colour=2)(OnDemandHandler)  # type: ignore[call-overload]


def test_declared_schemas_are_found(schemas):
    assert isinstance(schemas.find(FIRST), PubSubMessageCodec)
    assert isinstance(schemas.find(FIRST).schema, FirstSchema)
    assert isinstance(schemas.find(SECOND).schema, OverridingSchema)
    assert schemas.find(FIRST) is schemas.find(FIRST)
    assert {FIRST, SECOND} <= set(schemas.keys())


def test_the_same_schema_twice_is_fine_and_another_one_is_not(schemas):
    schemas.register(FIRST, FirstSchema)

    with pytest.raises(AlreadyRegisteredError, match=rf"{FIRST}.*FirstSchema.*OtherSchema"):
        schemas.register(FIRST, OtherSchema)
    with pytest.raises(AlreadyRegisteredError):
        schemas.register(FIRST, SECOND)

    assert isinstance(schemas.find(FIRST).schema, FirstSchema)


@pytest.mark.parametrize(
    ("name", "schema_cls"),
    [
        (created("registry_thing"), URIMessageSchema),
        (changed("registry_thing"), ChangedURIMessageSchema),
        (deleted("registry_thing"), IdentityMessageSchema),
        (created("registry.thing", public=True, organization="acme"), URIMessageSchema),
    ],
)
def test_by_convention(schemas, name, schema_cls):
    codec = schemas.find(name)

    assert type(codec.schema) is schema_cls
    assert loads(codec.encode(uri="http://x", id="1"))["mediaType"] == name
    with pytest.raises(KeyError):
        schemas.find_matching_media_type(name)


def test_a_change_of_ones_own_is_a_uri_message(graph, schemas):
    archived = media_type("archived")("registry_thing")
    with pytest.raises(KeyError):
        schemas.find(archived)

    graph.pubsub_lifecycle_change.add("archived")

    assert type(schemas.find(archived).schema) is URIMessageSchema


@pytest.mark.parametrize("value", [False, "false"])
def test_without_convention(make_graph, value):
    schemas = make_graph(pubsub_message_schema_registry={"auto_register": value}).pubsub_message_schema_registry

    with pytest.raises(KeyError):
        schemas.find(created("registry_thing"))
    schemas.register(created("registry_thing"), URIMessageSchema)
    assert type(schemas.find(created("registry_thing")).schema) is URIMessageSchema


@pytest.mark.parametrize("name", ["application/vnd.registry.unknown", "", "json", "."])
def test_an_unknown_media_type_is_a_key_error(schemas, name):
    for find in (schemas.find, schemas.find_matching_media_type):
        with pytest.raises(KeyError):
            find(name)


class WildSchema(PubSubMessageSchema):
    pass


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("application/vnd.registry.wild.one", True),
        ("application/vnd.registry.wild.*", True),
        ("application/vnd.registry.wild.one.two", False),
        ("application/vnd.registry.wild.", False),
        ("application/vnd.registry.wild", False),
        ("application/vnd.registry.wilder.one", False),
    ],
)
def test_a_wildcard_matches_one_last_segment(schemas, name, found):
    schemas.register(WILD, WildSchema)

    if found:
        assert schemas.find_matching_media_type(name) == WILD
        assert loads(schemas.find(name).encode())["mediaType"] == name
    else:
        with pytest.raises(KeyError):
            schemas.find(name)


def test_a_media_type_itself_wins_over_a_wildcard(schemas):
    schemas.register(WILD, WildSchema)
    schemas.register("application/vnd.registry.wild.exact", OtherSchema)

    assert type(schemas.find("application/vnd.registry.wild.exact").schema) is OtherSchema


def test_a_schema_instance_and_another_media_types_schema(schemas):
    instance = WildSchema()
    schemas.register("application/vnd.registry.instance", instance)
    schemas.register("application/vnd.registry.alias", FIRST)
    schemas.register(created("registry_alias"), created("registry_alias"))

    assert schemas.find("application/vnd.registry.instance").schema is instance
    assert type(schemas.find("application/vnd.registry.alias").schema) is FirstSchema
    assert type(schemas.find(created("registry_alias")).schema) is URIMessageSchema


def test_media_types_that_stand_for_each_other_have_no_schema(schemas):
    schemas.register("application/vnd.registry.a", "application/vnd.registry.b")
    schemas.register("application/vnd.registry.b", "application/vnd.registry.c")
    schemas.register("application/vnd.registry.c", "application/vnd.registry.a")

    with pytest.raises(KeyError):
        schemas.find("application/vnd.registry.a")


def test_what_is_kept_is_bounded(schemas, monkeypatch):
    monkeypatch.setattr(schemas_module, "MAX_CODECS", 3)

    for number in range(10):
        assert schemas.find(created(f"registry_{number}"))

    assert len(schemas._codecs) <= 3


def test_declared_handlers_are_registered(handlers):
    assert {FIRST, SECOND, WILD} <= set(handlers.keys())
    registered = list(handlers.iter_handlers())
    assert registered.count(SecondHandler) == 1
    assert handle_first in registered


def test_named_handlers_are_exactly_those(graph, handlers):
    bound = handlers.compute_bound_handlers(["opaque", "registry_second_handler"])

    assert set(bound) == {SECOND, WILD}
    assert bound[SECOND] is bound[WILD] is graph.registry_second_handler


@pytest.mark.parametrize("name", ["registry_function", "registry_wrapped"])
def test_a_function_is_named_by_what_the_graph_gives(graph, handlers, name):
    bound = handlers.compute_bound_handlers([name])

    assert bound == {FIRST: graph[name]}


def test_if_none_is_named_every_handler_is_bound(graph, handlers):
    bound = handlers.compute_bound_handlers(["opaque"])

    assert bound[FIRST] is handle_first
    # made by the graph, when it is bound there
    assert bound[SECOND] is graph.registry_second_handler
    assert isinstance(bound["application/vnd.registry.inferred"], UnboundHandler)
    unbound = bound["application/vnd.registry.unbound"]
    assert isinstance(unbound, UnboundHandlerOfGraph)
    assert unbound.graph is graph
    assert bound["application/vnd.registry.unbound_too"] is unbound
    assert "application/vnd.registry.on_demand" not in bound


def test_what_is_bound_only_when_named(handlers):
    assert set(handlers.compute_bound_handlers(["registry_on_demand"])) == {"application/vnd.registry.on_demand"}


def test_one_handler_twice_is_fine_and_two_are_not(handlers):
    handlers.register(FIRST, handle_first)
    assert handlers.compute_bound_handlers(["registry_function"])

    handlers.register(FIRST, SecondHandler)

    with pytest.raises(AlreadyRegisteredError, match=rf"{FIRST}.*handle_first.*SecondHandler"):
        handlers.compute_bound_handlers([])
    # naming one of them helps
    assert FIRST in handlers.compute_bound_handlers(["registry_second_handler"])
    with pytest.raises(AlreadyRegisteredError):
        handlers.compute_bound_handlers(["registry_second_handler", "registry_function"])


def test_a_bound_handler_is_found(handlers):
    bound = handlers.compute_bound_handlers(["registry_second_handler"])

    assert handlers.find(SECOND, bound) is bound[SECOND]
    assert handlers.find("application/vnd.registry.wild.one", bound) is bound[WILD]
    for name in (FIRST, "application/vnd.registry.wild.one.two", ""):
        with pytest.raises(KeyError):
            handlers.find(name, bound)


def test_decorators_return_what_they_decorate():
    assert isinstance(FirstSchema, type)
    assert callable(handle_first)
    assert handle_first({}) is True


def test_a_handler_brings_its_schema_with_it():
    class LonelySchema(PubSubMessageSchema):
        MEDIA_TYPE = "application/vnd.registry.lonely"

    @handles(LonelySchema)
    def handle_lonely(message):
        return True

    graph = create_object_graph("test", testing=True)

    assert isinstance(graph.pubsub_message_schema_registry.find(LonelySchema.MEDIA_TYPE).schema, LonelySchema)


def test_what_is_registered_again_keeps_its_codec(graph):
    class AgainSchema(PubSubMessageSchema):
        MEDIA_TYPE = "application/vnd.acme.again"

    registry = graph.pubsub_message_schema_registry
    registry.register(AgainSchema.MEDIA_TYPE, AgainSchema)
    codec = registry.find(AgainSchema.MEDIA_TYPE)

    registry.register(AgainSchema.MEDIA_TYPE, AgainSchema)

    assert registry.find(AgainSchema.MEDIA_TYPE) is codec
