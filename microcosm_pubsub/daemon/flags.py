"""
The command line flags of a daemon, and the configuration that they stand for.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from os.path import isfile
from typing import Any

from microcosm_pubsub.envelope import NaiveSQSEnvelope
from microcosm_pubsub.reader import STDIN, is_stdin


def add_flags(parser: ArgumentParser) -> None:
    """Add our flags to those of any daemon."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--sqs-queue-url",
        metavar="URL|FILE",
        help="the queue to consume (its URL, or its name), or a file of JSON lines to replay",
    )
    source.add_argument("--stdin", action="store_true", help="consume JSON lines from stdin")
    parser.add_argument(
        "--broker-url", metavar="URL", help="the embedded broker's database, such as sqlite:///pubsub.db; not AWS"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="how many handlers run at a time (1)")
    parser.add_argument("--drain", action="store_true", help="exit when the queue stays empty")
    # Without a port nothing is served.
    parser.set_defaults(healthcheck_port=None)
    parser.add_argument("--envelope", metavar="NAME", help="how bodies are read: the class of an envelope")


def find_problem(args: Namespace) -> str | None:
    """Return the fault of flags; None if there is none."""
    if args.processes < 1:
        return "--processes must be positive"
    source = STDIN if args.stdin else args.sqs_queue_url
    if args.processes > 1 and source and (is_stdin(source) or isfile(source)):
        return "--processes must be 1 to read a file or stdin, which processes cannot share"
    if args.workers is not None and args.workers < 1:
        return "--workers must be positive"
    return None


def flags_to_config(args: Namespace | None) -> dict[str, Any]:
    """Return the configuration that command line flags stand for."""
    flags = vars(args) if args is not None else {}
    config: dict[str, Any] = {}
    if flags.get("stdin"):
        config["sqs_consumer"] = {"sqs_queue_url": STDIN}
        config["sqs_envelope"] = {"strategy_name": NaiveSQSEnvelope.__name__}
    elif flags.get("sqs_queue_url"):
        config["sqs_consumer"] = {"sqs_queue_url": flags["sqs_queue_url"]}
    if flags.get("broker_url"):
        config["pubsub_broker"] = {"url": flags["broker_url"]}
    if flags.get("envelope"):
        config["sqs_envelope"] = {"strategy_name": flags["envelope"]}
    worker = {"concurrency": flags.get("workers"), "drain": flags.get("drain") or None}
    if chosen := {key: value for key, value in worker.items() if value is not None}:
        config["pubsub_worker"] = chosen
    return config
