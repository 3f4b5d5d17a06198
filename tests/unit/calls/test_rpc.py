"""
Requests and their answers.
"""

import asyncio
import sys
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from json import dumps, loads
from threading import Event, Thread, current_thread
from threading import enumerate as enumerate_threads
from types import SimpleNamespace
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from microcosm.registry import _registry as default_registry
from sqlalchemy import create_engine, text

from microcosm_pubsub import ConsumerDaemon, Nack, Service, SQSMessage, service
from microcosm_pubsub.calls.combiner import INTERRUPTED, Combiner
from microcosm_pubsub.calls.errors import (
    CallError,
    InvalidParams,
    MethodNotFound,
    RemoteError,
    RpcError,
    RpcTimeout,
)
from microcosm_pubsub.calls.replies import ReplyMemory
from microcosm_pubsub.calls.rpc import find_was_taken
from microcosm_pubsub.daemon.services import Services, find_call_gauges
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.harness import harness
from microcosm_pubsub.registry import HandlerOptions
from tests.waiting import SECONDS, wait_until


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Size:
    width: int
    height: int


#: What ends more than a call, where it is not caught.
ENDS = {
    "cancelled": asyncio.CancelledError("stop"),
    "exit": GeneratorExit("stop"),
    "interrupt": KeyboardInterrupt("stop"),
    "group": BaseExceptionGroup("stop", [KeyboardInterrupt()]),
}


def make_service():
    class Simple(Service):
        name = "simple"

        def on_ping(self, message):
            return "pong"

        def on_echo(self, message, words):
            return words

        def on_add(self, message: SQSMessage, one: int, two: int = 1, *more: int) -> int:
            return one + two + sum(more)

        def on_collect(self, message, graph, one, **more):
            return [one, more]

        def on_fail(self, message):
            raise NotImplementedError("I was never created")

        def on_leave(self, message):
            sys.exit("No more work today")

        async def on_leave_later(self, message):
            raise SystemExit(3)

        def on_end(self, message, kind):
            raise ENDS[kind]

        async def on_end_later(self, message, kind):
            raise ENDS[kind]

        def on_refuse(self, message):
            raise RpcError(-31000, "No more bolts", {"left": 0})

        async def on_later(self, message, key: UUID) -> UUID:
            await asyncio.sleep(0)
            return key

        def on_grow(self, message, size: Size, at: datetime) -> Size:
            assert at.tzinfo is not None
            return Size(size.width * 2, size.height * 2)

        def on_refuse_some(self, message):
            raise RpcError(-31000, "Less", {"left": Decimal("1.50"), "at": Size(1, 2)})

        def on_refuse_oddly(self, message):
            raise RpcError(-31000, "No more bolts", {"left": object()})

        def on_odd(self, message):
            return object()

        def on_name(self, message, graph):
            return graph.metadata.name

    return Simple


class Daemon(ConsumerDaemon):
    name = "services"


@pytest.fixture
def served(place):
    make_service()
    with place.serving(Daemon) as daemon:
        yield daemon


@pytest.fixture
def rpc(place, served):
    return place.caller().pubsub_rpc


def test_what_a_method_returns_is_the_answer(rpc):
    assert rpc.call("simple.ping") == "pong"
    assert rpc.call("simple.echo", words=["a", "b"]) == ["a", "b"]
    assert rpc.call("simple.echo", [1, None]) == [1, None]
    assert rpc.call("simple.add", 1, 2, 3, 4) == 10
    assert rpc.call("simple.add", one=1) == 2
    assert rpc.call("simple.echo", words=Counter("aab")) == {"a": 2, "b": 1}
    assert rpc.call("simple.echo", words=[Point(1, 2), HTTPStatus.OK]) == [[1, 2], 200]
    assert rpc.call("simple.name") == "services"
    assert rpc.call("simple.collect", one=1, two=2) == [1, {"two": 2}]


def test_types_go_both_ways(rpc):
    key = uuid4()

    assert rpc.call("simple.later", key=key) == str(key)
    assert rpc.call("simple.grow", size=Size(1, 2), at=datetime.now(UTC)) == {"width": 2, "height": 4}


@pytest.mark.parametrize(
    ("method", "params", "error", "code", "text"),
    [
        ("simple.nothing", {}, MethodNotFound, -32601, "simple has no method 'nothing'; it has add, collect, echo"),
        ("simple.add", {}, InvalidParams, -32602, "one: Missing data"),
        ("simple.add", {"one": "x"}, InvalidParams, -32602, "one: Not a valid integer"),
        ("simple.add", {"one": 1, "three": 3}, InvalidParams, -32602, "three: Unknown field"),
        (
            "simple.collect",
            {"one": 1, "message": 2},
            InvalidParams,
            -32602,
            "on_collect: message: the function is given",
        ),
        ("simple.collect", {"one": 1, "graph": 2, "self": 3}, InvalidParams, -32602, "on_collect: graph, self: the"),
        ("simple.collect", {"one": 1, "more": {"one": 2}}, InvalidParams, -32602, "on_collect: one: the function is"),
        ("simple.fail", {}, RemoteError, -32000, "NotImplementedError: I was never created"),
        ("simple.leave", {}, RemoteError, -32000, "SystemExit: No more work today"),
        ("simple.leave_later", {}, RemoteError, -32000, "SystemExit: 3"),
        ("simple.refuse", {}, RemoteError, -31000, "No more bolts"),
        ("simple.odd", {}, RemoteError, -32603, "an object, cannot be written as JSON"),
    ],
)
def test_errors_are_answers(rpc, method, params, error, code, text):
    with pytest.raises(error, match=text) as raised:
        rpc.call(method, **params)

    assert raised.value.code == code
    assert rpc.call("simple.ping") == "pong"


@pytest.mark.parametrize("kind", ENDS)
@pytest.mark.parametrize("method", ["simple.end", "simple.end_later"])
def test_what_would_end_more_than_a_call_is_an_answer(rpc, method, kind):
    if (method, kind) == ("simple.end_later", "exit"):
        pytest.skip("a coroutine is told by it that it is closed")
    with pytest.raises(RemoteError, match=f"{type(ENDS[kind]).__name__}: stop"):
        rpc.call(method, kind=kind)

    assert rpc.call("simple.ping") == "pong"


def test_more_of_an_error(rpc):
    with pytest.raises(RpcError) as raised:
        rpc.call("simple.refuse")
    assert raised.value.data == {"left": 0}

    with pytest.raises(RemoteError) as raised:
        rpc.call("simple.fail")
    assert raised.value.type == "NotImplementedError"
    assert "traceback" not in raised.value.data


def test_more_of_an_error_goes_as_an_answer_does(rpc):
    with pytest.raises(RpcError) as raised:
        rpc.call("simple.refuse_some")
    assert raised.value.data == {"left": "1.50", "at": {"width": 1, "height": 2}}


def test_more_than_can_be_said_of_an_error(rpc, caplog):
    with pytest.raises(RpcError) as raised:
        rpc.call("simple.refuse_oddly")
    assert (raised.value.code, raised.value.data) == (-31000, None)
    assert (
        "The error -31000 No more bolts goes to its caller without its data: it says nothing of itself" in caplog.text
    )


def test_other_ways_to_call(rpc):
    futures = [rpc.call_soon("simple.echo", words=number) for number in range(30)]
    assert [future.result(10) for future in futures] == list(range(30))

    async def call_many():
        return await asyncio.gather(*(rpc.call_async("simple.echo", words=number) for number in range(5)))

    assert asyncio.run(call_many()) == list(range(5))
    simple = rpc.service("simple", timeout_seconds=7)
    assert simple.echo(words="x") == "x"
    assert simple.echo("x", timeout_seconds=20) == "x"
    with pytest.raises(MethodNotFound):
        simple.nothing()
    assert not hasattr(simple, "_private")


def test_a_notice_has_no_answer(place, capsys):
    seen = []

    class Listener(Service):
        name = "listener"

        def on_tell(self, message, what):
            seen.append(what)

        def on_stop(self, message):
            return "stopped"

    with place.serving(Daemon) as daemon:
        rpc = place.caller().pubsub_rpc
        rpc.notify("listener.tell", what="it")
        rpc.notify("listener.tell", who="it")
        rpc.notify("listener.nothing")
        assert rpc.call("listener.stop") == "stopped"
        assert seen == ["it"]
    assert daemon.graph.pubsub_replies.reply.counts == {"sent": 1}
    # The daemon's logging is its own.
    logged = capsys.readouterr().out
    assert "[WARNING] - The notice" in logged
    assert "(tell) has failed: -32602" in logged
    assert "(nothing) has failed: -32601" in logged


def test_a_call_that_waits_when_the_queue_is_closed_is_told_so(place):
    rpc = place.caller().pubsub_rpc
    future = rpc.call_soon("simple.ping")
    rpc.close()

    with pytest.raises(RpcTimeout, match=r"No answer to simple.ping before the reply queue was closed; whether"):
        future.result(SECONDS)


def test_nobody_answers(place):
    class Silent(Service):
        name = "silent"

    rpc = place.caller().pubsub_rpc
    with pytest.raises(RpcTimeout, match=r"No answer to silent.on within 1 s") as raised:
        rpc.call("silent.on", timeout_seconds=1)
    assert isinstance(raised.value, TimeoutError)
    with pytest.raises(RpcTimeout) as soon:
        rpc.call_soon("silent.on", timeout_seconds=1).result(10)
    for error in (raised.value, soon.value):
        assert error.taken is False
        assert "nobody took it" in str(error)
    assert rpc.replies.gauges()["rpc_waiting"] == 0


class TestWhetherItWasTaken:
    """What an answer that does not come says of the request."""

    def test_it_waits_in_the_queue_of_a_service_that_has_ended(self, place):
        class Ended(Service):
            name = "ended"

            def on_work(self, message):
                return "done"

        rpc = place.caller().pubsub_rpc
        with place.serving(Daemon):
            assert rpc.call("ended.work") == "done"
        with pytest.raises(RpcTimeout) as raised:
            rpc.call("ended.work", timeout_seconds=1)
        assert raised.value.taken is False

    def test_its_method_still_runs(self, place):
        go_on = Event()

        class Slow(Service):
            name = "slow"

            def on_work(self, message):
                go_on.wait(60)

        rpc = place.caller().pubsub_rpc
        with place.serving(Daemon):
            future = rpc.call_soon("slow.work", timeout_seconds=1)
            try:
                with pytest.raises(RpcTimeout, match="it was taken, and its method may have been run") as raised:
                    future.result(30)
            finally:
                go_on.set()
        assert raised.value.taken is True

    def test_a_client_of_sns_does_not_know(self, place):
        rpc = place.caller().pubsub_rpc
        rpc.replies._was_taken = find_was_taken(object())
        with pytest.raises(RpcTimeout, match="whether a service took it is not known") as raised:
            rpc.call("silent.on", timeout_seconds=0.01)
        assert raised.value.taken is None

    def test_what_cannot_be_found_out_is_not_known(self, place):
        def fail(message_id):
            raise OSError(message_id)

        rpc = place.caller().pubsub_rpc
        rpc.replies._was_taken = fail
        with pytest.raises(RpcTimeout) as raised:
            rpc.call("silent.on", timeout_seconds=0.01)
        assert raised.value.taken is None


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda rpc: rpc.call("ping"), ConfigurationError, "name a method as service.method"),
        (lambda rpc: rpc.call("Simple-1.ping"), ConfigurationError, "must be named by lower-case letters"),
        (lambda rpc: rpc.call("simple.echo", 1, words=2), InvalidParams, "not both ways"),
        (lambda rpc: rpc.call("simple.echo", words=object()), InvalidParams, "words is an object, which cannot"),
        (lambda rpc: rpc.call("simple.echo", words={1: 2}), InvalidParams, "the key 1 is no text"),
        (lambda rpc: rpc.call("simple.echo", words={0: 2}), InvalidParams, "the key 0 is no text"),
        (lambda rpc: rpc.call("simple.echo", words=[{None: 2}]), InvalidParams, "the key None is no text"),
        (lambda rpc: rpc.call("simple.echo", words=float("nan")), InvalidParams, "words is a float.*no number nan"),
        (lambda rpc: rpc.notify("simple.echo", [float("inf")]), InvalidParams, "0 is a list.*no number inf"),
        (lambda rpc: rpc.call("simple.ping", timeout_seconds=0), ConfigurationError, "timeout_seconds is 0"),
        (
            lambda rpc: rpc.call("simple.ping", timeout_seconds=43_201),
            ConfigurationError,
            r"43200 \(12 hours\) at most",
        ),
        (lambda rpc: rpc.service("simple").ping(timeout_seconds=0), ConfigurationError, "timeout_seconds is 0"),
        (lambda rpc: rpc.call("simple."), ConfigurationError, "name a method as service.method"),
        (lambda rpc: rpc.call("simple." + "x" * 257), ConfigurationError, "256 characters at most"),
    ],
)
def test_what_cannot_be_called(place, call, error, text):
    rpc = place.caller().pubsub_rpc
    with pytest.raises(error, match=text):
        call(rpc)
    assert rpc.replies.gauges()["rpc_waiting"] == 0


def test_a_service_that_runs_alone_has_a_name_of_its_own():
    class Special(make_service()):
        """Calls of its name go to its base class."""

    class Nameless(Service):
        """It cannot be called."""

    for cls, problem in (
        (Special, "has the name 'simple' of a base class, and none of its own"),
        (Nameless, "no name"),
    ):
        with pytest.raises(SystemExit, match=problem):
            cls.run()


def test_a_method_takes_the_message_first():
    class Lonely(Service):
        name = "lonely"

        def on_ping():
            return "pong"

    with pytest.raises(ConfigurationError, match="on_ping does not take the message first"), harness(Daemon):
        pass


def test_what_a_method_is_given_stands_behind_any_number_of_parameters():
    class Adding(Service):
        name = "adding"

        def on_add(self, message, graph, *numbers: int):
            return sum(numbers)

    with pytest.raises(ConfigurationError, match="on_add: graph is given by its name, and stands"), harness(Daemon):
        pass


def test_no_parameter_has_the_name_of_the_time_to_wait():
    class Waiting(Service):
        name = "waiting"

        def on_wait(self, message, timeout_seconds: float):
            return timeout_seconds

    with pytest.raises(ConfigurationError, match="on_wait: a call says by timeout_seconds"), harness(Daemon):
        pass


def test_services_that_cannot_be():
    with pytest.raises(ConfigurationError, match="The service is named 'My Service'"):

        class Wrong(Service):
            name = "My Service"

    @service("named")
    class Named(Service):
        def on_ping(self, message):
            return "pong"

    assert Named.name == "named"

    with pytest.raises(ConfigurationError, match="Both is named 'one' by itself, and 'two' by @service"):

        @service("two")
        class Both(Service):
            name = "one"


class TestOneQueuePerCaller:
    def test_it_is_made_at_the_first_call_and_deleted_at_the_end(self, place, served):
        graph = place.caller()
        queues = graph.pubsub_rpc.queues
        assert list(queues.find()) == []

        graph.pubsub_rpc.call("simple.ping")
        (found,) = queues.find()
        assert not found.is_dead
        assert queues.clean() == []
        graph.pubsub_rpc.call("simple.ping")
        assert [each.name for each in queues.find()] == [found.name]

        graph.pubsub_rpc.close()
        assert list(queues.find()) == []
        with pytest.raises(CallError, match="is closed"):
            graph.pubsub_rpc.call("simple.ping")

    def test_those_of_processes_that_are_gone_are_removed(self, place, served, clock):
        rpc = place.caller().pubsub_rpc
        rpc.call("simple.ping")
        for thread in enumerate_threads():
            if thread.name == "pubsub-replies-removed":
                # It has begun with the first call, and would take what is made here.
                thread.join(SECONDS)
        (own,) = rpc.queues.find()
        machine, _, unique = own.name.removeprefix("pubsub-reply-").split("-")
        client = rpc.replies.client
        # no process has so high a number: https://man7.org/linux/man-pages/man5/proc_sys_kernel.5.html
        for name in (f"{machine}-5000000-{unique}", f"0123456789-1-{unique}", "of-others", f"orders-1-{unique}"):
            client.create_queue(QueueName=f"pubsub-reply-{name}")
        client.create_queue(QueueName="pubsub-repl")

        assert [each.name for each in rpc.queues.clean()] == [f"pubsub-reply-{machine}-5000000-{unique}"]
        rpc.queues.now = lambda: 10_000_000_000
        # Others may have queues that begin so too.
        assert [each.name for each in rpc.queues.clean()] == [f"pubsub-reply-0123456789-1-{unique}"]
        # its clock may be wrong, and it is in use
        assert [each.name for each in rpc.queues.find()] == [own.name]

    def test_no_answer_waits_for_others_to_be_removed(self, place, served):
        rpc = place.caller().pubsub_rpc
        client, answered = rpc.queues.client, Event()

        def list_queues(**kwargs):
            assert answered.wait(SECONDS)
            return client.list_queues(**kwargs)

        rpc.queues.client = SimpleNamespace(list_queues=list_queues, create_queue=client.create_queue)
        try:
            assert rpc.call("simple.ping", timeout_seconds=SECONDS / 2) == "pong"
        finally:
            answered.set()
        rpc.queues.client = client

    def test_one_that_cannot_be_made_says_why(self, place):
        rpc = place.caller().pubsub_rpc

        def create_queue(**kwargs):
            raise EndpointConnectionError(endpoint_url="http://nowhere")

        rpc.queues.client = SimpleNamespace(create_queue=create_queue)
        with pytest.raises(CallError, match=r"Cannot make the reply queue pubsub-reply-.*http://nowhere.*callers need"):
            rpc.call("simple.ping")

    @pytest.mark.parametrize("operation", ["get_queue_attributes", "delete_queue"])
    def test_what_may_not_be_removed_is_not_said_to_be(self, place, served, client_error, operation):
        rpc = place.caller().pubsub_rpc
        client = rpc.replies.client
        client.create_queue(QueueName="pubsub-reply-0123456789-1-0123456789ab")

        def deny(**kwargs):
            raise client_error("AccessDenied")

        kept = ("list_queues", "get_queue_attributes", "delete_queue")
        rpc.queues.client = SimpleNamespace(**{**{name: getattr(client, name) for name in kept}, operation: deny})
        with pytest.raises(ClientError, match="AccessDenied"):
            rpc.queues.clean(0)
        rpc.queues.client = client

    @pytest.mark.parametrize("operation", ["get_queue_attributes", "delete_queue"])
    def test_what_somebody_else_removes_is_no_error(self, place, served, operation):
        rpc = place.caller().pubsub_rpc
        client = rpc.replies.client
        client.create_queue(QueueName="pubsub-reply-0123456789-1-0123456789ab")

        def come_late(**kwargs):
            client.delete_queue(QueueUrl=kwargs["QueueUrl"])
            return getattr(client, operation)(**kwargs)

        kept = ("list_queues", "get_queue_attributes", "delete_queue")
        rpc.queues.client = SimpleNamespace(**{**{name: getattr(client, name) for name in kept}, operation: come_late})
        assert rpc.queues.clean(0) == []
        rpc.queues.client = client

    def test_one_that_is_lost_is_replaced(self, place, served):
        rpc = place.caller().pubsub_rpc
        rpc.call("simple.ping")
        lost = rpc.replies.name
        rpc.replies.client.delete_queue(QueueUrl=rpc.replies.url)

        with pytest.raises(RpcTimeout):
            rpc.call("simple.ping", timeout_seconds=3)

        assert rpc.call("simple.ping") == "pong"
        assert rpc.replies.name != lost

    def test_one_that_was_removed_while_nobody_called_is_replaced_at_once(self, place, served):
        rpc = place.caller().pubsub_rpc
        rpc.call("simple.ping")
        lost = rpc.replies.name
        rpc.replies.client.delete_queue(QueueUrl=rpc.replies.url)
        rpc.queues.now = lambda: 10_000_000_000

        assert rpc.call("simple.ping", timeout_seconds=SECONDS) == "pong"
        assert rpc.replies.name != lost


def test_nobody_reads_the_answer(place, served):
    rpc = place.caller().pubsub_rpc
    rpc.replies.client.create_queue(QueueName="pubsub-reply-gone")
    rpc.replies.client.delete_queue(QueueUrl="pubsub-reply-gone")
    request = {"id": "1", "reply_to": "pubsub-reply-gone", "deadline": 4_000_000_000.0}
    rpc.requests.send(rpc._create("simple.ping", {}, request))

    assert rpc.call("simple.ping") == "pong"
    assert served.graph.pubsub_replies.reply.counts["gone"] == 1


def test_in_a_test_harness():
    make_service()

    class CallingDaemon(Daemon):
        components = ["pubsub_rpc"]

    with harness(CallingDaemon) as app:
        future = app.graph.pubsub_rpc.call_soon("simple.echo", words="a")
        app.run()
        assert future.result(10) == "a"
        app.graph.pubsub_rpc.close()


def test_what_becomes_of_answers_is_counted_where_a_daemon_is_watched():
    make_service()

    class CallingDaemon(Daemon):
        components = ["pubsub_rpc"]

    with harness(CallingDaemon) as app:
        rpc = app.graph.pubsub_rpc
        unwanted = rpc.call_soon("simple.ping")
        assert unwanted.cancel()
        wanted = rpc.call_soon("simple.ping")
        app.run()
        assert wanted.result(SECONDS) == "pong"

        gauges = Services((), find_call_gauges(app.graph)).gauges()
        assert gauges == {"rpc_waiting": 0, "rpc_answered": 1, "rpc_late": 1, "rpc_unreadable": 0, "answers_sent": 2}
        rpc.close()


def test_whatever_the_client_raises_later_calls_are_answered(place, served):
    rpc = place.caller().pubsub_rpc
    receive, raised = rpc.replies.client.receive_message, []

    def fail_once(**kwargs):
        if not raised:
            raised.append(1)
            raise RuntimeError("a client of somebody's own")
        return receive(**kwargs)

    rpc.replies.client = SimpleNamespace(receive_message=fail_once, delete_message_batch=lambda **kwargs: None)
    assert rpc.call("simple.ping", timeout_seconds=20) == "pong"
    assert raised == [1]


def test_a_service_takes_no_batches():
    class Batching(Service):
        name = "batching"
        options = HandlerOptions(batch_size=3)

        def on_ping(self, message):
            return "pong"

    with (
        pytest.raises(ConfigurationError, match="Batching: a request is one call, and has no batch_size"),
        harness(Daemon),
    ):
        pass


class TestRequests:
    """What a service makes of requests, message by message."""

    @pytest.fixture
    def daemon(self):
        self.calls = []
        calls = self.calls

        class Counter(Service):
            name = "counter"

            def on_count(self, message, by: int = 1):
                calls.append(by)
                if by == 0:
                    raise Nack(0)
                return len(calls)

        class CounterDaemon(ConsumerDaemon):
            name = "counter"

        with harness(CounterDaemon) as daemon:
            self.client = daemon.graph.sqs_client
            self.url = self.client.create_queue(QueueName="pubsub-reply-x")["QueueUrl"]
            yield daemon

    def request(self, daemon, **fields):
        content = {
            "mediaType": "application/vnd.globality.pubsub._.created.request.counter",
            "jsonrpc": "2.0",
            "method": "count",
            "id": "1",
            "replyTo": "pubsub-reply-x",
            **fields,
        }
        body = dumps({key: value for key, value in content.items() if value is not None})
        daemon.send(dumps({"Message": body}))
        return self.handle(daemon)

    def handle(self, daemon):
        return daemon.graph.sqs_message_dispatcher.handle_batch(daemon.daemon.bound_handlers)[0]

    def answers(self):
        found = self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", [])
        return [each["Body"] for each in found]

    def test_one_that_comes_again_is_answered_from_memory(self, daemon):
        assert not self.request(daemon, deadline=4_000_000_000.0).retry
        assert not self.request(daemon, deadline=4_000_000_000.0).retry

        assert self.calls == [1]
        assert len(self.answers()) == 2

    def test_one_that_failed_is_run_again(self, daemon):
        assert self.request(daemon, params=[0]).retry
        assert self.handle(daemon).retry
        assert self.calls == [0, 0]
        assert self.answers() == []

    def test_one_that_is_late_is_not_begun(self, daemon):
        result = self.request(daemon, deadline=1.0)
        assert result.result.name == "EXPIRED"
        assert "no longer waits" in result.extra["reason"]
        assert (self.calls, self.answers()) == ([], [])

    def test_one_that_went_too_far_is_answered(self, daemon):
        result = self.request(daemon, opaqueData={"x-request-ttl": "-1"})
        assert result.result.name == "EXPIRED"
        assert "went too far" in self.answers()[0]

    @pytest.mark.parametrize(
        "name", ["other", "https://sqs.eu-west-1.amazonaws.com/1/x", "pubsub-reply-", "pubsub-reply-a.b", None]
    )
    def test_an_answer_goes_to_reply_queues_alone(self, daemon, name):
        self.request(daemon, replyTo=name)
        assert self.answers() == []
        assert daemon.graph.pubsub_replies.reply.counts["sent"] == 0

    def test_a_name_of_any_length_is_told_in_short(self, daemon, caplog):
        self.request(daemon, replyTo="q" * 100_000, method="m" * 100_000)

        (told,) = [each.getMessage() for each in caplog.records if "was not sent" in each.getMessage()]
        assert len(told) < 400

    @pytest.mark.parametrize(
        "fields",
        [
            {"method": None},
            {"method": 3},
            {"params": "text"},
            {"params": 7},
            {"id": "x" * 1_000_000},
            {"id": {}},
            {"jsonrpc": "1.0"},
            {"deadline": "soon"},
            {"replyTo": "pubsub-reply-" + "x" * 90},
        ],
    )
    def test_what_is_no_call_is_given_up(self, daemon, fields):
        result = self.request(daemon, **fields)
        assert result.result.name == "FAILED"
        assert result.dead_letter
        assert self.calls == []

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({"params": "text"}, "The request is no call: its parameters are neither a list nor an object"),
            ({"jsonrpc": "1.0"}, "The request is no call: jsonrpc is not 2.0"),
            ({"method": ""}, "The request is no call: the method's name is empty, or longer than 256"),
        ],
    )
    def test_its_caller_is_told_where_it_says_who_that_is(self, daemon, fields, text):
        self.request(daemon, deadline=4_000_000_000.0, **fields)
        assert [loads(each)["error"] for each in self.answers()] == [{"code": -32600, "message": text}]

        self.request(daemon, deadline=1.0, **fields)
        self.request(daemon, id="x" * 1_000, **fields)
        assert self.answers() == []


def test_answers_that_are_remembered_have_a_length_together():
    memory = ReplyMemory()
    requests = [SimpleNamespace(content={"id": str(number), "deadline": 4_000_000_000.0}) for number in range(200)]
    answer = "x" * 1024 * 1024
    for request in requests:
        assert memory.begin(request)
        # A second answer to a request takes the place of the first.
        memory.end(request, "no")
        memory.end(request, answer)

    kept = [request for request in requests if memory.find(request)]
    assert kept == requests[-65:]
    for request in kept:
        memory.forget(request)
    assert all(memory.begin(request) for request in requests)


def test_what_comes_to_the_reply_queue_and_is_no_answer(place, served, caplog):
    rpc = place.caller().pubsub_rpc
    rpc.call("simple.ping")
    for body in ("no json", "[]", "{}", '{"id": 3, "result": 1}', '{"id": "nobody", "result": 1}', '{"id": []}'):
        rpc.replies.client.send_message(QueueUrl=rpc.replies.url, MessageBody=body)

    assert rpc.call("simple.ping") == "pong"
    assert rpc.call("simple.ping") == "pong"
    counts = rpc.replies.counts
    assert counts["answered"] == 3
    assert counts["unreadable"] + counts["late"] == 6
    assert (
        f"A message of the reply queue {rpc.replies.name} is no answer, and was dropped: it is no JSON" in caplog.text
    )


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "no result and no error"),
        ({"result": 1, "error": "broken"}, "its error is a str, and no object"),
        ({"error": {"code": "x"}}, "no message"),
    ],
)
def test_an_answer_that_is_no_json_rpc_is_told_to_its_caller(place, fields, text):
    rpc = place.caller().pubsub_rpc
    future = rpc.call_soon("simple.ping", timeout_seconds=SECONDS)
    answer(rpc, fields)

    with pytest.raises(RemoteError, match=text):
        future.result(SECONDS)


def test_an_answer_may_say_that_there_is_no_error(place):
    rpc = place.caller().pubsub_rpc
    future = rpc.call_soon("simple.ping", timeout_seconds=SECONDS)
    answer(rpc, {"result": None, "error": None})

    assert future.result(SECONDS) is None


def answer(rpc, fields):
    """Answer the one request that is open, in the place of its service."""
    (request_id,) = rpc.replies._waiting
    rpc.replies.client.send_message(QueueUrl=rpc.replies.url, MessageBody=dumps({"id": request_id, **fields}))


def test_a_call_inside_a_transaction_does_not_wait_for_its_commit(place, served, tmp_path):
    database = {"url": f"sqlite:///{tmp_path}/own.db", "auto_upgrade": True}
    graph = place.caller(pubsub_database=database)

    with graph.pubsub_database.transaction():
        assert graph.pubsub_rpc.call("simple.ping") == "pong"
    graph.pubsub_database.close()


@pytest.mark.parametrize(
    ("method", "params", "code", "text"),
    [
        ("nothing", {}, -32000, "MethodNotFound: simple has no method 'nothing'"),
        ("add", {"one": "x"}, -32000, "InvalidParams: .*one: Not a valid integer"),
        ("odd", {}, -32000, "RemoteError: The result, an object"),
        ("refuse", {}, -31000, "^No more bolts"),
        ("fail", {}, -32000, "^NotImplementedError: I was never created"),
    ],
)
def test_an_error_of_a_call_that_a_method_makes_is_none_of_its_own(
    place, served, monkeypatch, method, params, code, text
):
    class Relay(Service):
        name = "relay"

        def on_call(self, message, method: str, params: dict):
            return self.graph.pubsub_rpc.call(f"simple.{method}", **params)

        def on_say(self, message, count: int):
            raise InvalidParams("count: there are not so many")

        def on_give(self, message):
            return self.graph.pubsub_rpc.call("simple.echo", words=object())

    class RelayDaemon(ConsumerDaemon):
        name = "relays"
        components = ["pubsub_rpc", "relay_service"]

    monkeypatch.setitem(default_registry.factories, "relay_service", Relay)
    with place.serving(RelayDaemon) as daemon:
        place.open.append(daemon.graph.pubsub_rpc)
        rpc = place.caller().pubsub_rpc
        with pytest.raises(RemoteError, match=text) as raised:
            rpc.call("relay.call", method=method, params=params)
        assert (raised.value.code, raised.value.method) == (code, "relay.call")
        with pytest.raises(RemoteError, match=r"InvalidParams: simple.echo: parameter words is an object"):
            rpc.call("relay.give")
        # What it says itself of its parameters is theirs.
        with pytest.raises(InvalidParams, match="count: there are not so many"):
            rpc.call("relay.say", count=5)


def test_what_a_method_wrote_before_it_raised_is_undone(place, tmp_path):
    class Writer(Service):
        name = "writer"
        options = HandlerOptions(transaction=True)

        def on_write(self, message, session, number: int):
            session.execute(text("INSERT INTO numbers VALUES (:number)"), {"number": number})
            if number == 2:
                raise RpcError(2, "no twos")
            return session.execute(text("SELECT count(*) FROM numbers")).scalar()

    url = f"sqlite:///{tmp_path}/own.db"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE numbers (number INTEGER)"))
    with place.serving(Daemon, pubsub_database={"url": url, "auto_upgrade": True}) as daemon:
        rpc = place.caller().pubsub_rpc
        assert rpc.call("writer.write", number=1) == 1
        with pytest.raises(RemoteError, match="no twos"):
            rpc.call("writer.write", number=2)
        assert rpc.call("writer.write", number=3) == 2
        daemon.graph.pubsub_database.close()
    engine.dispose()


class TestTogether:
    """What several threads send at once."""

    def test_what_gathers_goes_in_one_call(self):
        begun, go_on = Event(), Event()
        sent = []

        def send(items):
            sent.append(list(items))
            begun.set()
            go_on.wait(60)
            return [ValueError("three") if item == 3 else None for item in items]

        together = Combiner(send, len_of, "test")
        threads = [Thread(target=together.send, args=(0,))]
        threads[0].start()
        begun.wait(60)
        errors = []

        def send_one(number):
            try:
                together.send(number)
            except ValueError as error:
                errors.append(str(error))

        for number in range(1, 15):
            threads.append(Thread(target=send_one, args=(number,)))
            threads[-1].start()
            while len(together._waiting) < number:
                pass
        go_on.set()
        for thread in threads:
            thread.join(60)

        assert sent == [[0], list(range(1, 11)), list(range(11, 15))]
        assert errors == ["three"]

    def test_who_has_more_to_do_leaves_it_to_the_thread(self):
        sent, all_sent = [], Event()

        def send(items):
            sent.append((list(items), current_thread().name))
            return [None] * len(items)

        together = Combiner(send, len_of, "test")
        together.begin(1, lambda error: None)
        with together._changed:
            together.begin(2, lambda error: None, has_more=True)
            together.begin(3, lambda error: all_sent.set())

        assert all_sent.wait(60)
        assert sent == [([1], current_thread().name), ([2, 3], "test")]

    def test_a_system_that_has_no_thread_to_give(self, monkeypatch):
        sent = []
        together = Combiner(lambda items: sent.append(list(items)) or [None] * len(items), len_of, "test")

        def start(thread):
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patched:
            patched.setattr(Thread, "start", start)
            with pytest.raises(RuntimeError, match="start"):
                together.begin(1, lambda error: None, has_more=True)
        together.begin(2, lambda error: None)

        assert sent == [[1, 2]]

    def test_whatever_happens_nobody_waits_for_ever(self):
        def send(items):
            raise RuntimeError("no")

        together = Combiner(send, len_of, "test")
        for _ in range(3):
            with pytest.raises(RuntimeError):
                together.send(1)

    def test_one_that_is_interrupted_keeps_nobody_from_sending(self):
        sent = []

        def send(items):
            sent.append(list(items))
            if 1 in items:
                # another thread comes meanwhile
                together.begin(2, lambda error: told.set())
                raise KeyboardInterrupt
            return [None] * len(items)

        told = Event()
        together = Combiner(send, len_of, "test")
        with pytest.raises(KeyboardInterrupt):
            together.send(1)

        assert told.wait(SECONDS)
        together.begin(3, lambda error: told.set())
        wait_until(lambda: [3] in sent)
        assert sent == [[1], [2], [3]]

    def test_a_thread_that_has_nothing_to_send_ends(self):
        together = Combiner(lambda items: [None] * len(items), len_of, "idle", idle_seconds=0)
        for number in range(3):
            told = Event()
            together.begin(number, lambda error, told=told: told.set(), has_more=True)
            assert told.wait(SECONDS)
            wait_until(lambda: "idle" not in {thread.name for thread in enumerate_threads()})

    def test_those_that_go_with_one_that_is_interrupted_are_told_so(self):
        def send(items):
            raise KeyboardInterrupt

        together = Combiner(send, len_of, "test")
        told = []
        for number in (1, 2):
            together._waiting.append((number, told.append))
        with pytest.raises(KeyboardInterrupt):
            together._send_some()

        assert [str(error) for error in told] == [INTERRUPTED] * 2

    def test_large_ones_go_alone(self):
        sizes = {1: 200_000, 2: 100_000, 3: 10}
        sent = []
        together = Combiner(lambda items: sent.append(list(items)) or [None] * len(items), sizes.get, "test")
        for item in sizes:
            together._waiting.append((item, lambda error: None))
        together._send_some()
        together._send_some()
        assert sent == [[1], [2, 3]]


def len_of(item):
    return 1


def test_a_request_that_another_process_handled_is_answered_from_its_inbox(tmp_path):
    calls = []

    class Counting(Service):
        name = "counting"
        options = HandlerOptions(once=True)

        def on_count(self, message, item: str) -> int:
            calls.append(item)
            return len(calls)

    class CountingDaemon(ConsumerDaemon):
        name = "counting"

    config = {"pubsub_database": {"url": f"sqlite:///{tmp_path}/counting.db", "auto_upgrade": True}}
    request = {
        "mediaType": "application/vnd.globality.pubsub._.created.request.counting",
        "jsonrpc": "2.0",
        "id": "request-1",
        "method": "count",
        "params": {"item": "bolt"},
        "replyTo": "pubsub-reply-me",
        "opaqueData": {"x-message-id": "request-1"},
    }
    answers = []
    for _ in range(2):
        # the memory of the one is not that of the other
        with harness(CountingDaemon, config=config) as app:
            url = app.graph.sqs_client.create_queue(QueueName="pubsub-reply-me")["QueueUrl"]
            app.send(dumps(request))
            outcome = [result.result.name for result in app.run()]
            found = app.graph.sqs_client.receive_message(QueueUrl=url)["Messages"]
            answers.append((outcome, [loads(message["Body"])["result"] for message in found]))
            app.graph.pubsub_database.close()
    assert answers == [(["SUCCEEDED"], [1]), (["SKIPPED"], [1])]
    assert calls == ["bolt"]


def test_how_a_service_wants_requests_is_known_before_it_is_made():
    class Careful(Service):
        name = "careful"
        options = HandlerOptions(timeout_seconds=77)

        def on_count(self, message) -> int:
            return 1

    class CarefulDaemon(ConsumerDaemon):
        name = "careful"

    with harness(CarefulDaemon) as app:
        assert Careful.options in list(app.graph.sqs_message_handler_registry.iter_options())


def test_a_coroutine_waits_no_longer_than_it_says(place):
    rpc = place.caller().pubsub_rpc
    over = Event()

    def receive_message(**kwargs):
        assert over.wait(SECONDS)
        return {}

    rpc.replies.client = SimpleNamespace(receive_message=receive_message)
    try:
        with pytest.raises(RpcTimeout, match=r"No answer to simple.ping within 0.01 s; nobody took it"):
            asyncio.run(rpc.call_async("simple.ping", timeout_seconds=0.01))
    finally:
        over.set()


@pytest.mark.parametrize("is_sent", [False, True])
def test_a_call_that_is_cancelled_is_waited_for_no_longer(place, is_sent):
    rpc = place.caller().pubsub_rpc
    sending, go_on, sent = Event(), Event(), Event()
    send = rpc.requests.send

    def send_later(message):
        sending.set()
        assert go_on.wait(SECONDS)
        send(message)
        sent.set()

    rpc.requests.send = send_later

    async def call_and_cancel():
        call = asyncio.ensure_future(rpc.call_async("simple.ping", timeout_seconds=3600))
        await asyncio.to_thread(sending.wait, SECONDS)
        if is_sent:
            go_on.set()
            await asyncio.to_thread(sent.wait, SECONDS)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        go_on.set()

    asyncio.run(call_and_cancel())

    assert sent.wait(SECONDS)
    assert rpc.gauges()["rpc_waiting"] == 0


def test_a_future_that_is_cancelled_is_waited_for_no_longer(place):
    rpc = place.caller().pubsub_rpc

    assert rpc.call_soon("simple.ping", timeout_seconds=3600).cancel()

    assert rpc.gauges()["rpc_waiting"] == 0


class TestFutures:
    """What a future calls when it is done runs in the thread that reads the answers."""

    @pytest.fixture
    def call_then(self, rpc):
        def call_then(callback):
            future = Future()
            # Before the request is sent, so that the answer cannot be there yet.
            future.add_done_callback(callback)
            rpc.requests.send(rpc._expect("simple.ping", (), {}, None, future)[2])
            return future.result(SECONDS)

        return call_then

    def test_it_must_not_wait_for_an_answer(self, rpc, call_then):
        refused = Future()

        def call(_):
            try:
                refused.set_result(rpc.call("simple.ping"))
            except CallError as error:
                refused.set_exception(error)

        assert call_then(call) == "pong"
        with pytest.raises(CallError, match=r"Cannot call simple.ping from what a future calls .* use call_soon"):
            refused.result(SECONDS)

    def test_it_may_call_soon(self, rpc, call_then):
        called = Future()

        assert call_then(lambda _: called.set_result(rpc.call_soon("simple.ping"))) == "pong"
        assert called.result(SECONDS).result(SECONDS) == "pong"

    def test_it_cannot_end_the_thread(self, rpc, call_then):
        assert call_then(lambda _: sys.exit(3)) == "pong"
        assert rpc.call("simple.ping") == "pong"
