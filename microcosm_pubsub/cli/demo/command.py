"""
The command `pubsub demo`.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from json import dumps
from os import environ
from pathlib import Path
from signal import SIGTERM
from subprocess import STDOUT, Popen
from time import monotonic, sleep
from typing import Any

from marshmallow import ValidationError
from rich.console import Console
from rich.progress import Progress

from microcosm_pubsub.broker.clients import BrokerClients
from microcosm_pubsub.broker.factory import open_broker
from microcosm_pubsub.broker.inspection import list_messages
from microcosm_pubsub.cli.demo.daemon import LAYER
from microcosm_pubsub.cli.demo.ledger import Ledger, count_outcomes, count_retries
from microcosm_pubsub.cli.demo.orders import find_daemon, make_texts, read_texts
from microcosm_pubsub.cli.demo.run import Run
from microcosm_pubsub.clients.protocols import AdminTopicClient
from microcosm_pubsub.constants import MAX_BATCH_ENTRIES, MEDIA_TYPE_ATTRIBUTE
from microcosm_pubsub.conventions import created
from microcosm_pubsub.dead_letters import Reason
from microcosm_pubsub.envelope import find_media_type, load_object
from microcosm_pubsub.errors import PubSubError


QUEUE = "orders"
DEAD_LETTERS = "orders-dead-letters"

START_TIMEOUT_SECONDS = 30.0


def add_flags(parser: ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("--messages", type=at_least_ten, default=500, metavar="N", help="how many; 500 by default")
    parser.add_argument("--input", metavar="FILE", help="publish the JSON lines of a file instead")
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path(".pubsub-demo"),
        metavar="DIR",
        help="for the broker's file and the logs; an interrupted run goes on from there; .pubsub-demo by default",
    )
    parser.add_argument("--timeout-seconds", type=float, default=120, metavar="S", help="give up after; 120 by default")
    parser.add_argument("--json", action="store_true", help="print the result for a machine")
    parser.add_argument("--debug", action="store_true", help="log what is called")
    parser.set_defaults(call=main)


def at_least_ten(text: str) -> int:
    """Read a number of messages."""
    if not text.isdigit() or int(text) < 10:
        raise ArgumentTypeError("must be a whole number, at least 10")
    return int(text)


def main(args: Namespace) -> int:
    """Run the demonstration, and return 0 if every message is accounted for."""
    # People read the progress on stderr; stdout is left to the result.
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    run = Run(args.directory.resolve())
    if run.is_unfinished:
        console.print("An earlier run was interrupted: going on with its messages")
        run.stop_daemon()
    else:
        run.begin(read_texts(args.input) if args.input else make_texts(args.messages))
    ledger = demonstrate(run, args.timeout_seconds, console)
    if args.json:
        print(dumps(ledger.to_dict()))
    else:
        Console().print(ledger.to_table())
    console.print(f"The broker's file and the daemon's log are in {run.directory}")
    if ledger.queued:
        console.print("The queue is not empty: start it again to go on")
        return 1
    run.finish()
    if not ledger.adds_up:
        console.print("Not every message is accounted for")
        return 1
    return 0


def demonstrate(run: Run, timeout_seconds: float, console: Console) -> Ledger:
    """Publish messages, let the daemon handle them, and return the account of all of them."""
    texts = run.read_texts()
    clients = open_broker(run.broker_url)
    sqs, sns = clients.queue_client, clients.topic_client.client
    topic_arn = clients.default_topic_arn
    # Count before the daemon starts, which sends messages to the dead-letter queue too.
    published = run.find_published(count_published(clients), MAX_BATCH_ENTRIES)
    with run_daemon(run) as daemon, Progress(console=console) as progress:
        console.print(f"The daemon of {find_daemon()} runs as process {daemon.pid}, on {run.broker_url}")
        wait_until(lambda: is_subscribed(sns, topic_arn) or daemon.poll() is not None, START_TIMEOUT_SECONDS)
        announce(console, f"Publishing {len(texts)} messages")
        task = progress.add_task("Publishing", total=len(texts))
        progress.advance(task, published)
        for start in range(published, len(texts), MAX_BATCH_ENTRIES):
            run.write_progress(start, count_published(clients))
            chunk = texts[start : start + MAX_BATCH_ENTRIES]
            publish(sns, topic_arn, chunk)
            progress.advance(task, len(chunk))
        announce(console, "Handling them")
        task = progress.add_task("Handling", total=len(texts))

        def is_done() -> bool:
            depth = count_messages(sqs, QUEUE)
            progress.update(task, completed=len(texts) - depth)
            return depth == 0 or daemon.poll() is not None

        wait_until(is_done, timeout_seconds)
    # An early SIGTERM finds a daemon that cannot answer it yet, and holds no messages.
    if daemon.returncode not in (0, -SIGTERM):
        raise PubSubError(f"The daemon exited with code {daemon.returncode}; see {run.daemon_log}")
    outcomes = count_outcomes(run.ledger.read_text().splitlines() if run.ledger.exists() else [])
    ledger = Ledger(
        published=len(texts),
        handled=outcomes["handled"],
        skipped=outcomes["skipped"],
        unsubscribed=len(texts) - count_published(clients),
        retried=count_retries(run.daemon_log.read_text()),
        # A message that was sent there before a SIGKILL, and again after it, is there twice.
        dead_lettered=len(set(list_dead_letters(clients))),
        queued=count_messages(sqs, QUEUE),
    )
    clients.close()
    return ledger


@contextmanager
def run_daemon(run: Run) -> Iterator[Popen[bytes]]:
    """Run the example daemon in a process of its own while the block runs; then stop it, as an operator would."""
    settings = {
        "ORDERS__PUBSUB_MIDDLEWARE__NAMES": LAYER,
        "ORDERS__PUBSUB_WORKER__VISIBILITY_TIMEOUT_SECONDS": "5",
        "ORDERS__SQS_CONSUMER__WAIT_SECONDS": "1",
        "ORDERS__SQS_CONSUMER__MESSAGE_RETRY_VISIBILITY_TIMEOUT_SECONDS": "1",
    }
    flags = ["--broker-url", run.broker_url, "--sqs-queue-url", QUEUE]
    with run.daemon_log.open("ab") as log:
        daemon = Popen(
            [sys.executable, "-m", "microcosm_pubsub.cli.demo.daemon", str(run.ledger), str(find_daemon()), *flags],
            env={**environ, **settings},
            stdout=log,
            stderr=STDOUT,
        )
        run.pid.write_text(str(daemon.pid))
        try:
            yield daemon
        finally:
            if daemon.poll() is None:
                daemon.send_signal(SIGTERM)
            daemon.wait()
            run.pid.unlink()


def announce(console: Console, text: str) -> None:
    """Tell what begins, where there is no terminal on which a progress bar would show it."""
    if not console.is_terminal:
        console.print(text)


def publish(sns: AdminTopicClient, topic_arn: str, texts: list[str]) -> None:
    """
    Publish texts as they are, all or none of them: a producer would refuse the malformed ones.

    :raises PubSubError: if the topic did not take one
    """
    answer = sns.publish_batch(
        TopicArn=topic_arn,
        PublishBatchRequestEntries=[
            {
                "Id": str(index),
                "Message": text,
                "MessageAttributes": {
                    MEDIA_TYPE_ATTRIBUTE: {"DataType": "String", "StringValue": guess_media_type(text)}
                },
            }
            for index, text in enumerate(texts)
        ],
    )
    if answer.get("Failed"):
        raise PubSubError(f"Cannot publish to {topic_arn}: {answer['Failed'][0]['Code']}")


def guess_media_type(text: str) -> str:
    """Return the media type of a text; that of a new order if it tells none, so that the daemon gets to see it."""
    try:
        return find_media_type(load_object(text, "line"), None)
    except (PubSubError, ValidationError):
        return created("order")


def is_subscribed(sns: AdminTopicClient, topic_arn: str) -> bool:
    """Return whether a topic is there and has a subscription: before that, messages to it go nowhere."""
    try:
        return bool(sns.list_subscriptions_by_topic(TopicArn=topic_arn)["Subscriptions"])
    except sns.exceptions.NotFoundException:
        return False


def list_dead_letters(clients: BrokerClients) -> list[str]:
    """Return the id that each message of the dead-letter queue had in its queue."""
    if count_messages(clients.queue_client, DEAD_LETTERS) == 0:
        return []
    reasons = [
        Reason.from_attributes(message.message_attributes) for message in list_messages(clients.broker, DEAD_LETTERS)
    ]
    return [str(reason.message_id) for reason in reasons if reason is not None]


def count_published(clients: BrokerClients) -> int:
    """
    Return how many messages came into the queue by way of the topic.

    While the daemon runs, it may be a few too many: the dead letters that it sends between the two questions. With
    the daemon stopped it is exact.
    """
    given_up = len(list_dead_letters(clients))
    return clients.broker.count_sent() - given_up


def count_messages(sqs: Any, queue_name: str) -> int:
    """Return how many messages a queue holds: visible, hidden and delayed."""
    names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
    try:
        answer = sqs.get_queue_attributes(QueueUrl=queue_name, AttributeNames=names)
    except sqs.exceptions.QueueDoesNotExist:
        return 0
    return sum(int(answer["Attributes"][name]) for name in names)


def wait_until(condition: Callable[[], bool], timeout_seconds: float) -> None:
    """Wait for a condition, looking again ten times a second, but not for longer than a while."""
    deadline = monotonic() + timeout_seconds
    while not condition() and monotonic() < deadline:
        sleep(0.1)
