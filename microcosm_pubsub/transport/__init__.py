"""
A shorter way for the calls that are made for every few messages, behind the client that boto3 makes.

Most of what a call of boto3 costs is spent on making, over and over again, what is the same for every call. Here it is
made once, by botocore itself, and kept. Whatever is unusual, in a call, in its answer or in what listens to the client,
is botocore's to do. docs/explanation/transport.md tells more.
"""

from __future__ import annotations

from logging import getLogger
from typing import TYPE_CHECKING, Any

from microcosm_pubsub.transport.model import OPERATIONS
from microcosm_pubsub.transport.parts import TRANSPORTS, Parts, choose_parts, make_parts


if TYPE_CHECKING:
    from microcosm_pubsub.transport.calls import HotCalls

__all__ = ["TRANSPORTS", "Parts", "attach", "choose_parts", "client_transport", "make_parts"]

logger = getLogger(__name__)


class HotClient:
    """Stands before the class of a boto3 client, and answers what it can."""

    _hot_parts: Parts
    _hot_calls: HotCalls | None = None

    def _make_api_call(self, operation_name: str, api_params: Any) -> Any:
        calls = self._hot_calls
        if calls is None:
            return super()._make_api_call(operation_name, api_params)  # type: ignore[misc]
        answer = calls.answer(operation_name, api_params)
        if answer is not None:
            return answer
        with calls.hand_over(operation_name, api_params):
            return super()._make_api_call(operation_name, api_params)  # type: ignore[misc]


def attach(session: Any, parts: Parts) -> None:
    """Let the SQS and SNS clients that a boto3 session makes from now on take the short way, once they are started."""

    def put_before(class_attributes: dict[str, Any], base_classes: list[type], **_: Any) -> None:
        class_attributes["_hot_parts"] = parts
        base_classes.insert(0, HotClient)

    for service in OPERATIONS:
        session.events.register(f"creating-client-class.{service}", put_before)


def start(client: Any) -> None:
    """Start to answer the hot calls of a client of such a session."""
    try:
        # imports names of botocore that not all of its releases have
        from microcosm_pubsub.transport.calls import HotCalls

        client._hot_calls = HotCalls(client, client._hot_parts)
    except Exception as error:
        # names that are not public may go with any release of botocore; the client goes on without
        logger.info(
            "All calls of %s are made by boto3, of a release that is not known here: %r", type(client).__name__, error
        )


def client_transport(client: Any) -> str:
    """Tell the transport of a client: `socket`, `socket+orjson`, `crt`, `crt+orjson`, or `botocore`."""
    calls = client._hot_calls if isinstance(client, HotClient) else None
    return calls.parts.name if calls else "botocore"
