"""
`pubsub dlq run`, in this process; tests/acceptance/test_dlq.py has it in one of its own.
"""

import io
import sys

import pytest


MODULE = """
from marshmallow import fields
from microcosm.api import binding

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.decorators import handles, schema


@schema
class StackSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.dlq.stack"
    number = fields.Integer(required=True)


@schema
class LaterSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.dlq.later"
    number = fields.Integer(required=True)


@binding("dlq_stacker")
@handles(StackSchema)
class Stacker:
    # not that of other tests' daemons
    bind_implicitly = False

    def __init__(self, graph):
        pass

    def __call__(self, message):
        return 10 / message["number"] > 1


@binding("dlq_later_stacker")
@handles(LaterSchema)
class LaterStacker:
    bind_implicitly = False

    def __init__(self, graph):
        pass

    async def __call__(self, message):
        return True


class StackDaemon(ConsumerDaemon):
    name = "stacks"
    components = ["dlq_stacker", "dlq_later_stacker"]


class BrokenDaemon(ConsumerDaemon):
    name = "broken"
    components = ["dlq_missing"]
"""


@pytest.fixture(autouse=True)
def module(tmp_path_factory, monkeypatch):
    directory = tmp_path_factory.mktemp("module")
    (directory / "dlq_stack.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", [str(directory), *sys.path])


@pytest.fixture
def run(engine, dlq):
    def run_one(number, *flags, media_type="application/vnd.dlq.stack"):
        engine.bury({"mediaType": media_type, "number": number})
        (letter,) = dlq("peek", "--json").lines
        return dlq("run", letter["message_id"], "--daemon", "dlq_stack:StackDaemon", *flags)

    return run_one


@pytest.mark.parametrize(
    ("number", "outcome", "code", "left"), [(1, "SUCCEEDED", 0, 0), (10, "SKIPPED", 0, 0), (0, "FAILED", 1, 1)]
)
def test_outcomes(engine, run, number, outcome, code, left):
    answer = run(number, "--ack", "--json")

    assert answer.code == code
    assert (answer.json["outcome"], answer.json["deleted"]) == (outcome, not left)
    assert engine.counts() == (left, 0)
    assert ("ZeroDivisionError" in answer.err) is (number == 0)
    # Of the traceback, what is the user's.
    assert ("in __call__" in answer.err, "microcosm_pubsub" in answer.err) == (number == 0, False)


def test_it_stays_unless_told_otherwise(engine, run):
    answer = run(1)

    assert answer.code == 0
    assert "SUCCEEDED: application/vnd.dlq.stack in " in answer.out
    assert engine.counts() == (1, 0)


@pytest.fixture
def traced():
    """A debugger ends all tracing of its thread, that of coverage too."""
    tracer = sys.gettrace()
    yield
    sys.settrace(tracer)


@pytest.mark.parametrize("media_type", ["application/vnd.dlq.stack", "application/vnd.dlq.later"])
@pytest.mark.usefixtures("traced")
def test_under_a_debugger(run, monkeypatch, media_type):
    monkeypatch.setattr(sys, "stdin", io.StringIO("continue\n"))

    answer = run(1, "--debugger", media_type=media_type)

    assert "(Pdb)" in answer.out
    assert "SUCCEEDED" in answer.out


def test_by_the_id_that_the_log_of_the_daemon_has(engine, dlq):
    engine.bury({"mediaType": "application/vnd.dlq.stack", "number": 1}, message_id="logged")

    assert "SUCCEEDED" in dlq("run", "logged", "--daemon", "dlq_stack:StackDaemon").out


def test_another_id(engine, dlq):
    engine.bury("a")

    answer = dlq("run", "no-such-id", "--daemon", "dlq_stack:StackDaemon")

    assert (answer.code, "no-such-id is not among" in answer.err) == (1, True)
    assert engine.counts() == (1, 0)


def test_a_daemon_that_cannot_be_made(engine, dlq):
    engine.bury("a")
    (letter,) = dlq("peek", "--json").lines

    answer = dlq("run", letter["message_id"], "--daemon", "dlq_stack:BrokenDaemon")

    assert (answer.code, "Cannot make the graph of broken" in answer.err) == (1, True)
    assert engine.counts() == (1, 0)
