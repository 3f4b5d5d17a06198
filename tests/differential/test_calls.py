"""
The same calls, through boto3 and through the short way, to a server that records them and answers the same to both.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from json import loads
from random import Random
from random import seed as seed_all
from re import sub
from select import select
from typing import Any

import pytest
from botocore.exceptions import ClientError

from microcosm_pubsub.fast.transport import begin_call, finish_call
from tests.differential.generate import KINDS, TOPIC, make_content, make_http, make_parameters, make_reply
from tests.differential.server import Reply, Request, Server
from tests.differential.verifier import verify


OPERATIONS = {
    "receive_message": "sqs",
    "delete_message_batch": "sqs",
    "change_message_visibility_batch": "sqs",
    "send_message_batch": "sqs",
    "publish": "sns",
    "publish_batch": "sns",
}

#: For each operation and each way.
CALLS = 150

SECRETS = {"test": ("test", None), "ASIATEMPORARY": ("c2VjcmV0", "a token/with+signs==")}

#: What only differs because it is another request.
ONCE = ("authorization", "x-amz-date", "amz-sdk-invocation-id", "content-length", "user-agent", "amz-sdk-request")


@dataclass
class Told:
    """What came of a call."""

    value: Any
    requests: list[Request]
    delays: list[float]


def tell(call: Any, parameters: dict[str, Any]) -> Any:
    """Return what a call returns, or what can be seen of its error."""
    try:
        return call(**parameters)
    except ClientError as error:
        return type(error).__name__, str(error), error.response, error.operation_name
    except Exception as error:
        # whatever it is, it has to be the same
        return type(error), str(error)


def canonical(request: Request) -> Any:
    """What a request says, without what differs from one to the next."""
    headers = sorted((name.lower(), value) for name, value in request.headers if name.lower() not in ONCE)
    content = request.body
    words = sorted(
        sub(r"\bm/(\S+)", lambda match: "m/" + ",".join(sorted(match[1].split(","))), agent(request)).split()
    )
    attempt = sub(r"ttl=\w+", "ttl=T", request.header("amz-sdk-request") or "")
    signed = (request.header("authorization") or "").split("SignedHeaders=")[1].split(",")[0]
    return (
        request.method,
        request.target,
        headers,
        loads(content) if content.startswith(b"{") else content,
        words,
        attempt,
        signed,
    )


def agent(request: Request) -> str:
    return request.header("user-agent") or ""


class Pair:
    """A call of boto3, and the same the short way."""

    def __init__(self, server: Server, make_client: Any, parts: Any, operation: str, delays: list[float]):
        service = OPERATIONS[operation]
        self.server, self.operation, self.delays = server, operation, delays
        self.plain = make_client(service, server.url, "botocore")
        self.short = make_client(service, server.url, parts)
        self.random = Random(operation)
        self.usual = {"QueueUrl": server.queue_url} if operation == "receive_message" else None

    def warm_up(self, client: Any) -> None:
        """Let a client have a connection, and have learned."""
        parameters = self.usual or make_usual(self.operation, self.server)
        self.server.play(Reply(make_http(self.random, make_content(self.random, self.operation))))
        tell(getattr(client, self.operation), parameters)

    def call(self, client: Any, parameters: dict[str, Any], replies: list[Reply], call: Any = None) -> Told:
        self.warm_up(client)
        self.delays.clear()
        # so that the pauses are the same
        seed_all(1)
        self.server.play(*replies)
        value = tell(call or getattr(client, self.operation), parameters)
        return Told(value, list(self.server.requests), list(self.delays))

    def compare(self, parameters: dict[str, Any], replies: list[Reply], *, begun: bool = False) -> Told:
        plain = self.call(self.plain, parameters, replies)
        call = partial(call_begun, self.short, self.operation) if begun else None
        short = self.call(self.short, parameters, replies, call)
        assert short.value == plain.value
        assert list(map(canonical, short.requests)) == list(map(canonical, plain.requests))
        assert short.delays == plain.delays
        assert len({request.header("amz-sdk-invocation-id") for request in short.requests}) <= 1
        for request in short.requests:
            check_alone(request)
        return short


def call_begun(client: Any, operation: str, **parameters: Any) -> Any:
    """Make a call without waiting for its end, but for the test's sake."""
    flight = begin_call(client, operation, parameters)
    if flight is None:
        return getattr(client, operation)(**parameters)
    flight.sock.setblocking(False)
    while not flight.exchange.read():
        if not select([flight.sock], [], [], flight.read_timeout)[0]:
            flight.exchange.fail(TimeoutError("timed out"))
    answer = flight.read_answer()
    return finish_call(client, flight) if answer is None else answer


def check_alone(request: Request) -> None:
    verify(request, SECRETS)
    assert request.header("content-length") == str(len(request.body))
    assert len({name.lower() for name, _ in request.headers}) == len(request.headers)
    sent_at = datetime.strptime(request.header("x-amz-date") or "", "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - sent_at) < timedelta(minutes=5)


def make_usual(operation: str, server: Server) -> dict[str, Any]:
    if operation == "publish":
        return {"TopicArn": TOPIC, "Message": "x"}
    if operation == "publish_batch":
        return {"TopicArn": TOPIC, "PublishBatchRequestEntries": [{"Id": "1", "Message": "x"}]}
    entry: dict[str, Any] = {"Id": "1"}
    if operation == "send_message_batch":
        entry["MessageBody"] = "x"
    else:
        entry["ReceiptHandle"] = "x"
    return {"QueueUrl": server.queue_url, "Entries": [entry]}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_calls_by_chance(server, make_client, parts, operation, delays, counted):
    pair = Pair(server, make_client, parts, operation, delays)
    random = Random(f"{operation} {parts.name}")
    for number in range(CALLS):
        parameters = make_parameters(random, operation, server.queue_url)
        replies = [make_reply(random, operation) for _ in range(3)]
        try:
            pair.compare(parameters, replies, begun=number % 2 == 1)
        except AssertionError as error:
            error.add_note(f"call {number}: {parameters!r} was answered {[reply.kind for reply in replies]}")
            raise
    # most calls of the pair, and of its warming up
    assert len(counted) > CALLS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operation", ["receive_message", "publish_batch"])
def test_replies_of_each_kind(server, make_client, parts, operation, delays, counted, kind):
    pair = Pair(server, make_client, parts, operation, delays)
    random = Random(kind)
    parameters = pair.usual or make_usual(operation, server)
    pair.warm_up(pair.short)
    for number in range(4):
        replies = [KINDS[kind](random, operation, make_content(random, operation)) for _ in range(3)]
        pair.compare(parameters, replies, begun=number % 2 == 1)
    assert counted
