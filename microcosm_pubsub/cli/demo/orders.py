"""
The messages of the demonstration, and the daemon of `examples/orders` that handles them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import cycle, islice
from json import dumps
from pathlib import Path
from random import Random

from microcosm_pubsub.conventions import changed, created
from microcosm_pubsub.errors import ConfigurationError


CANCELLED = "application/vnd.example.pubsub.order_cancelled"
MALFORMED = ["{not json", "[]", '{"mediaType": 7}', dumps({"mediaType": CANCELLED, "order_id": "1"})]


def find_daemon() -> Path:
    """
    Return the path of the example daemon, in a clone of the repository or as it was installed.

    :raises ConfigurationError: if it is not there
    """
    clone = Path(__file__).parents[3]
    for root in (clone, Path(sys.prefix, "share", "microcosm_pubsub")):
        path = root / "examples" / "orders" / "daemon.py"
        if path.is_file():
            return path
    raise ConfigurationError("Cannot find examples/orders/daemon.py; run the demonstration from a clone")


def make_texts(count: int, seed: int = 0) -> list[str]:
    """
    Return the texts of messages: orders created, changed and cancelled, and some that go wrong.

    :param count: how many, at least 10
    """
    special = [
        dumps({"mediaType": created("order"), "uri": "https://orders.example.com/flaky"}),
        dumps({"mediaType": created("order"), "uri": "https://orders.example.com/broken"}),
        *MALFORMED,
    ]
    texts = [*special, *islice(iter_orders(), count - len(special))]
    Random(seed).shuffle(texts)
    return texts


def iter_orders() -> Iterator[str]:
    """Iterate over messages about orders, without end."""
    for number, kind in enumerate(cycle(["created", "changed", "noted", "created", "cancelled"]), 1):
        uri = f"https://orders.example.com/{number}"
        if kind == "created":
            yield dumps({"mediaType": created("order"), "uri": uri})
        elif kind == "cancelled":
            yield dumps({"mediaType": CANCELLED, "order_id": str(number), "reason": "changed my mind"})
        else:
            field_name = "status" if kind == "changed" else "note"
            message = {
                "mediaType": changed("order"),
                "uri": uri,
                "field_name": field_name,
                "new_value": "paid",
            }
            yield dumps(message)


def read_texts(path: str) -> list[str]:
    """
    Return the lines of a file of messages.

    :raises ConfigurationError: if it cannot be read
    """
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise ConfigurationError(f"Cannot read {path}: {error.strerror}") from error
    texts = [line for line in lines if line.strip()]
    if not texts:
        raise ConfigurationError(f"{path} holds no messages: write one JSON object a line, with its mediaType")
    return texts
