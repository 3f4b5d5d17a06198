"""
Daemons that are made by a function are started in processes of their own too, and errors are told by them.
"""

from pickle import dumps, loads

import pytest

from microcosm_pubsub import ConsumerDaemon, InvalidParams, RemoteError, RpcError, RpcTimeout, Service
from microcosm_pubsub.calls.service import make_service_daemon
from microcosm_pubsub.modules.config import Config, Queue
from microcosm_pubsub.modules.daemon import make_daemon, make_queue_daemon
from tests.unit.calls import handler_module


class Pickled(Service):
    name = "pickled"


class PlainDaemon(ConsumerDaemon):
    name = "plain"


@pytest.mark.parametrize(
    "error", [RpcError(409, "no", {"left": 3}), RemoteError(-32000, "no"), InvalidParams("no"), RpcTimeout("a.b", 5.0)]
)
def test_of_an_error(error):
    again = loads(dumps(error))
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_of_a_service():
    daemon = loads(dumps(make_service_daemon(Pickled)()))
    assert (daemon.name, daemon.components[0]) == ("pickled", "pickled_service")


def test_of_a_queue_with_a_daemon():
    daemon = loads(dumps(make_queue_daemon(PlainDaemon, 3, {"sqs_consumer": {"limit": 2}})()))
    assert (daemon.name, daemon.workers) == ("plain", 3)
    assert daemon.defaults["sqs_consumer"] == {"limit": 2}


def test_of_a_handler_module(tmp_path):
    queue = Queue("records", handler_module.__name__)
    config = Config(tmp_path / "pubsub.toml", {"records": queue}, "sqlite://")
    daemon = make_daemon(config, queue, handler_module)()
    daemon.event = "kept"

    again = loads(dumps(daemon))

    assert (again.name, again.event) == ("records", "kept")
