"""
Notices of what became of resources.
"""

from dataclasses import dataclass
from json import dumps
from logging import Logger
from uuid import uuid4

import pytest
from microcosm.api import binding

from microcosm_pubsub import (
    Change,
    ConsumerDaemon,
    PubSubMessageSchema,
    SNSProducer,
    changed,
    created,
    deleted,
    handles,
    on_change,
    schema,
)
from microcosm_pubsub.errors import AlreadyRegisteredError, ConfigurationError
from microcosm_pubsub.harness import harness


class Daemon(ConsumerDaemon):
    name = "changes"


class Host:
    __alias__ = "host"


class HostSchema(PubSubMessageSchema):
    MEDIA_TYPE = created("host")


@pytest.fixture
def seen():
    return []


def publish_all(resource):
    with harness(Daemon) as app:
        app.publish(created(resource), uri="http://localhost/1")
        app.publish(changed(resource), uri="http://localhost/1")
        app.publish(deleted(resource), id="1")
        results = app.run()
        assert {result.result.name for result in results} <= {"SUCCEEDED"}


@pytest.mark.parametrize("resource", ["host", Host, HostSchema])
def test_one_change(seen, resource):
    @on_change(resource, Change.CREATED)
    def tell(event, resource, message):
        seen.append((event, resource, message.content["uri"]))

    publish_all("host")
    assert seen == [("created", "host", "http://localhost/1")]


def test_every_change(seen):
    @on_change("host")
    def tell(event, resource, message):
        seen.append((event, resource))

    publish_all("host")
    assert seen == [("created", "host"), ("changed", "host"), ("deleted", "host")]


def test_every_resource(seen):
    @on_change(None, Change.ANY)
    def tell(event, resource, message):
        seen.append((event, resource))

    @handles(created("host.name"))
    def take(content):
        seen.append("handler")
        return True

    publish_all("host.name")
    publish_all("other")
    assert seen == [
        *("handler", ("changed", "host.name"), ("deleted", "host.name")),
        *(("created", "other"), ("changed", "other"), ("deleted", "other")),
    ]


CALL = {"jsonrpc": "2.0", "method": "mails.send", "params": {}}


@pytest.mark.parametrize("name", ["task.mails", "request.inventory"])
def test_calls_of_others_tell_of_no_resource(seen, name):
    @on_change(None)
    def tell(event, resource, message):
        seen.append((event, resource))

    with harness(Daemon) as app:
        app.send(dumps({"mediaType": created(name), **CALL}))
        app.send(dumps({"mediaType": created(name), "uri": "http://localhost/1"}))
        app.send(dumps({"mediaType": created(name), "other": 1}))
        app.send(dumps({"mediaType": created("batch_message"), "messages": []}))
        assert [result.result.name for result in app.run()] == ["IGNORED", "SUCCEEDED", "FAILED", "IGNORED"]
    assert seen == [("created", name)]


def test_calls_of_others_are_nobodys(seen):
    @handles("application/vnd.globality.pubsub._.created.*")
    def take(content):
        seen.append(content)
        return True

    with harness(Daemon) as app:
        app.send(dumps({"mediaType": created("task.mails"), **CALL}))
        assert [result.result.name for result in app.run()] == ["IGNORED"]
    assert seen == []


def test_a_daemon_that_names_its_handlers_names_callbacks_too(seen):
    @on_change("host", Change.DELETED)
    @on_change("host", Change.CREATED)
    def tell(event, resource, message):
        seen.append(event)

    @on_change("host", Change.CHANGED)
    def tell_no_one(event, resource, message):
        seen.append(event)

    # A name is bound once in a process.
    name = f"handler_{uuid4().hex}"

    @binding(name)
    @handles(created("disk"))
    class Handler:
        def __init__(self, graph): ...

        def __call__(self, content) -> bool:
            return True

    class NamingDaemon(Daemon):
        components = [f"{__name__}.{tell.__qualname__}", name]

    with harness(NamingDaemon) as app:
        assert sorted(app.daemon.bound_handlers) == [created("disk"), created("host"), deleted("host")]
        app.publish(created("host"), uri="http://localhost/1")
        app.publish(deleted("host"), id="1")
        app.run()
    assert seen == ["created", "deleted"]


def test_what_it_raises_is_not_lost(seen):
    @on_change("host", Change.DELETED)
    def tell(event, resource, message):
        raise RuntimeError("no")

    with harness(Daemon) as app:
        app.publish(deleted("host"), id="1")
        (result,) = app.run()
        assert result.result.name == "FAILED"
        assert len(app.queue) == 1


@dataclass
class Parcel:
    uri: str


def test_a_class_whose_media_type_is_declared(seen):
    @on_change(schema(media_type=created("host"))(Parcel), Change.CREATED)
    def tell(event, resource, message):
        seen.append((event, resource, message.content))

    publish_all("host")
    assert seen == [("created", "host", Parcel("http://localhost/1"))]


def test_one_change_wins_over_all_changes(seen):
    @on_change(None)
    def tell_of_all(event, resource, message):
        seen.append(("all", event))

    @on_change(None, Change.DELETED)
    def tell_of_deleted(event, resource, message):
        seen.append(("all deleted", event))

    @on_change("host", "created")
    def tell_of_created(event, resource, message):
        seen.append(("host created", event))

    @on_change("host")
    def tell(event, resource, message):
        seen.append(("host", event))

    @handles(changed("host"))
    def take(content):
        seen.append(("handler", "changed"))
        return True

    publish_all("host")
    publish_all("disk")
    assert seen == [
        *(("host created", "created"), ("handler", "changed"), ("host", "deleted")),
        *(("all", "created"), ("all", "changed"), ("all deleted", "deleted")),
    ]


def test_two_of_one_change_are_refused():
    @on_change("host", Change.CREATED)
    def one(event, resource, message): ...

    @on_change("host", Change.CREATED)
    def two(event, resource, message): ...

    with pytest.raises(AlreadyRegisteredError, match=r"two handlers, .*one and .*two; "), harness(Daemon):
        pass


def test_a_coroutine_function(seen):
    @on_change("host", Change.CREATED)
    async def tell(event, resource, message):
        seen.append((event, resource))

    publish_all("host")
    assert seen == [("created", "host")]


def test_it_asks_for_what_handlers_may_ask_for(seen):
    @on_change("host", Change.CREATED)
    def tell(event, resource, message, producer: "SNSProducer", *, logger: Logger, clock=None):
        seen.append((event, producer, logger.name, clock))

    with harness(Daemon) as app:
        app.publish(created("host"), uri="http://localhost/1")
        app.run()
        assert seen == [("created", app.graph.sns_producer, __name__, None)]


def test_what_cannot_be_found_is_refused_at_the_start():
    @on_change("host")
    def tell(event, resource, message, unheard_of): ...

    with pytest.raises(ConfigurationError, match="unheard_of"), harness(Daemon):
        pass


def test_work_that_nobody_would_do_has_failed(seen):
    @on_change("host", Change.CREATED)
    def tell(event, resource, message):
        seen.append(event)
        yield

    with harness(Daemon) as app:
        app.publish(created("host"), uri="http://localhost/1")
        (result,) = app.run()
        assert result.result.name == "FAILED"
    assert seen == []


class Untold:
    MEDIA_TYPE = "application/json"


@pytest.mark.parametrize(
    ("resource", "options", "callback", "text"),
    [
        ("host", {"change": "made"}, print, "the change is 'made', but must be one of Change.CREATED"),
        ("host", {"batch_size": 3}, print, "has no batch_size"),
        ("host", {"retris": 3}, print, "there is no option retris"),
        ("host", {}, lambda event: None, r"must be a function that takes \(event, resource, message\)"),
        ("host", {}, Host, r"of Host: it must be a function that takes \(event, resource, message\)"),
        ("", {}, print, "the resource is '', but must be its name"),
        (created("host"), {}, print, "the resource is 'application/vnd"),
        (3, {}, print, "the resource is an int, but must be its name, or a class"),
        (Untold, {}, print, "the media type of Untold, application/json, names no change of a resource"),
    ],
)
def test_declarations_that_cannot_be(resource, options, callback, text):
    with pytest.raises(ConfigurationError, match=text):
        on_change(resource, **options)(callback)


def test_a_declaration_without_a_resource():
    with pytest.raises(ConfigurationError, match=r"says which resource it is for: @on_change\(None\) above"):

        @on_change
        def tell(event, resource, message): ...


@pytest.mark.parametrize("media_type", ["a.**.host", "a.cre*.host", "a.*.**.b", "**", "a.*x", "a.b**"])
def test_stars_that_make_no_pattern(media_type):
    with pytest.raises(ConfigurationError, match="is no pattern: "):
        handles(media_type)(print)
