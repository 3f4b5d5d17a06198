"""
`pubsub dlq run`: one message through its real handler, in this process.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pdb import Pdb
from threading import Event, Thread
from traceback import print_exception
from typing import Any

from microcosm_pubsub.cli.dlq.session import Session, open_session, print_json
from microcosm_pubsub.cli.run import find_daemon
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.daemon.start_error import GRAPH_ERRORS, describe
from microcosm_pubsub.dead_letters.reason import Reason
from microcosm_pubsub.dead_letters.scan import Scan
from microcosm_pubsub.errors import PubSubError
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.message.raw import RawMessage
from microcosm_pubsub.middleware.handler_call import is_async
from microcosm_pubsub.reader import LAMBDA
from microcosm_pubsub.result import MessageHandlingResult, MessageHandlingResultType, find_user_frames
from microcosm_pubsub.types import Handler, Handlers


#: After these outcomes there is nothing left to do for a message.
DONE = (MessageHandlingResultType.SUCCEEDED, MessageHandlingResultType.SKIPPED)


def run(args: Namespace) -> int:
    """Handle one message, and delete it if it is done and that is asked for."""
    daemon = find_daemon(args)()
    with open_session(args, deferred=False) as session:
        queue = session.find_queue_to_receive_from()
        with session.scan(queue) as scan:
            raw = next((raw for raw in scan if is_named(raw, args.id)), None)
            scan.release(keeping=raw)
            if raw is None:
                raise PubSubError(
                    f"Message {args.id} is not among those of {queue.name} that can be received: look with pubsub dlq "
                    "peek; one that was just received may be hidden for a while"
                )
            make_graph(daemon, args)
            with keep(scan):
                message, result = handle(daemon, raw, args.debugger)
            done = result.outcome in DONE and message.error is None
            deleted = args.ack and done and not scan.delete([raw])
        session.note_unreleased(scan)
    report(args, session, message, result, deleted)
    return 0 if done and deleted == args.ack else 1


def is_named(raw: RawMessage, name: str) -> bool:
    """Return whether a message has an id: its own, or the one that it had in the queue that it came from."""
    reason = Reason.from_attributes(raw.get("MessageAttributes"))
    return name in (raw["MessageId"], reason.message_id if reason is not None else None)


def make_graph(daemon: ConsumerDaemon, args: Namespace) -> None:
    """
    Give a daemon its graph, without a queue: so it makes none, and subscribes to nothing.

    :raises PubSubError: if it cannot be made
    """
    daemon.args = Namespace(
        debug=False, testing=False, sqs_queue_url=LAMBDA, broker_url=args.broker_url, envelope=args.envelope
    )
    try:
        daemon.graph = daemon.create_object_graph(daemon.args)
    except GRAPH_ERRORS as error:
        raise PubSubError(f"Cannot make the graph of {daemon.name}: {describe(error)}") from error


def handle(daemon: ConsumerDaemon, raw: RawMessage, debugger: bool) -> tuple[SQSMessage, MessageHandlingResult]:
    """Run the handler of a message; settle nothing."""
    graph = daemon.graph
    handlers: Handlers = daemon.bound_handlers
    if debugger:
        handlers = {media_type: under_debugger(handler) for media_type, handler in handlers.items()}
    # The message was received too often before it came here, and must not be refused for that.
    attributes = {**(raw.get("Attributes") or {}), "ApproximateReceiveCount": "1"}
    message = graph.sqs_consumer.read({**raw, "Attributes": attributes})
    return message, graph.sqs_message_dispatcher.run(message, handlers)


class Debugged:
    """Stop at the first line of a handler; its other attributes stay."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        #: The options of the handler are found by this.
        self.__wrapped__ = handler

    def __call__(self, content: Any) -> Any:
        """Call the handler."""
        return Pdb().runcall(self.handler, content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.handler, name)


class DebuggedCoroutine(Debugged):
    """Stop before a handler that is awaited."""

    async def __call__(self, content: Any) -> Any:
        """Call the handler; `step` goes into it."""
        Pdb().set_trace()
        return await self.handler(content)


def under_debugger(handler: Handler) -> Handler:
    """Return a handler that stops where it begins."""
    return DebuggedCoroutine(handler) if is_async(handler) else Debugged(handler)


@contextmanager
def keep(scan: Scan) -> Iterator[None]:
    """Keep the held messages hidden while the block runs, however long a handler, or somebody at a debugger, takes."""
    ended = Event()

    def keep_on() -> None:
        while not ended.wait(scan.visibility_seconds / 4):
            scan.keep()

    thread = Thread(target=keep_on, name="keep-hidden", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def report(
    args: Namespace, session: Session, message: SQSMessage, result: MessageHandlingResult, deleted: bool
) -> None:
    """Print the result."""
    error = result.exc_info[1] if result.exc_info else None
    if args.json:
        print_json(
            {
                "message_id": message.message_id,
                "media_type": message.media_type,
                "outcome": result.outcome.name,
                "error": type(error).__name__ if error else None,
                "reason": result.extra.get("reason"),
                "elapsed_ms": result.elapsed_time,
                "deleted": deleted,
            }
        )
    else:
        why = result.extra.get("reason")
        told = f"{result.outcome.name}: {message.media_type} in {result.elapsed_time or 0:.0f} ms"
        print(f"{told}: {why}" if why else told)
    if error is not None:
        print_exception(error.with_traceback(find_user_frames(error.__traceback__)))
    session.note("It is deleted" if deleted else "It stays in the dead-letter queue")
