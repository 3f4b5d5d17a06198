"""
Run a daemon's file, and write down what came of each message before it is settled.

    python -m microcosm_pubsub.cli.demo.daemon LEDGER FILE [the daemon's flags]
"""

from __future__ import annotations

import sys
from json import dumps
from pathlib import Path
from runpy import run_path
from typing import Any

from microcosm.api import binding

from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.types import Call, Layer


LAYER = "demo_ledger"


def make_layer(path: Path) -> Layer:
    """Return a layer that writes to a ledger, line by line; a line survives the end of the process."""
    ledger = path.open("a", buffering=1)

    def layer(call_next: Call, message: SQSMessage) -> Any:
        result = call_next(message)
        outcome = "handled" if result else "skipped"
        ledger.write(dumps({"message_id": message.message_id, "outcome": outcome}) + "\n")
        return result

    return layer


def main() -> None:
    """Bind the layer, which the daemon's configuration names, and run the daemon."""
    _, ledger, path, *flags = sys.argv
    binding(LAYER)(lambda graph: make_layer(Path(ledger)))
    sys.argv = [path, *flags]
    run_path(path, run_name="__main__")


if __name__ == "__main__":
    main()
