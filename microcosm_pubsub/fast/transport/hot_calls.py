"""
The hot calls of a client, answered the short way.

A client is the object that boto3 makes, with one class put before its own. The first call of an operation is
botocore's, and is learned from. Later ones are answered here if all is as usual. When an answer is not, the call is
begun anew by botocore, which is given the end of the first attempt: so errors, retries and their back-off, quotas and
events are botocore's own, and nothing is sent twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging import getLogger
from threading import local
from typing import Any
from weakref import ref

from botocore.awsrequest import AWSHTTPConnection, AWSHTTPSConnection, AWSResponse
from botocore.exceptions import HTTPClientError
from urllib3.exceptions import ClosedPoolError

from microcosm_pubsub.fast.trace_header import add_trace_header
from microcosm_pubsub.fast.transport.connection import Answer, Exchange, UnreadAnswer, read_unread
from microcosm_pubsub.fast.transport.credentials import find_credentials
from microcosm_pubsub.fast.transport.errors import FallBack
from microcosm_pubsub.fast.transport.interception import InterceptionCheck
from microcosm_pubsub.fast.transport.model import OPERATIONS, Model
from microcosm_pubsub.fast.transport.parts import TransportParts
from microcosm_pubsub.fast.transport.request_template import RequestTemplate
from microcosm_pubsub.fast.transport.route import find_way
from microcosm_pubsub.fast.transport.user_agent import keep_user_agent


#: An operation is learned in vain at most this often before it is left to botocore; once may be new credentials in
#: between.
MOST_LESSONS = 3

logger = getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FirstAttempt:
    """The end of the first attempt of a call."""

    invocation_id: str
    response: AWSResponse | None = None
    error: Exception | None = None


class Content:
    """The body of an answer that was read, as `AWSResponse` asks for it."""

    def __init__(self, content: bytes):
        self._content = content

    def stream(self) -> list[bytes]:
        return [self._content]


class CallState(local):
    """The state of a thread's call, by which botocore's events know of it."""

    first_attempt: FirstAttempt | None = None
    is_learning = False
    request: Any = None


class HotCalls:
    """The short way of one client."""

    def __init__(self, client: Any, parts: TransportParts, is_traced: bool = False):
        self.parts = parts
        self._client = client
        service, events = client.meta.service_model, client.meta.events
        self._service_id = service.service_id.hyphenize()
        self._models = {name: Model(service.operation_model(name), parts) for name in OPERATIONS[service.service_name]}
        self._templates: dict[str, RequestTemplate] = {}
        self._lessons: Counter[str] = Counter()
        self._session = client._endpoint.http_session
        self.read_timeout = self._session._timeout.read_timeout
        self.url = ""
        self._pool: Callable[[], Any] = lambda: None
        self._state = CallState()
        events.register(f"before-call.{self._service_id}", self.identify)
        events.register(f"before-send.{self._service_id}", self.replay)
        self.interception = InterceptionCheck(
            client, self._models, (self.identify, self.replay, add_trace_header), is_traced
        )
        # Calls that botocore makes profit from this.
        keep_user_agent(client)

    def begin(self, name: str, parameters: Any) -> Flight | None:
        """
        Send the request of a call, if all is as usual.

        :returns: what reads the answer, or None if botocore has to do the call
        """
        model = self._models.get(name)
        if model is None:
            return None
        try:
            if reason := self.interception.find_reason():
                raise FallBack(reason)
            template, pool = self._templates.get(name), self._pool()
            # `client.close()` leaves the pool to the garbage collection, and another one is made at the next call
            if template is None or pool is None or pool.pool is None:
                if self._lessons[name] >= MOST_LESSONS:
                    raise FallBack("its requests are not understood")
                self._state.is_learning = True
                return None
            request, invocation_id = template.make_request(model.dump(parameters), find_credentials(self._client))
            connection = self._take_connection(pool)
        except FallBack as reason:
            logger.debug("%s goes the way of boto3: %s", name, reason)
            return None
        flight = Flight(self, name, parameters, pool, connection, invocation_id)
        flight.exchange.send(request, self.read_timeout)
        return flight

    def forget_pool(self) -> None:
        """Find botocore's pool of connections anew, at the next call."""
        self._pool = lambda: None

    def _take_connection(self, pool: Any) -> Any:
        """Take a connection from botocore's pool that is open."""
        if self._client._endpoint.http_session is not self._session:
            raise FallBack("the HTTP session is another one")
        try:
            connection = pool._get_conn()
        except ClosedPoolError as error:
            raise FallBack("the connections were closed") from error
        if type(connection) not in (AWSHTTPConnection, AWSHTTPSConnection) or connection.sock is None:
            pool._put_conn(connection)
            raise FallBack("no connection is open")
        return connection

    def forget_learning(self) -> None:
        """Forget that this thread's next call was to be learned from."""
        self._state.is_learning = False

    def read(self, name: str, answer: Answer) -> dict[str, Any] | None:
        """Return boto3's answer, or None if botocore has to read it."""
        model = self._models[name]
        parsed = read_answer(model, answer)
        if parsed is not None:
            # This gives the retry quota what a success gives it.
            self._client.meta.events.emit(
                f"after-call.{self._service_id}.{name}",
                http_response=answer,
                parsed=parsed,
                model=model.operation,
                context={},
            )
        return parsed

    @contextmanager
    def hand_over(self, name: str, parameters: Any, first_attempt: FirstAttempt | None) -> Iterator[None]:
        """
        Let botocore do a call, and learn from it if there is something to learn.

        :param first_attempt: its end, if it was made already
        """
        state = self._state
        state.first_attempt = first_attempt
        try:
            yield
        finally:
            request, state.request = state.request, None
            state.first_attempt, state.is_learning = None, False
            if request is not None:
                self._learn(name, request, parameters)

    def _learn(self, name: str, request: Any, parameters: Any) -> None:
        self._lessons[name] += 1
        try:
            way, credentials = find_way(self._session, request.url), find_credentials(self._client)
            template = RequestTemplate(request, parameters, self._models[name], credentials, self.parts, way)
            if self.url not in ("", template.url):
                raise FallBack("its URL is another one")
            self._pool = ref(way.pool)
        except FallBack as reason:
            logger.debug("%s goes the way of boto3: %s", name, reason)
        except Exception:
            # Private names may go with any release of botocore, and calls must not go with them.
            logger.debug("%s goes the way of boto3: botocore is another one", name, exc_info=True)
        else:
            self._templates[name], self.url = template, template.url
            self._lessons[name] = 0

    def identify(self, context: dict[str, Any], **_: Any) -> None:
        """Let the attempts of a call have one invocation id (a handler of `before-call`)."""
        if self._state.first_attempt is not None:
            context["retries"] = {"invocation-id": self._state.first_attempt.invocation_id}

    def replay(self, request: Any, **_: Any) -> AWSResponse | None:
        """Give botocore the end of an attempt that was made already (a handler of `before-send`)."""
        state = self._state
        if state.is_learning:
            state.is_learning, state.request = False, request
        first_attempt, state.first_attempt = state.first_attempt, None
        if first_attempt is None:
            return None
        if first_attempt.error is not None:
            raise first_attempt.error
        return first_attempt.response


class Flight:
    """
    A call whose request was sent.

    Its caller reads until there is nothing more to read, waiting for it or coming back, and then asks for the answer,
    once. Without one, `find_first_attempt` tells botocore what happened, which goes on from there.
    """

    __slots__ = ("_calls", "_connection", "_first_attempt", "_invocation_id", "_pool", "exchange", "name", "parameters")

    def __init__(
        self, calls: HotCalls, name: str, parameters: Any, pool: Any, connection: Any, invocation_id: str
    ) -> None:
        self.exchange = Exchange(connection.sock)
        self.name, self.parameters = name, parameters
        self._calls, self._pool, self._connection = calls, pool, connection
        self._invocation_id = invocation_id
        self._first_attempt: FirstAttempt | None = None

    @property
    def sock(self) -> Any:
        """Return the socket on which the answer comes."""
        return self.exchange.sock

    @property
    def read_timeout(self) -> float | None:
        """Return for how many seconds its peer may be silent."""
        timeout: float | None = self._calls.read_timeout
        return timeout

    def read_answer(self) -> dict[str, Any] | None:
        """Return boto3's answer; None if botocore has to judge what came."""
        answer = self.exchange.result
        assert answer is not None
        if isinstance(answer, UnreadAnswer):
            return None
        self._return_connection(self.exchange.is_reusable)
        parsed = self._calls.read(self.name, answer)
        if parsed is None:
            response = AWSResponse(self._calls.url, answer.status_code, dict(answer.fields), Content(answer.content))
            self._first_attempt = FirstAttempt(self._invocation_id, response)
        return parsed

    def find_first_attempt(self) -> FirstAttempt:
        """Return the end of the first attempt, for botocore; waits for the rest of the answer, if there is more."""
        if self._first_attempt is None:
            arrived = self.exchange.result
            assert isinstance(arrived, UnreadAnswer)
            try:
                if arrived.error is None:
                    self.sock.settimeout(self.read_timeout)
                self._first_attempt = make_first_attempt(self.sock, arrived, self._calls.url, self._invocation_id)
            finally:
                self._return_connection(is_reusable=False)
        return self._first_attempt

    def give_up(self) -> None:
        """Wait for nothing more."""
        self._return_connection(is_reusable=False)

    def _return_connection(self, is_reusable: bool) -> None:
        if is_reusable:
            # botocore sends without a look at the socket's timeout.
            self.sock.settimeout(self.read_timeout)
        else:
            self._connection.close()
        self._pool._put_conn(self._connection if is_reusable else None)


def make_first_attempt(sock: Any, arrived: UnreadAnswer, url: str, invocation_id: str) -> FirstAttempt:
    try:
        return FirstAttempt(invocation_id, response=read_unread(sock, arrived, url))
    except HTTPClientError as error:
        return FirstAttempt(invocation_id, error=error)


def read_answer(model: Model, answer: Answer) -> dict[str, Any] | None:
    """Return boto3's answer, or None if botocore has to read it."""
    if answer.status_code != 200:
        return None
    try:
        parsed = model.load(answer.content, answer.headers)
    except Exception:
        # botocore reads the answer, or raises what is wrong with it.
        return None
    metadata = parsed["ResponseMetadata"]
    metadata["HTTPStatusCode"], metadata["HTTPHeaders"], metadata["RetryAttempts"] = 200, answer.headers, 0
    return parsed
