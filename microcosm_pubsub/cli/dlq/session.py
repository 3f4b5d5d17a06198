"""
The session that these commands share: the client, the queue, and where to write what.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from json import dumps
from typing import Any

from microcosm.api import create_object_graph, load_each, load_from_dict
from rich.console import Console

from microcosm_pubsub.broker.factory import open_broker
from microcosm_pubsub.cli.dlq.interrupts import Interrupts
from microcosm_pubsub.cli.flags import find_broker_url
from microcosm_pubsub.cli.run import find_daemon
from microcosm_pubsub.clients import (
    CLIENT_ERRORS,
    CREDENTIALS_ADVICE,
    endpoint_of,
    error_code,
    make_client,
    region_of,
)
from microcosm_pubsub.clients.protocols import AdminQueueClient
from microcosm_pubsub.consumer import resolve_queue_url
from microcosm_pubsub.dead_letters.letter import Letter, read_letter
from microcosm_pubsub.dead_letters.scan import WAIT_SECONDS, Scan
from microcosm_pubsub.dead_letters.sources import QueueInfo, describe_queue, find_dead_letter_queue, name_of
from microcosm_pubsub.envelope import SQSEnvelope
from microcosm_pubsub.errors import ConfigurationError, PubSubError
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.message.raw import RawMessage
from microcosm_pubsub.reader import LAMBDA


@dataclass
class Session:
    """
    The client, the queue and the console of a command.

    :param client: boto3's SQS client, or one like it
    :param console: for people; what a machine reads goes to stdout
    :param interrupts: tells whether to stop
    :param wait_seconds: how long a receive waits for a first message
    """

    args: Namespace
    client: AdminQueueClient
    console: Console
    interrupts: Interrupts
    wait_seconds: int = WAIT_SECONDS

    def resolve(self, name_or_url: str) -> str:
        """Return the URL of a queue that is given by its URL or its name."""
        return resolve_queue_url(self.client, name_or_url, testing=False)

    def find_queue(self) -> QueueInfo:
        """Return the dead-letter queue: the one that is named, or the only one that there is."""
        if not self.args.queue_url:
            queue = describe_queue(self.client, find_dead_letter_queue(self.client))
            self.note(f"The only dead-letter queue here is {queue.name}")
            return queue
        url = self.resolve(self.args.queue_url)
        try:
            return describe_queue(self.client, url)
        except CLIENT_ERRORS as error:
            if "AccessDenied" not in error_code(error):
                raise
            self.note("sqs:GetQueueAttributes is not allowed: nobody knows how much there is, or what a look costs")
            return QueueInfo(url, "", 0, 0, 0, None)

    def find_queue_to_receive_from(self) -> QueueInfo:
        """
        Return the dead-letter queue, unless receiving from it may do harm.

        :raises ConfigurationError: if its messages are moved on when they are received too often
        """
        queue = self.find_queue()
        if queue.target_arn is not None and not self.args.spend_attempts:
            raise ConfigurationError(
                f"Queue {queue.name} has a redrive policy itself: what is received from it too often goes to "
                f"{name_of(queue.target_arn)}, and each look is a receive. If that queue is the one you mean, name it "
                "with --queue-url; else give --spend-attempts too"
            )
        return queue

    def scan(self, queue: QueueInfo, limit: int | None = None) -> Scan:
        """Return the scan that receives the messages of a queue, as a context manager."""
        return Scan(
            self.client,
            queue.url,
            limit=limit,
            stopped=lambda: self.interrupts.is_set,
            wait_seconds=self.wait_seconds,
        )

    def note(self, text: str) -> None:
        """Tell people something, beside the result."""
        self.console.print(text, style="dim", markup=False)

    def note_scan(self, scan: Scan, queue: QueueInfo) -> None:
        """Tell of the messages that were not seen, and of the cost of looking."""
        if scan.hidden:
            self.note(f"{scan.hidden} more are hidden: somebody has received them, or looks at them")
        if scan.fifo and scan.is_short:
            self.note("Of each group of a FIFO queue, the first ten at most can be seen at a time")
        elif scan.is_short and not self.interrupts.is_set:
            self.note(f"Of about {scan.expected}, {scan.seen} could be received: look again in a minute")
        if scan.seen:
            harm = (
                f"on its way to {name_of(queue.target_arn)}" if queue.target_arn else "which does no harm in this queue"
            )
            self.note(f"Each look adds 1 to a message's receive count, {harm}")

    def note_unreleased(self, scan: Scan) -> None:
        """Tell of the messages that could not be released, when the scan is over."""
        if scan.unreleased:
            self.note(f"{scan.unreleased} could not be released; they are hidden for {scan.visibility_seconds} s more")


@contextmanager
def open_session(args: Namespace, deferred: bool = True) -> Iterator[Session]:
    """
    Give a command its session, until it ends.

    :param deferred: whether the command itself asks for interrupts; otherwise they raise `KeyboardInterrupt`
    :raises PubSubError: if a call fails
    """
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    broker_url = find_broker_url(args)
    broker = open_broker(broker_url) if broker_url else None
    try:
        client = broker.queue_client if broker is not None else make_queue_client(args)
        with Interrupts(deferred) as interrupts:
            # The broker's receives look at all of a queue at once; those of SQS do if they wait.
            yield Session(args, client, console, interrupts, WAIT_SECONDS if broker is None else 0)
    except CLIENT_ERRORS as error:
        raise PubSubError(explain(error)) from error
    finally:
        if broker is not None:
            broker.close()


def make_queue_client(args: Namespace) -> Any:
    """Return the client that the flags choose."""
    queue_url = getattr(args, "queue_url", None) or getattr(args, "to", None)
    return make_client(
        "sqs",
        profile_name=args.profile,
        region_name=args.region or region_of(queue_url),
        endpoint_url=args.endpoint_url or endpoint_of(queue_url),
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=10,
        max_attempts=5,
    )


def explain(error: Exception) -> str:
    """Return in one line the meaning of a failed call."""
    operation = getattr(error, "operation_name", None)
    text = " ".join(str(error).split())
    if "Credentials" in type(error).__name__:
        text = f"{text}; {CREDENTIALS_ADVICE}"
    return f"{operation} failed: {error_code(error)}; {text}" if operation else text


def make_envelope(args: Namespace) -> SQSEnvelope:
    """Return the envelope that decodes bodies: that of the named daemon, or one by the schemas of the named modules."""
    for name in args.imports or ():
        load_module(name)
    config: dict[str, Any] = {"sqs_envelope": {"strategy_name": args.envelope}} if args.envelope else {}
    if args.daemon is None:
        graph: PubSubGraph = create_object_graph("pubsub", loader=load_from_dict(config))
        return graph.sqs_envelope
    daemon = find_daemon(args)()
    # No queue is read.
    daemon.args = Namespace(debug=False, testing=False, sqs_queue_url=LAMBDA)
    loader = load_each(daemon.loader, load_from_dict(config))
    graph = create_object_graph(daemon.name, loader=loader)
    return graph.sqs_envelope


def load_module(name: str) -> None:
    """
    Import a module, which registers its schemas.

    :raises ConfigurationError: if it cannot be found
    """
    sys.path.insert(0, "")
    try:
        import_module(name)
    except (ModuleNotFoundError, ValueError, TypeError) as error:
        raise ConfigurationError(
            f"Cannot import {name!r}: {error}; name a module with --import, such as shop.orders"
        ) from error


def make_reader(args: Namespace) -> Callable[[RawMessage], Letter]:
    """Return the function that turns a raw message into a letter."""
    return partial(read_letter, envelope=make_envelope(args))


def print_json(value: Any) -> None:
    """Write a line for a machine."""
    sys.stdout.write(dumps(value) + "\n")
    sys.stdout.flush()
