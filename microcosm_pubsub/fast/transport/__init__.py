"""
A shorter way for the calls that are made for every few messages, behind the client that boto3 makes.

Most of what a call of boto3 costs is spent on making, over and over again, what is the same for every call. Here it is
made once, by botocore itself, and kept. Whatever is unusual, in a call, in its answer or in what listens to the client,
is botocore's to do. docs/explanation/transport.md tells more.

    hot call            a call of an operation that is called for every few messages
    short way           how a hot call is made here; `HotCalls` has that of one client
    request template    makes the requests of one operation, learned from one that botocore made
    interception        anybody but botocore who must see the calls; then all of them are botocore's
    flight              a hot call that was sent, and whose answer is waited for
    unread answer       what arrived of an answer that is not understood here; botocore reads it from its first byte
    fall back           leave a call to botocore
"""

from __future__ import annotations

from logging import getLogger
from typing import TYPE_CHECKING, Any

from microcosm_pubsub.fast.transport.model import OPERATIONS
from microcosm_pubsub.fast.transport.parts import TRANSPORTS, TransportParts, choose_parts, make_parts


if TYPE_CHECKING:
    from microcosm_pubsub.fast.transport.hot_calls import Flight, HotCalls

__all__ = [
    "TRANSPORTS",
    "TransportParts",
    "attach",
    "begin_call",
    "choose_parts",
    "client_transport",
    "find_hindrance",
    "finish_call",
    "forget_connections",
    "make_parts",
    "start",
]

logger = getLogger(__name__)


class HotClient:
    """Stands before the class of a boto3 client, and answers the calls that it can."""

    _hot_parts: TransportParts
    _hot_calls: HotCalls | None = None

    def _make_api_call(self, operation_name: str, api_params: Any) -> Any:
        calls = self._hot_calls
        if calls is None:
            return super()._make_api_call(operation_name, api_params)  # type: ignore[misc]
        flight = calls.begin(operation_name, api_params)
        if flight is not None:
            flight.exchange.read()
            answer = flight.read_answer()
            if answer is not None:
                return answer
        return self._call_botocore(calls, operation_name, api_params, flight)

    def _call_botocore(self, calls: HotCalls, operation_name: str, api_params: Any, flight: Flight | None) -> Any:
        """Let botocore do a call, from its beginning or from where it got to."""
        first_attempt = flight.find_first_attempt() if flight is not None else None
        with calls.hand_over(operation_name, api_params, first_attempt):
            return super()._make_api_call(operation_name, api_params)  # type: ignore[misc]


def attach(session: Any, parts: TransportParts) -> None:
    """Let the SQS and SNS clients that a boto3 session makes from now on take the short way, once they are started."""

    def put_before(class_attributes: dict[str, Any], base_classes: list[type], **_: Any) -> None:
        class_attributes["_hot_parts"] = parts
        base_classes.insert(0, HotClient)

    for service in OPERATIONS:
        session.events.register(f"creating-client-class.{service}", put_before)


def start(client: Any, is_traced: bool = False) -> None:
    """
    Start to answer the hot calls of a client of such a session.

    :param is_traced: whether its calls have spans of our own, in the place of those of OpenTelemetry's instrumentation
    """
    try:
        # These import names of botocore that a release may lack.
        from microcosm_pubsub.fast.transport.hot_calls import HotCalls
        from microcosm_pubsub.fast.transport.names import look_for_names

        look_for_names(client)
        client._hot_calls = HotCalls(client, client._hot_parts, is_traced)
    except Exception as error:
        # Private names may go with any release of botocore; the client goes on without the short way.
        logger.info(
            "All calls of %s are made by boto3, of a release that is not known here: %r", type(client).__name__, error
        )


def forget_connections(client: Any) -> None:
    """Have a client find its pool of connections anew, as in a forked child."""
    calls = client._hot_calls if isinstance(client, HotClient) else None
    if calls is not None:
        calls.forget_pool()


def begin_call(client: Any, method: str, parameters: Any) -> Flight | None:
    """
    Begin a call of a client without waiting for its answer.

    The caller makes its `sock` not block, calls `exchange.read()` whenever something has arrived, until it returns
    True, then asks for `read_answer()`, and if that is None for `finish_call()`.

    :param method: the name of the client's method, such as `receive_message`
    :returns: None if the client has no short way for it, or botocore has to do it: call the method
    """
    calls = client._hot_calls if isinstance(client, HotClient) else None
    # A method that somebody has replaced has to be called.
    if calls is None or not vars(client).keys().isdisjoint((method, "_make_api_call")):
        return None
    flight = calls.begin(client.meta.method_to_api_mapping[method], parameters)
    if flight is None:
        # Another thread may finish the call.
        calls.forget_learning()
    return flight


def finish_call(client: Any, flight: Flight) -> Any:
    """
    Let botocore finish a call from where it got to: with its errors, and other attempts if any are left.

    :raises Exception: what the client's method would raise
    """
    return client._call_botocore(client._hot_calls, flight.name, flight.parameters, flight)


def client_transport(client: Any) -> str:
    """Return the transport of a client: `socket`, `socket+orjson`, `crt`, `crt+orjson`, or `botocore`."""
    calls = client._hot_calls if isinstance(client, HotClient) else None
    return calls.parts.name if calls else "botocore"


def find_hindrance(client: Any) -> str | None:
    """Return why the hot calls of a client that has a short way are boto3's at the moment, if they are."""
    calls = client._hot_calls if isinstance(client, HotClient) else None
    return calls.interception.find_reason() if calls else None
