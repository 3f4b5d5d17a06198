"""
URI handlers, with real servers behind the URIs.
"""

import logging
from dataclasses import dataclass

import pytest
from requests import HTTPError

from microcosm_pubsub.errors import Nack, ResourceError
from microcosm_pubsub.handlers import URIHandler
from microcosm_pubsub.handlers.resource_cache import is_created_event
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.result import MessageHandlingResult


CREATED = "application/vnd.globality.pubsub._.created.customer"
CREATED_EVENT = "application/vnd.globality.pubsub._.created.customer_event"
CHANGED = "application/vnd.globality.pubsub._.changed.customer"
DELETED_EVENT = "application/vnd.globality.pubsub._.deleted.customer_event"


class CustomerHandler(URIHandler):
    answer = True

    def __init__(self, graph, **kwargs):
        super().__init__(graph, **kwargs)
        self.handled = []

    def handle(self, message, uri, resource):
        self.handled.append((uri, resource))
        return self.answer


class Cache:
    def __init__(self, error=None):
        self.values = {}
        self.calls = []
        self.error = error

    def get(self, key):
        self.calls.append("get")
        if self.error:
            raise self.error
        return self.values.get(key)

    def set(self, key, value, ttl=None):
        self.calls.append("set")
        if self.error:
            raise self.error
        self.values[key] = value
        self.ttl = ttl


def message_for(uri, media_type=CREATED, **kwargs):
    return {"media_type": media_type, "uri": uri, **kwargs}


@pytest.fixture
def handler(make_graph):
    return CustomerHandler(make_graph())


@pytest.fixture
def uri(server):
    server.routes["/customer/1"] = {"id": "1", "name": "you"}
    return f"{server.url}/customer/1"


# -- the flow


@pytest.mark.parametrize(("answer", "expected"), [(True, True), (1, True), (False, False), (None, False)])
def test_it_handles_the_resource(handler, uri, answer, expected):
    handler.answer = answer
    assert handler(message_for(uri)) is expected
    assert handler.handled == [(uri, {"id": "1", "name": "you"})]


def test_the_hooks_are_called(make_graph, server, uri):
    class Watched(CustomerHandler):
        def __init__(self, graph):
            super().__init__(graph)
            self.seen = []

        def get_reason_to_skip(self, message, uri):
            return message.get("skip")

        def on_call(self, *args):
            self.seen.append(("call", *args))

        def on_skip(self, *args):
            self.seen.append(("skip", *args))

        def on_handle(self, *args):
            self.seen.append(("handle", *args))

        def on_ignore(self, *args):
            self.seen.append(("ignore", *args))

    handler = Watched(make_graph())
    resource = {"id": "1", "name": "you"}

    message = message_for(uri)
    assert handler(message) is True
    assert handler.seen == [("call", message, uri), ("handle", message, uri, resource)]

    handler.seen, handler.answer = [], False
    assert handler(message) is False
    assert handler.seen == [("call", message, uri), ("ignore", message, uri, resource)]

    handler.seen, message, asked = [], message_for(uri, skip="not today"), len(server.requests)
    assert handler(message) is False
    assert handler.seen == [("call", message, uri), ("skip", message, uri, "not today")]
    assert len(server.requests) == asked


def test_the_defaults(handler):
    assert handler.name == "customer_handler"
    assert handler.nack_if_not_found is True
    assert handler.resource_type is dict
    assert handler.get_reason_to_skip({}, "u") is None


def test_without_a_handle_it_succeeds_when_the_resource_is_there(make_graph, uri):
    assert URIHandler(make_graph())(message_for(uri)) is True


def test_the_log_has_keys_and_no_content(handler, uri, caplog):
    caplog.set_level(logging.DEBUG, logger="microcosm_pubsub")
    handler(message_for(f"{uri}?token=t1", secret="s1"))
    ours = [record for record in caplog.records if record.name.startswith("microcosm_pubsub")]
    assert [(record.levelname, record.handler) for record in ours] == [
        ("DEBUG", "customer_handler"),
        ("INFO", "customer_handler"),
    ]
    assert {record.uri for record in ours} == {f"{uri}?token=t1"}
    for record in ours:
        assert "t1" not in record.getMessage()
        assert "s1" not in str(vars(record))


@pytest.mark.parametrize("message", [{}, {"uri": None}, {"uri": 1, "media_type": CREATED}])
def test_a_message_without_uri_is_an_error(handler, message):
    with pytest.raises(ResourceError, match="customer_handler takes messages with a URI"):
        handler(message)


# -- headers


@pytest.mark.parametrize("key", ["opaque_data", "opaqueData"])
def test_opaque_data_becomes_headers(handler, server, uri, key):
    message = message_for(uri, **{key: {"x-request-id": "r1", "x-request-ttl": 3, "x-request-user": None}})
    assert handler.get_headers(message) == {"x-request-id": "r1", "x-request-ttl": "3"}
    handler(message)
    ((_, headers),) = server.requests
    assert (headers["x-request-id"], headers["x-request-ttl"]) == ("r1", "3")


@pytest.mark.parametrize("opaque_data", [{}, None])
def test_without_opaque_data_there_are_no_headers(handler, opaque_data):
    assert handler.get_headers(message_for("u", opaque_data=opaque_data)) == {}
    assert handler.get_headers(message_for("u")) == {}


# -- what is not there


def test_a_resource_that_is_not_found_is_tried_again(make_graph, server):
    with pytest.raises(Nack) as caught:
        CustomerHandler(make_graph(), resource_nack_timeout=7)(message_for(f"{server.url}/absent"))
    assert (caught.value.visibility_timeout_seconds, caught.value.reason) == (7, "URI resource not found")


def test_a_resource_that_is_not_found_may_be_a_failure(make_graph, server):
    class Strict(CustomerHandler):
        nack_if_not_found = False

    with pytest.raises(HTTPError, match="404") as caught:
        Strict(make_graph())(message_for(f"{server.url}/absent?token=t1"))
    assert caught.value.response.status_code == 404
    assert "t1" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 401, 403, 410, 429, 500, 503])
def test_other_statuses_are_failures(handler, server, status):
    server.routes["/a"] = lambda answer: answer.give({}, status=status)
    with pytest.raises(HTTPError, match=str(status)):
        handler(message_for(f"{server.url}/a"))
    assert handler.handled == []


def test_what_is_no_json_is_a_failure(handler, server):
    server.routes["/a"] = lambda answer: answer.give(b"<secret>", Content_Type="text/html")
    with pytest.raises(ResourceError, match=r"/a gave 200 without JSON \(text/html\)") as caught:
        handler(message_for(f"{server.url}/a?token=t1"))
    assert "secret" not in str(caught.value)
    assert "t1" not in str(caught.value)


# -- what is not allowed


@pytest.mark.parametrize("forbidden", ["host", "redirect", "scheme"])
def test_what_is_not_allowed_is_skipped_with_a_warning(make_graph, server, uri, caplog, forbidden):
    elsewhere = uri.replace("127.0.0.1", "localhost")
    server.routes["/redirect"] = lambda answer: answer.redirect(elsewhere)
    refused = {"host": elsewhere, "redirect": f"{server.url}/redirect", "scheme": "ftp://127.0.0.1/a"}
    handler = CustomerHandler(make_graph(allowed_hosts="127.0.0.1"))
    assert handler(message_for(refused[forbidden])) is False
    assert handler.handled == []
    assert "/customer/1" not in server.paths()
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert (warning.handler, warning.uri) == ("customer_handler", refused[forbidden])


# -- resource types


@dataclass
class Customer:
    id: str
    name: str


def test_a_resource_of_a_type_is_made(make_graph, uri):
    class Typed(CustomerHandler):
        resource_type = Customer

    handler = Typed(make_graph())
    handler(message_for(uri))
    assert handler.handled == [(uri, Customer(id="1", name="you"))]


@pytest.mark.parametrize("resource", [[1], "text", 1, None])
def test_a_resource_of_another_shape_is_an_error(handler, server, resource):
    server.routes["/a"] = lambda answer: answer.give(resource)
    with pytest.raises(ResourceError, match=f"customer_handler.* dict, .* {type(resource).__name__}"):
        handler(message_for(f"{server.url}/a"))


def test_a_list_can_be_a_resource(make_graph, server):
    class Listing(CustomerHandler):
        resource_type = list

    server.routes["/a"] = [1, 2]
    handler = Listing(make_graph())
    handler(message_for(f"{server.url}/a"))
    assert handler.handled[0][1] == [1, 2]


# -- changes

CHANGES = {
    "visible": (CHANGED, {"field_name": "name", "new_value": "you"}, True),
    "not visible": (CHANGED, {"field_name": "name", "new_value": "me"}, False),
    "field not there": (CHANGED, {"field_name": "age", "new_value": 1}, False),
    "unset and not there": (CHANGED, {"field_name": "age", "new_value": None}, True),
    "no value told": (CHANGED, {"field_name": "name"}, True),
    "no field told": (CHANGED, {"new_value": "me"}, True),
    "nothing told": (CHANGED, {}, True),
    "no change": (CREATED, {"field_name": "name", "new_value": "me"}, True),
}


@pytest.mark.parametrize("key", ["media_type", "mediaType"])
@pytest.mark.parametrize(("media_type", "change", "visible"), CHANGES.values(), ids=CHANGES)
def test_a_change_must_be_visible(make_graph, uri, key, media_type, change, visible):
    handler = CustomerHandler(make_graph(), retry_nack_timeout=3)
    message = {key: media_type, "uri": uri, **change}
    if visible:
        assert handler(message) is True
        return
    with pytest.raises(Nack, match=change["field_name"]) as caught:
        handler(message)
    assert caught.value.visibility_timeout_seconds == 3
    assert "me'" not in str(caught.value)
    assert handler.handled == []


# -- the cache


def test_a_cached_resource_is_not_fetched(make_graph, server, uri):
    cache = Cache()
    handler = CustomerHandler(make_graph({"resource_cache": cache}), resource_cache_ttl=5)
    assert [handler(message_for(uri, CREATED_EVENT)) for _ in range(3)] == [True] * 3
    assert len(handler.handled) == 3
    assert len(server.requests) == 1
    assert (cache.values, cache.ttl) == ({uri: {"id": "1", "name": "you"}}, 5)


@pytest.mark.parametrize(
    ("options", "cached"),
    [
        ({}, False),
        ({"resource_cache_enabled": False, "resource_cache_whitelist_callable": lambda media_type, uri: True}, False),
        ({"resource_cache_whitelist_callable": lambda media_type, uri: uri.startswith("http")}, True),
        ({"resource_cache_whitelist_callable": lambda media_type: media_type == CREATED}, True),
        ({"resource_cache_whitelist_callable": lambda media_type: False}, False),
    ],
)
def test_what_may_be_cached(make_graph, uri, options, cached):
    cache = Cache()
    CustomerHandler(make_graph({"resource_cache": cache}), **options)(message_for(uri))
    assert (uri in cache.values) is cached
    assert cache.calls == (["get", "set"] if cached else [])


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        (CREATED_EVENT, True),
        (CREATED, False),
        (DELETED_EVENT, False),
        (f"{CREATED_EVENT}.part", False),
        ("", False),
    ],
)
def test_only_events_that_were_created_are_cached_by_default(media_type, expected):
    assert is_created_event(media_type) is expected


def test_what_is_not_found_is_not_cached(make_graph, server):
    cache = Cache()
    with pytest.raises(Nack):
        CustomerHandler(make_graph({"resource_cache": cache}))(message_for(f"{server.url}/a", CREATED_EVENT))
    assert cache.values == {}


@pytest.mark.parametrize("error", [ConnectionError("down"), ValueError("bad key"), RuntimeError()])
def test_no_error_of_the_cache_fails_a_message(make_graph, uri, caplog, error):
    handler = CustomerHandler(make_graph({"resource_cache": Cache(error)}))
    assert handler(message_for(uri, CREATED_EVENT)) is True
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [
        f"The resource cache could not be {what} ({type(error).__name__})" for what in ("read", "written")
    ]


def test_a_cache_is_not_needed(make_graph, uri):
    assert CustomerHandler(make_graph({"resource_cache": None}))(message_for(uri, CREATED_EVENT)) is True
    locked = make_graph({"resource_cache": Cache()}).lock()
    handler = CustomerHandler(locked)
    assert handler(message_for(uri, CREATED_EVENT)) is True
    assert handler.resource_cache is None


def test_handlers_of_a_graph_share_its_session(make_graph):
    graph = make_graph()
    assert CustomerHandler(graph).session is CustomerHandler(graph).session is graph.pubsub_uri_session


# -- outcomes


@pytest.mark.parametrize(
    ("path", "outcome"),
    [("/customer/1", "SUCCEEDED"), ("/absent", "RETRIED"), ("/broken", "FAILED"), ("/large", "FAILED")],
)
def test_the_outcome_of_a_message(make_graph, server, uri, path, outcome):
    server.routes["/broken"] = lambda answer: answer.give({}, status=500)
    server.routes["/large"] = {"text": "x" * 1000}
    content = message_for(f"{server.url}{path}")
    handler = CustomerHandler(make_graph(max_response_bytes=500))
    message = SQSMessage(None, content, CREATED, message_id="m", receipt_handle="r")
    assert MessageHandlingResult.invoke(handler, message).result.name == outcome
