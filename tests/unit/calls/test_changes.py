"""
Notices of what became of resources.
"""

import pytest

from microcosm_pubsub import (
    Change,
    ConsumerDaemon,
    PubSubMessageSchema,
    changed,
    created,
    deleted,
    handles,
    on_change,
)
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


def test_what_it_raises_is_not_lost(seen):
    @on_change("host", Change.DELETED)
    def tell(event, resource, message):
        raise RuntimeError("no")

    with harness(Daemon) as app:
        app.publish(deleted("host"), id="1")
        (result,) = app.run()
        assert result.result.name == "FAILED"
        assert len(app.queue) == 1
