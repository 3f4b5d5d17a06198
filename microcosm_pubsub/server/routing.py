"""
The operation and the protocol of a request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from re import compile as compile_pattern
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from microcosm_pubsub.broker.names import ACCOUNT, HOME, Place, place
from microcosm_pubsub.broker.sns.confirming import anonymous
from microcosm_pubsub.server.calls import Calls
from microcosm_pubsub.server.http import Answer, Request, RequestError
from microcosm_pubsub.server.operations import find_function, is_known
from microcosm_pubsub.server.protocols import json, query
from microcosm_pubsub.server.scope import Scope, find_scope
from microcosm_pubsub.server.signature import Verifier


TARGET = b"AmazonSQS."

#: The versions of the services' APIs, which tell them apart where a signature does not.
VERSIONS = {"2012-11-05": "sqs", "2010-03-31": "sns", "2011-06-15": "sts"}

HOST = compile_pattern(rb"[A-Za-z0-9._-]{1,255}(:[0-9]{1,5})?|\[[0-9a-fA-F:.]{2,45}\](:[0-9]{1,5})?")

#: Host names such as sqs.eu-west-1.localhost and eu-west-1.queue.localhost.
HOST_REGION = compile_pattern(r"(?:(?:sqs|sns|sts)\.([a-z]{2}(?:-[a-z]+)+-\d)|([a-z]{2}(?:-[a-z]+)+-\d)\.queue)\.")

HEALTH_PATH = b"/health"

#: Operations that need no signature: messages to web servers hold their URLs, for anybody to call who has the message.
UNSIGNED = ("ConfirmSubscription", "Unsubscribe")

Gone = Callable[[], Awaitable[Any]]


class Router:
    """
    Answer requests.

    :param calls: of the broker
    :param verifier: of signatures, if they must be right
    :param pages: that are no calls: what gives the answer of a path that is got
    """

    def __init__(
        self,
        calls: Calls,
        verifier: Verifier | None = None,
        pages: dict[bytes, Callable[[], Awaitable[Answer]]] | None = None,
    ) -> None:
        self.calls = calls
        self.verifier = verifier
        self.pages = pages or {}

    async def answer(self, request: Request, request_id: str, gone: Gone) -> Answer:
        """
        Answer a request.

        :param gone: ends when the client has gone
        """
        scope = find_scope(request.headers.get(b"authorization"), request.query)
        place.set(find_place(request.headers.get(b"host", b""), request.scheme, request.server, scope))
        target = request.headers.get(b"x-amz-target")
        if target is not None:
            return await self._answer_json(request, target, gone)
        if request.method in ("GET", "HEAD") and request.raw_path in self.pages:
            return await self.pages[request.raw_path]()
        return await self._answer_query(request, scope, request_id, gone)

    async def _answer_json(self, request: Request, target: bytes, gone: Gone) -> Answer:
        try:
            self._verify(request)
            if request.method != "POST":
                raise RequestError("UnsupportedOperation", "An operation is called by POST.", 405)
            operation = target.removeprefix(TARGET).decode("latin-1")
            if not target.startswith(TARGET) or not is_known("sqs", operation):
                raise RequestError(
                    "UnknownOperationException", "X-Amz-Target must be AmazonSQS with an operation of SQS."
                )
            function = self._find("sqs", operation)
            parameters = json.read_parameters("sqs", operation, request.body)
            return json.write_answer(await self.calls.call("sqs", operation, function, parameters, gone))
        except RequestError as error:
            return json.write_error(error.code, error.code, error.text, error.status)
        except ParamValidationError as error:
            code, text = explain("sqs", error)
            return json.write_error(code, code, text, 400)
        except ClientError as error:
            code, text, status = read_error(error)
            name = type(error).__name__ if type(error) is not ClientError else code
            return json.write_error(name, code, text, status)

    async def _answer_query(self, request: Request, scope: Scope | None, request_id: str, gone: Gone) -> Answer:
        service = "sns" if scope is None or scope.service not in ("sqs", "sts") else scope.service
        try:
            if request.method not in ("GET", "POST"):
                raise RequestError("UnsupportedOperation", "An operation is called by POST or GET.", 405)
            fields = query.read_form(request.query, b"" if request.method == "GET" else request.body)
            operation = fields.get("Action", "")
            is_anonymous = scope is None and operation in UNSIGNED
            anonymous.set(is_anonymous and self.verifier is not None)
            if not is_anonymous:
                self._verify(request)
            if not operation:
                raise RequestError("MissingAction", "The request names no Action; see /health for the server's state.")
            service = find_service(scope, fields, operation)
            if not is_known(service, operation):
                raise RequestError("InvalidAction", f"The action {operation} is not valid for this endpoint.")
            function = self._find(service, operation)
            if service == "sqs" and (name := queue_of_path(request.raw_path)):
                fields.setdefault("QueueUrl", name)
            parameters = query.read_parameters(service, operation, fields)
            answer = await self.calls.call(service, operation, function, parameters, gone)
            return query.write_answer(service, operation, answer, request_id)
        except RequestError as error:
            return query.write_error(service, error.code, error.text, error.status, request_id)
        except ParamValidationError as error:
            return query.write_error(service, *explain(service, error), 400, request_id)
        except ClientError as error:
            return query.write_error(service, *read_error(error), request_id)

    def _verify(self, request: Request) -> None:
        if self.verifier is not None:
            self.verifier.verify(request)

    def _find(self, service: str, operation: str) -> Any:
        function = find_function(service, operation)
        if function is None:
            raise RequestError(
                "InvalidAction",
                f"The broker does not have {operation}. What it has stands in docs/reference/broker.md.",
            )
        return function


def find_service(scope: Scope | None, fields: dict[str, str], operation: str) -> str:
    """
    Return the service that a form is for: that of its signature, its version, or its action.

    :raises RequestError: if it is none of the server's
    """
    named = scope.service if scope is not None else VERSIONS.get(fields.get("Version", ""))
    if named is None:
        is_topic = "TopicArn" in fields or not is_known("sqs", operation)
        named = "sts" if is_known("sts", operation) else "sns" if is_topic else "sqs"
    if named not in VERSIONS.values():
        raise RequestError("InvalidAction", f"The server speaks sqs, sns and sts, not {named}.")
    return named


def find_place(host: bytes, scheme: str, server: str, scope: Scope | None) -> Place:
    """Return where a client sees the server: under the host that it used, in the region that it signed for."""
    return _find_place(host, scheme, server, None if scope is None else scope.region)


@lru_cache(maxsize=1024)
def _find_place(host: bytes, scheme: str, server: str, region: str | None) -> Place:
    used = host.decode("ascii") if HOST.fullmatch(host) else server
    match = HOST_REGION.match(used)
    found = region or (match and (match[1] or match[2])) or HOME.region
    return Place(f"{scheme}://{used}", found)


def queue_of_path(raw_path: bytes) -> str | None:
    """Return the queue of a URL's path, such as /000000000000/orders; None if it names none."""
    account, _, name = raw_path.decode("latin-1").strip("/").rpartition("/")
    return name if account.rpartition("/")[2] == ACCOUNT or account.isdecimal() else None


def explain(service: str, error: ParamValidationError) -> tuple[str, str]:
    """Return the code and text that AWS has for parameters that boto3 would not send."""
    report = str(error.kwargs["report"])
    missing = 'Missing required parameter in input: "'
    if missing not in report:
        # The report begins with names and types of the first fault; the given values stand behind them.
        return "InvalidParameterValue", report.partition(", value:")[0].partition("\n")[0]
    name = report.partition(missing)[2].partition('"')[0]
    if service == "sns":
        return "ValidationError", f"1 validation error detected: Value null at '{name}' failed to satisfy constraint"
    return "MissingParameter", f"The request must contain the parameter {name}."


def read_error(error: ClientError) -> tuple[str, str, int]:
    """Return the code, the text and the status of an error."""
    details: dict[str, Any] = error.response["Error"]
    return details["Code"], details["Message"], error.response["ResponseMetadata"]["HTTPStatusCode"]
