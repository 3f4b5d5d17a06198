"""
Run a daemon on a file of messages, one JSON object a line, and exit at its end.

    python examples/replay_a_file.py                           replays the file beside this one
    python examples/replay_a_file.py --sqs-queue-url FILE      replays another
    cat FILE | python examples/replay_a_file.py --stdin        the same, by a pipe
"""

import sys
from os.path import relpath
from pathlib import Path
from typing import Any

from microcosm_pubsub import ConsumerDaemon, created, handles


@handles(created("order"))
def order_created(message: dict[str, Any]) -> bool:
    print("handling", message["uri"], flush=True)
    return True


class OrdersDaemon(ConsumerDaemon):
    name = "orders"
    defaults = {
        "logging": {"default_format": "{levelname} {message}"},
    }


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.argv += ["--sqs-queue-url", relpath(Path(__file__).with_suffix(".jsonl"))]
    OrdersDaemon().run()
