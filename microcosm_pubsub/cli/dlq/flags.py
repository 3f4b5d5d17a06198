"""
The flags of `pubsub dlq`.
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from microcosm_pubsub.cli.run import DAEMON
from microcosm_pubsub.dead_letters.filters import Filter, parse_since, parse_where
from microcosm_pubsub.errors import ConfigurationError


#: Databases take no number that is much larger.
MAX_NUMBER = 1_000_000_000


def add_queue_flags(parser: ArgumentParser, receives: bool = True) -> None:
    """Add the flags that choose a queue."""
    parser.add_argument(
        "--queue-url", metavar="Q", help="the dead-letter queue, its URL or name; by default the only one that there is"
    )
    if receives:
        parser.add_argument(
            "--spend-attempts",
            action="store_true",
            help="receive also from a queue that has a redrive policy itself, and counts that",
        )


def add_decoding_flags(parser: ArgumentParser) -> None:
    """Add the flags that say how messages are read."""
    parser.add_argument("--daemon", metavar=DAEMON, help="decode as this daemon does")
    parser.add_argument(
        "--import", dest="imports", action="append", metavar="MODULE", help="decode with the schemas of a module"
    )
    parser.add_argument("--envelope", metavar="NAME", help="how bodies are read: the class of an envelope")


def add_filter_flags(parser: ArgumentParser) -> None:
    """Add the flags that choose messages."""
    parser.add_argument("--media-type", metavar="M", help="only of this media type, which may hold * and ?")
    parser.add_argument("--error", metavar="E", help="only with an error of this type; - for those that tell none")
    parser.add_argument("--handler", metavar="H", help="only those that this handler failed to handle")
    parser.add_argument(
        "--since", type=read_since, metavar="T", help="only those given up since: 30m, 6h, 2d, or a date and time"
    )
    parser.add_argument(
        "--where", type=read_where, metavar="JSONPATH", help="only those in whose content it finds something"
    )


def make_filter(args: Namespace) -> Filter:
    """Return the filter that the flags mean."""
    return Filter(args.media_type, args.error, args.handler, args.since, args.where)


def add_json_flag(parser: ArgumentParser) -> None:
    """Add the flag of machines."""
    parser.add_argument("--json", action="store_true", help="print the result for a machine")


def read_since(text: str) -> datetime:
    """Read a time."""
    try:
        return parse_since(text, datetime.now(UTC))
    except (OverflowError, ValueError):
        raise ArgumentTypeError(f"{text!r} is no time; write 30m, 6h, 2d, or 2026-01-31T06:00") from None


def read_where(text: str) -> Callable[[Any], bool]:
    """Read a JSONPath."""
    try:
        return parse_where(text)
    except ConfigurationError as error:
        raise ArgumentTypeError(str(error)) from None


def positive_integer(text: str) -> int:
    """Read a number of messages, or of rows."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError("must be a whole number, at least 1")
    if int(text) > MAX_NUMBER:
        raise ArgumentTypeError(f"must be a whole number, at most {MAX_NUMBER}")
    return int(text)


def positive_number(text: str) -> float:
    """Read a rate."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not isfinite(value) or value <= 0:
        raise ArgumentTypeError("must be a number greater than 0")
    return value
