"""
Who listens to a client, or answers in its place, still does.
"""

import logging
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.client import BaseClient
from botocore.endpoint import Endpoint
from botocore.exceptions import ParamValidationError
from botocore.history import BaseHistoryHandler, get_global_history_recorder
from botocore.httpsession import URLLib3Session
from botocore.stub import Stubber
from moto import mock_aws
from moto.core import patch_client

from microcosm_pubsub.fast.transport import attach, client_transport, make_parts, start
from tests.differential.server import Reply, Server


EMPTY = Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

PARAMETERS: dict[str, Any] = {"QueueUrl": "http://queue", "MaxNumberOfMessages": 10}


@pytest.fixture
def client(server: Server, make_client, parts) -> Any:
    """A client that takes the short way."""
    client = make_client("sqs", server.url, parts)
    server.play(EMPTY, EMPTY)
    client.receive_message(**PARAMETERS)
    return client


@pytest.fixture
def call(server: Server, client: Any) -> Any:
    def call() -> Any:
        server.play(EMPTY)
        return client.receive_message(**PARAMETERS)

    return call


def test_nobody_listens(call, counted):
    call()
    call()

    assert counted == ["ReceiveMessage"] * 2


@pytest.mark.parametrize(
    "event",
    [
        "provide-client-params.sqs.ReceiveMessage",
        "before-parameter-build.sqs",
        "before-call.*.*",
        "request-created",
        "choose-signer.sqs.ReceiveMessage",
        "before-sign.sqs",
        "before-send.sqs.*",
        "response-received.sqs.ReceiveMessage",
        "before-parse.sqs.ReceiveMessage",
        "needs-retry",
        "after-call.sqs.ReceiveMessage",
    ],
)
def test_handler_registered_later(client, call, counted, event):
    seen = []

    def handle(event_name: str, **_: Any) -> None:
        seen.append(event_name)

    client.meta.events.register(event, handle)
    call()
    client.meta.events.unregister(event, handle)
    call()

    assert len(seen) == 1
    assert counted == ["ReceiveMessage"]


def test_handler_of_another_operation(client, call, counted):
    client.meta.events.register("before-call.sqs.ListQueues", lambda **_: None)
    call()

    assert counted == ["ReceiveMessage"]


def test_handler_of_the_session(server, parts, counted):
    """A handler that a client has from its beginning is no less of a handler."""
    session = boto3.Session(region_name="us-east-1")
    seen = []
    session.events.register("before-send.sqs", lambda **_: seen.append(1))
    attach(session, parts)
    client = session.client("sqs", endpoint_url=server.url)
    start(client)
    server.play(EMPTY, EMPTY)
    client.receive_message(**PARAMETERS)
    client.receive_message(**PARAMETERS)

    assert (seen, counted) == ([1, 1], [])


def test_handler_that_changes_the_request(server, client, call):
    def change(request: Any, **_: Any) -> None:
        request.headers["X-Mine"] = "mine"

    client.meta.events.register("before-sign.sqs.ReceiveMessage", change)
    call()

    (request,) = server.requests
    assert request.header("x-mine") == "mine"
    assert "x-mine" in (request.header("authorization") or "")


def test_handler_that_answers(server, client, call):
    class Raw:
        def stream(self) -> list[bytes]:
            return [b'{"Messages": [{"Body": "mine"}]}']

    client.meta.events.register("before-send.sqs", lambda request, **_: AWSResponse(request.url, 200, {}, Raw()))

    assert call()["Messages"] == [{"Body": "mine"}]
    assert server.requests == []


def test_handler_that_changes_the_parameters(server, client, call):
    client.meta.events.register("provide-client-params.sqs", lambda params, **_: {**params, "MaxNumberOfMessages": 3})
    call()

    assert b'"MaxNumberOfMessages": 3' in server.requests[0].body


def test_stubber(server, client, counted):
    with Stubber(client) as stubber:
        stubber.add_response("receive_message", {"Messages": [{"Body": "stub"}]}, PARAMETERS)
        assert client.receive_message(**PARAMETERS)["Messages"] == [{"Body": "stub"}]
        stubber.add_client_error("receive_message", "OverLimit")
        with pytest.raises(client.exceptions.OverLimit):
            client.receive_message(**PARAMETERS)
    assert counted == []
    server.play(EMPTY)
    client.receive_message(**PARAMETERS)
    assert counted == ["ReceiveMessage"]


@mock_aws
def test_moto(make_client, parts, counted):
    client = make_client("sqs", None, parts, mocked=True)
    queue_url = client.create_queue(QueueName="queue")["QueueUrl"]
    for _ in range(2):
        client.send_message_batch(QueueUrl=queue_url, Entries=[{"Id": "1", "MessageBody": "hello"}])
        (message,) = client.receive_message(QueueUrl=queue_url)["Messages"]
        client.delete_message_batch(
            QueueUrl=queue_url, Entries=[{"Id": "1", "ReceiptHandle": message["ReceiptHandle"]}]
        )

    assert counted == []


def test_moto_patches_a_client_that_exists(make_client, parts, counted):
    client = make_client("sns", None, parts, mocked=True)
    with mock_aws():
        patch_client(client)
        topic_arn = client.create_topic(Name="topic")["TopicArn"]
        for _ in range(2):
            assert client.publish(TopicArn=topic_arn, Message="hello")["MessageId"]

    assert counted == []


@pytest.fixture(params=[(BaseClient, "_make_api_call"), (Endpoint, "_send"), (URLLib3Session, "send")])
def replaced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What tracers, mocks and recorders replace."""
    owner, name = request.param
    original, seen = getattr(owner, name), []

    def replace(*arguments: Any) -> Any:
        seen.append(name)
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, replace)
        yield seen


def test_replaced_function(call, counted, replaced):
    call()

    assert (len(replaced), counted) == (1, [])


def test_opentelemetry(client, call, counted):
    from opentelemetry.instrumentation.botocore import BotocoreInstrumentor

    seen = []
    instrumentor = BotocoreInstrumentor()
    instrumentor.instrument(request_hook=lambda span, service, operation, parameters: seen.append(operation))
    try:
        call()
    finally:
        instrumentor.uninstrument()
    call()

    assert seen == ["ReceiveMessage"]
    assert counted == ["ReceiveMessage"]


def test_replaced_for_one_client(client, call, counted, monkeypatch):
    monkeypatch.setattr(client, "_make_api_call", lambda operation, parameters: operation)

    assert call() == "ReceiveMessage"
    assert counted == []


def test_another_http_session(server, client, call, counted):
    client._endpoint.http_session = URLLib3Session()
    call()

    assert len(server.requests) == 1
    assert counted == []


def test_history(call, counted):
    class Handler(BaseHistoryHandler):
        def emit(self, event_type: str, payload: Any, source: str) -> None:
            seen.append(event_type)

    seen: list[str] = []
    recorder = get_global_history_recorder()
    recorder.add_handler(Handler())
    recorder.enable()
    try:
        call()
    finally:
        recorder.disable()
        recorder._handlers.clear()
    assert "HTTP_REQUEST" in seen
    assert counted == []


def test_botocore_logs_what_it_did(call, counted, caplog):
    with caplog.at_level(logging.DEBUG, logger="botocore"):
        call()

    assert any(
        "CanonicalRequest" in record.message or "Sending http request" in record.message for record in caplog.records
    )
    assert counted == []


def test_why_a_call_is_boto3s_is_logged(client, call, caplog):
    client.meta.events.register("before-send.sqs", lambda **_: None)
    with caplog.at_level(logging.DEBUG, logger="microcosm_pubsub.fast.transport"):
        call()

    (record,) = caplog.records
    assert record.message == (
        "ReceiveMessage goes the way of boto3: a handler is registered for before-send.sqs.ReceiveMessage"
    )


@pytest.mark.parametrize(
    "parameters",
    [{}, {"QueueUrl": 7}, {"QueueUrl": "x", "Unknown": 1}, {"QueueUrl": "x", "MaxNumberOfMessages": "10"}],
)
def test_parameters_are_validated(server, client, counted, parameters):
    server.play()
    with pytest.raises(ParamValidationError):
        client.receive_message(**parameters)

    assert (server.requests, counted) == ([], [])


def test_operations_that_are_not_hot(server, client, counted):
    server.play(EMPTY)
    client.list_queues()

    assert counted == []


def test_client_that_is_not_understood(server, caplog):
    """With a botocore that has no names of today's, a client is plain boto3."""
    session = boto3.Session(region_name="us-east-1")
    attach(session, make_parts())
    client = session.client("sqs", endpoint_url=server.url)
    del client._endpoint.http_session._timeout
    with caplog.at_level(logging.INFO, logger="microcosm_pubsub.fast.transport"):
        start(client)

    assert "All calls of SQS are made by boto3" in caplog.text
    assert client_transport(client) == "botocore"
    client = session.client("sqs", endpoint_url=server.url)
    server.play(EMPTY)
    client.receive_message(**PARAMETERS)
