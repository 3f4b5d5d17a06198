"""
Handlers that are a chain.
"""

from threading import Barrier, Thread

import pytest

from microcosm_pubsub.chain import Chain, assign, extracts
from microcosm_pubsub.errors import IgnoreMessage, Nack, SkipMessage
from microcosm_pubsub.handlers import ChainHandler, ChainURIHandler


class Greeter(ChainHandler):
    """Set a collaborator after the base class is done, as daemons do."""

    def __init__(self, graph=None, last=True):
        super().__init__(graph)
        self.last = last
        self.greeted = []
        self.made = 0

    def get_chain(self):
        self.made += 1
        return Chain(assign("message.name").to("name"), self.greet, self.end)

    def greet(self, name):
        self.greeted.append(name)

    def end(self):
        if isinstance(self.last, Exception):
            raise self.last
        return self.last


@pytest.mark.parametrize("last", [True, False, None, 0, "x"])
def test_a_chain_that_ends_has_handled_the_message(last):
    handler = Greeter(last=last)
    assert handler({"name": "you"}) is True
    assert handler.greeted == ["you"]


@pytest.mark.parametrize("error", [SkipMessage("no"), IgnoreMessage("no"), Nack(1), KeyError("k")])
def test_what_a_chain_raises_is_let_through(error):
    with pytest.raises(type(error)) as caught:
        Greeter(last=error)({"name": "you"})
    assert caught.value is error


def test_each_message_has_a_context_of_its_own():
    handler = Greeter()
    assert [handler({"name": name}) for name in "abc"] == [True] * 3
    assert handler.greeted == ["a", "b", "c"]


def test_the_chain_is_made_once_by_however_many_threads():
    handler, start = Greeter(), Barrier(8)

    def handle():
        start.wait()
        handler({"name": "you"})

    threads = [Thread(target=handle) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (handler.made, len(handler.greeted)) == (1, 8)


def test_each_handler_has_a_chain_of_its_own():
    first, second = Greeter(), Greeter()
    assert first.chain is first.chain
    assert first.chain is not second.chain
    first({"name": "you"})
    assert second.greeted == []


@pytest.mark.parametrize("cls", [ChainHandler, ChainURIHandler])
def test_get_chain_must_be_written(cls, make_graph):
    with pytest.raises(TypeError, match="get_chain"):
        cls(make_graph())


class Fetcher(ChainURIHandler):
    def __init__(self, graph):
        super().__init__(graph)
        self.seen = []

    def get_chain(self):
        return Chain(extracts("seen")(lambda context: dict(context)), self.see)

    def see(self, seen):
        self.seen.append(seen)


class CustomerFetcher(Fetcher):
    resource_name = "customer"


@pytest.mark.parametrize(("cls", "name"), [(Fetcher, "resource"), (CustomerFetcher, "customer")])
def test_a_chain_gets_the_resource(make_graph, server, cls, name):
    server.routes["/a"] = {"id": 1}
    message = {"uri": f"{server.url}/a", "media_type": "application/json"}
    handler = cls(make_graph())
    assert handler(message) is True
    assert handler.seen == [{"message": message, "uri": message["uri"], name: {"id": 1}}]


def test_a_chain_with_a_uri_is_a_uri_handler(make_graph, server):
    with pytest.raises(Nack, match="not found"):
        Fetcher(make_graph())({"uri": f"{server.url}/absent"})


def test_a_resource_cannot_have_the_name_of_something_else(make_graph, server):
    class Clashing(Fetcher):
        resource_name = "message"

    server.routes["/a"] = {}
    with pytest.raises(ValueError, match="'message'"):
        Clashing(make_graph())({"uri": f"{server.url}/a"})
