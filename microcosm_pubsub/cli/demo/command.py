"""
The command `pubsub demo`.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from json import dumps
from os import environ
from pathlib import Path
from signal import SIGTERM
from subprocess import STDOUT, Popen
from tempfile import mkdtemp
from typing import Any

from marshmallow import ValidationError
from rich.console import Console
from rich.progress import Progress

from microcosm_pubsub.cli.demo.engine import (
    ENVIRONMENT,
    Resources,
    count_messages,
    create_resources,
    make_local_client,
    run_engine,
    wait_until,
)
from microcosm_pubsub.cli.demo.ledger import Ledger, read_ledger
from microcosm_pubsub.cli.demo.orders import find_daemon, make_texts, read_texts
from microcosm_pubsub.constants import MAX_BATCH_ENTRIES, MEDIA_TYPE_ATTRIBUTE
from microcosm_pubsub.envelope import find_media_type, load_object
from microcosm_pubsub.errors import PubSubError


#: Twice more after the first attempt, then to the dead-letter queue.
MAX_RECEIVE_COUNT = 3


def add_flags(parser: ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("--messages", type=at_least_ten, default=500, metavar="N", help="how many; 500 by default")
    parser.add_argument("--input", metavar="FILE", help="publish the JSON lines of a file instead")
    parser.add_argument("--timeout-seconds", type=float, default=120, metavar="S", help="give up after; 120 by default")
    parser.add_argument("--json", action="store_true", help="print the result for a machine")
    parser.add_argument("--debug", action="store_true", help="log what is called")


def at_least_ten(text: str) -> int:
    """Read a number of messages."""
    if not text.isdigit() or int(text) < 10:
        raise ArgumentTypeError("must be a whole number, at least 10")
    return int(text)


def main(args: Namespace) -> int:
    """Run the demonstration, and return 0 if every message is accounted for."""
    texts = read_texts(args.input) if args.input else make_texts(args.messages)
    # people read what happens on stderr; stdout is for the result
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    directory = Path(mkdtemp(prefix="pubsub-demo-"))
    environ.update(ENVIRONMENT)
    with run_engine(directory / "engine.log") as url:
        ledger = demonstrate(texts, url, directory / "daemon.log", args.timeout_seconds, console)
    if args.json:
        print(dumps(ledger.to_dict()))
    else:
        Console().print(ledger.to_table())
    console.print(f"The daemon's log: {directory / 'daemon.log'}")
    if not ledger.adds_up or ledger.queued:
        console.print("Not every message is accounted for" if not ledger.adds_up else "The queue is not empty")
        return 1
    return 0


def demonstrate(
    texts: list[str],
    url: str,
    log_path: Path,
    timeout_seconds: float,
    console: Console,
) -> Ledger:
    """Publish messages, let the daemon handle them, and return what became of them."""
    sqs, sns = make_local_client("sqs", url), make_local_client("sns", url)
    resources = create_resources(sqs, sns, "orders", MAX_RECEIVE_COUNT)
    console.print(f"An engine at {url} has queue {resources.queue_url}")
    with run_daemon(url, resources, log_path) as daemon, Progress(console=console) as progress:
        console.print(f"The daemon of {find_daemon()} runs as process {daemon.pid}")
        task = progress.add_task("Publishing", total=len(texts))
        for start in range(0, len(texts), MAX_BATCH_ENTRIES):
            chunk = texts[start : start + MAX_BATCH_ENTRIES]
            publish(sns, resources.topic_arn, chunk)
            progress.advance(task, len(chunk))
        task = progress.add_task("Handling", total=len(texts))

        def is_done() -> bool:
            depth = count_messages(sqs, resources.queue_url)
            progress.update(task, completed=len(texts) - depth)
            return depth == 0 or daemon.poll() is not None

        wait_until(is_done, timeout_seconds, interval_seconds=0.1)
    if daemon.returncode != 0:
        raise PubSubError(f"The daemon exited with code {daemon.returncode}; see {log_path}")
    with log_path.open(encoding="utf-8") as lines:
        return read_ledger(
            lines,
            published=len(texts),
            dead_lettered=count_messages(sqs, resources.dead_letter_queue_url),
            queued=count_messages(sqs, resources.queue_url),
        )


@contextmanager
def run_daemon(url: str, resources: Resources, log_path: Path) -> Iterator[Popen[bytes]]:
    """Run the example daemon in a process of its own while the block runs; it is stopped as an operator would."""
    settings = {
        "AWS_ENDPOINT_URL": url,
        "ORDERS__LOGGING__STREAM_HANDLER__FORMATTER": "JSONFormatter",
        "ORDERS__SQS_CONSUMER__WAIT_SECONDS": "1",
        "ORDERS__SQS_CONSUMER__MESSAGE_RETRY_VISIBILITY_TIMEOUT_SECONDS": "1",
    }
    with log_path.open("wb") as log:
        daemon = Popen(
            [sys.executable, str(find_daemon()), "--sqs-queue-url", resources.queue_url],
            env={**environ, **settings},
            stdout=log,
            stderr=STDOUT,
        )
        try:
            yield daemon
        finally:
            if daemon.poll() is None:
                daemon.send_signal(SIGTERM)
            daemon.wait()


def publish(sns: Any, topic_arn: str, texts: list[str]) -> None:
    """
    Publish texts as they are: a producer would refuse the malformed ones.

    :raises PubSubError: if the topic did not take one
    """
    answer = sns.publish_batch(
        TopicArn=topic_arn,
        PublishBatchRequestEntries=[
            {"Id": str(index), "Message": text, "MessageAttributes": make_attributes(text)}
            for index, text in enumerate(texts)
        ],
    )
    if answer.get("Failed"):
        raise PubSubError(f"Cannot publish to {topic_arn}: {answer['Failed'][0]['Code']}")


def make_attributes(text: str) -> dict[str, Any]:
    """Return the message attributes of a text: its media type, if it tells one."""
    try:
        media_type = find_media_type(load_object(text, "line"), None)
    except (PubSubError, ValidationError):
        return {}
    return {MEDIA_TYPE_ATTRIBUTE: {"DataType": "String", "StringValue": media_type}}
