"""
The caller: `graph.pubsub_rpc.call("inventory.count", item="bolt", timeout_seconds=5)`.
"""

from __future__ import annotations

from asyncio import CancelledError, to_thread, wait_for, wrap_future
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from time import time
from typing import Any

from microcosm.api import typed

from microcosm_pubsub.calls.cleaning import ReplyQueues
from microcosm_pubsub.calls.combiner import Combiner
from microcosm_pubsub.calls.errors import InvalidParams, RpcTimeout
from microcosm_pubsub.calls.message import MAX_METHOD_LENGTH, VERSION, make_request_media_type, register_calls
from microcosm_pubsub.calls.open_request import OpenRequest
from microcosm_pubsub.calls.plain import to_plain
from microcosm_pubsub.calls.reply_queue import ReplyQueue
from microcosm_pubsub.clients import find_account_client
from microcosm_pubsub.codecs.codec import ENCODING_ERRORS
from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults
from microcosm_pubsub.errors import ConfigurationError, article
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.producer import PubsubMessage


#: A call waits for this many seconds at most, for which a queue can hide its request.
MAX_SECONDS = 12 * 60 * 60


class Rpc:
    """
    Call the methods of services.

    :param graph: gives the producer, and the client of queues
    :param prefix: with which the names of reply queues begin
    :param timeout_seconds: how long a call waits that does not say
    :param now: tells the time of day, in seconds since the epoch
    """

    def __init__(
        self, graph: PubSubGraph, prefix: str, timeout_seconds: float = 10.0, now: Callable[[], float] = time
    ) -> None:
        self.producer = graph.sns_producer
        self.schemas = graph.pubsub_message_schema_registry
        self.timeout_seconds = timeout_seconds
        self.now = now
        #: The media types of the services that were called, which are registered then.
        self._media_types: dict[str, str] = {}
        client = find_account_client(graph)
        self.queues = ReplyQueues(client, prefix)
        self.replies = ReplyQueue(client, self.queues, was_taken=find_was_taken(graph.sns_client))
        # A request must not wait for the commit of a handler's transaction, which would wait for its answer.
        self.requests = Combiner(self._publish_all, lambda message: message.size_bytes, "pubsub-requests")

    def call(self, method: str, /, *args: Any, timeout_seconds: float | None = None, **kwargs: Any) -> Any:
        """
        Call a method, and return its answer.

        :param method: as `service.method`
        :param args: its parameters by position, or
        :param kwargs: by name
        :param timeout_seconds: how long to wait; a service does not begin what nobody waits for any more
        :raises MethodNotFound: if the service has no such method
        :raises InvalidParams: if they do not fit it, or JSON cannot say them
        :raises RemoteError: if the method raised something; `RpcError` is the base of all
        :raises RpcTimeout: if no answer came in time
        :raises PublishError: if the request was not published
        """
        request_id, waiting, message = self._expect(method, args, kwargs, timeout_seconds)
        try:
            # One wait for both, for the request to be sent and to be answered, is one switch of threads less.
            self.requests.begin(message, partial(self._note_sent, request_id))
            if waiting.wait(waiting.seconds):
                return waiting.get()
            # An answer that has just come is its thread's, once others have woken each other.
            if not self.replies.forget(request_id) and waiting.wait(waiting.seconds):
                return waiting.get()
            raise RpcTimeout(method, waiting.seconds, self.replies.find_taken(waiting))
        finally:
            self.replies.forget(request_id)
            waiting.pass_on()

    def call_soon(self, method: str, /, *args: Any, timeout_seconds: float | None = None, **kwargs: Any) -> Future[Any]:
        """
        Call a method, and return a future of its answer, which has `RpcTimeout` two seconds after its time at most.

        The parameters and errors are those of `call`.
        """
        future: Future[Any] = Future()
        self._begin(method, args, kwargs, timeout_seconds, future)
        return future

    async def call_async(self, method: str, /, *args: Any, timeout_seconds: float | None = None, **kwargs: Any) -> Any:
        """
        Call a method from a coroutine, and return its answer; the event loop goes on meanwhile.

        The parameters and errors are those of `call`.
        """
        future: Future[Any] = Future()
        try:
            waiting = await to_thread(self._begin, method, args, kwargs, timeout_seconds, future)
        except CancelledError:
            # The thread sends the request nevertheless, and would have its answer waited for.
            future.cancel()
            raise
        try:
            # Who reads the answers may be at a receive for longer than this call waits.
            return await wait_for(wrap_future(future), waiting.deadline - self.replies.clock())
        except RpcTimeout:
            raise
        except TimeoutError:
            taken = await to_thread(self.replies.find_taken, waiting)
            raise RpcTimeout(method, waiting.seconds, taken) from None

    def notify(self, method: str, /, *args: Any, **kwargs: Any) -> None:
        """
        Call a method, and want no answer.

        :raises InvalidParams: if JSON cannot say the parameters
        :raises PublishError: if the request was not published
        """
        self.producer.publish_message(self._create(method, make_params(method, args, kwargs), {}))

    def service(self, name: str, timeout_seconds: float | None = None) -> Proxy:
        """
        Return a service as if it were here: `rpc.service("inventory").count(item="bolt")`.

        :param timeout_seconds: how long each call waits that does not say
        """
        make_request_media_type(name)
        return Proxy(self, name, timeout_seconds)

    def gauges(self) -> Mapping[str, float]:
        """Return how many calls wait, and how many answers came, came late or to nobody, or could not be read."""
        return self.replies.gauges()

    def close(self) -> None:
        """Delete the reply queue; calls that wait raise `RpcTimeout`."""
        self.replies.close()

    # Internals.

    def _begin(
        self,
        method: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        timeout_seconds: float | None,
        future: Future[Any],
    ) -> OpenRequest:
        """Send a request whose answer a future gets, and return the open request."""
        request_id, waiting, message = self._expect(method, args, kwargs, timeout_seconds, future)
        try:
            self.requests.send(message)
        except BaseException:
            self.replies.forget(request_id)
            raise
        return waiting

    def _expect(
        self,
        method: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        timeout_seconds: float | None,
        future: Future[Any] | None = None,
    ) -> tuple[str, OpenRequest, PubsubMessage]:
        """Return the id of a request, the open request, and the message that is to be sent."""
        seconds = self.timeout_seconds if timeout_seconds is None else timeout_seconds
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= MAX_SECONDS:
            raise ConfigurationError(
                f"{method}: timeout_seconds is {seconds!r:.50}, but must be a number of seconds above 0, and "
                f"{MAX_SECONDS} (12 hours) at most"
            )
        params = make_params(method, args, kwargs)
        request_id, queue, waiting = self.replies.expect(method, seconds, future)
        more = {"id": request_id, "reply_to": queue, "deadline": self.now() + seconds}
        try:
            return request_id, waiting, self._create(method, params, more)
        except BaseException:
            self.replies.forget(request_id)
            raise

    def _note_sent(self, request_id: str, error: Exception | None) -> None:
        if error is not None:
            self.replies.fail(request_id, error)

    def _create(self, method: str, params: Any, more: dict[str, Any]) -> PubsubMessage:
        service, dot, name = method.rpartition(".") if isinstance(method, str) else ("", "", "")
        if not dot or not 0 < len(name) <= MAX_METHOD_LENGTH:
            raise ConfigurationError(
                f"Cannot call {method!r:.100}: name a method as service.method, the method by {MAX_METHOD_LENGTH} "
                "characters at most"
            )
        media_type = self._media_types.get(service) or self._register(service)
        call = {"jsonrpc": VERSION, "method": name, "params": params, **more}
        message: PubsubMessage = self.producer.create_message(media_type, call)
        return message

    def _register(self, service: str) -> str:
        media_type = self._media_types[service] = make_request_media_type(service)
        register_calls(self.schemas, media_type)
        return media_type

    def _publish_all(self, messages: Sequence[PubsubMessage]) -> list[Exception | None]:
        results = self.producer.produce_batch(messages)
        for message, result in zip(messages, results, strict=True):
            self.replies.note_published(message.content.get("id"), result.message_id)
        return [result.error for result in results]


class Proxy:
    """
    A service as if it were here: its attributes are its methods, which take `timeout_seconds` as `call` does.

    :param rpc: calls them
    :param name: of the service
    :param timeout_seconds: how long each call waits that does not say
    """

    def __init__(self, rpc: Rpc, name: str, timeout_seconds: float | None = None) -> None:
        self._rpc = rpc
        self._name = name
        self._timeout_seconds = timeout_seconds

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)

        def method(*args: Any, timeout_seconds: float | None = None, **kwargs: Any) -> Any:
            seconds = self._timeout_seconds if timeout_seconds is None else timeout_seconds
            return self._rpc.call(f"{self._name}.{name}", *args, timeout_seconds=seconds, **kwargs)

        method.__name__ = name
        return method


def make_params(method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """
    Return parameters as JSON-RPC has them: by position, or by name.

    :raises InvalidParams: if they are given in both ways, or JSON cannot say one
    """
    if args and kwargs:
        raise refuse_params(method, "parameters go by position or by name, and not both ways in one call")
    named: dict[Any, Any] = dict(enumerate(args)) if args else kwargs
    for name, value in named.items():
        try:
            named[name] = to_plain(value)
        except ENCODING_ERRORS as error:
            problem = f"parameter {name} is {article(value)}, which cannot be written as JSON ({error})"
            raise refuse_params(method, problem) from error
    return list(named.values()) if args else named


def refuse_params(method: str, problem: str) -> InvalidParams:
    """Return the error of a call that cannot be made with its parameters."""
    error = InvalidParams(f"{method}: {problem}")
    error.method = method
    return error


def find_was_taken(client: Any) -> Callable[[str], bool | None]:
    """Return what tells whether somebody has received a message, by its id; a client of SNS knows of none."""
    follow = getattr(client, "follow", None)
    if follow is None:
        return lambda message_id: None
    follow()
    was_taken: Callable[[str], bool | None] = client.was_taken
    return was_taken


@defaults(
    timeout_seconds=typed(values.number("pubsub_rpc.timeout_seconds", 0.001, MAX_SECONDS), default_value=10.0),
)
def configure_pubsub_rpc(graph: PubSubGraph) -> Rpc:
    """
    Configure the caller of a graph, bound as `pubsub_rpc`.

    Config `timeout_seconds` is how long a call waits that does not say; `pubsub_replies.prefix` begins the names of
    reply queues.
    """
    return Rpc(graph, graph.pubsub_replies.reply.prefix, graph.config.pubsub_rpc.timeout_seconds)
