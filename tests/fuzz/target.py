"""
Fuzz with atheris: one process, one target, so many seconds.
"""

from __future__ import annotations

import os
import sys
from json import loads
from pathlib import Path
from time import monotonic
from typing import Any

import atheris


with atheris.instrument_imports(include=["microcosm_pubsub"]):
    from microcosm_pubsub.broker.sns.filter_condition import PolicyError
    from microcosm_pubsub.broker.sns.filter_policy import parse_policy
    from tests.fuzz.subject import MEDIA_TYPES, STRICT, Subject, silent


NAMES = ["ApproximateReceiveCount", "MessageGroupId", "SequenceNumber", "ApproximateFirstReceiveTimestamp"]

#: What the fuzzer may begin with, and cut and join.
SEEDS = [
    b'{"mediaType": "%s", "integer": 1, "uuid": "x", "inner": {"name": "n"}}' % STRICT.encode(),
    b'{"Message": "{\\"mediaType\\": \\"a/b\\"}", "TopicArn": "t", "MessageAttributes": {"media_type": {"Value": 1}}}',
    b'{"Records": [{"s3": {"object": {"key": "k"}}}], "mediaType": "%s"}' % STRICT.encode(),
    b'{"mediaType": "%s", "opaqueData": {"x-request-ttl": "1e999"}, "uri": 7}' % MEDIA_TYPES[3].encode(),
    b'{"mediaType": "%s", "how": -1}' % MEDIA_TYPES[2].encode(),
    b'{"store": [{"anything-but": ["a"]}], "price": [{"numeric": [">", 0, "<=", 1e3]}], "$or": [{}, {}]}',
]

#: How often the time is looked at.
CHECK_EVERY = 500


class Bodies:
    """Messages whose bodies and attributes are anything."""

    def __init__(self) -> None:
        self.subject = Subject()
        self.count = 0

    def __call__(self, data: bytes) -> None:
        """Handle some messages of one input: most of it is the body, the rest their attributes."""
        head, _, tail = data.partition(b"\0")
        body = (tail or head).decode("utf-8", "surrogateescape")
        pieces = [piece for piece in body.split("\n") if piece][:8] or [""]
        more = make_attributes(head, pieces)
        self.subject.handle([{"Body": piece, **rest} for piece, rest in zip(pieces, more, strict=True)])
        self.count += len(pieces)


def make_attributes(head: bytes, pieces: list[str]) -> list[dict[str, Any]]:
    value = head.decode("utf-8", "replace")
    try:
        parsed = loads(value)
    except (ValueError, RecursionError):
        parsed = value
    kinds: list[dict[str, Any]] = [
        {},
        {"Attributes": dict.fromkeys(NAMES, value)},
        {"MessageAttributes": {"media_type": {"StringValue": value, "DataType": "String"}}},
        {"MessageAttributes": to_message_attributes(parsed)},
    ]
    return [kinds[(len(head) + index) % len(kinds)] for index in range(len(pieces))]


def to_message_attributes(parsed: Any) -> dict[str, Any]:
    """Return message attributes of the form that they always have: at most ten, of text."""
    items = list(parsed.items())[:10] if isinstance(parsed, dict) else []
    return {name: {"DataType": "String", "StringValue": str(value)} for name, value in items}


class Policies:
    """Filter policies, and what they are to match."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, data: bytes) -> None:
        """Let a policy judge a message; both are anything."""
        text, _, body = data.decode("utf-8", "replace").partition("\0")
        self.count += 1
        try:
            policy = parse_policy(text, nested=bool(len(data) % 2))
        except PolicyError:
            return
        try:
            node = loads(body)
        except (ValueError, RecursionError):
            node = {"store": body}
        assert policy.matches(node) in (True, False)


def main() -> None:
    """Fuzz a target for so many seconds, and print how many bodies that were."""
    name, seconds, directory = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])
    target = {"bodies": Bodies, "policies": Policies}[name]()
    for number, seed in enumerate(SEEDS):
        (directory / f"seed-{number}").write_bytes(seed)
    deadline = monotonic() + seconds
    calls = 0

    def test_one_input(data: bytes) -> None:
        nonlocal calls
        target(data)
        calls += 1
        if not calls % CHECK_EVERY and monotonic() > deadline:
            sys.stdout.write(f"{target.count}\n")
            sys.stdout.flush()
            # libFuzzer ends a process that ends by itself with an error
            os._exit(0)

    with silent():
        atheris.Setup(
            [sys.argv[0], "-verbosity=0", "-max_len=4096", "-rss_limit_mb=4096", str(directory)], test_one_input
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
