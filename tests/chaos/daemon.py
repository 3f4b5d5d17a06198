"""
The daemon whose messages are chaos: what its handler does stands in the message.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, Signals

from marshmallow import fields

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.context import current_message
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.decorators import handles, schema
from microcosm_pubsub.errors import Nack, SkipMessage
from microcosm_pubsub.retry import RetryPolicy
from tests.chaos.ledger import Ledger
from tests.chaos.plan import MEDIA_TYPE


DIRECTORY = Path(os.environ["CHAOS_DIRECTORY"])
LEDGER = Ledger(DIRECTORY / "ledger")
SLOW_SECONDS = float(os.environ["CHAOS_SLOW_SECONDS"])
#: Handlers tell when they ran, beside what they did.
TIMED = "CHAOS_TIMED" in os.environ


class Hopeless(Exception):
    """Nothing will ever come of the message."""


@schema
class OrderSchema(PubSubMessageSchema):
    MEDIA_TYPE = MEDIA_TYPE

    id = fields.String(required=True)
    kind = fields.String(required=True)
    times = fields.Integer(required=True)


@handles(OrderSchema, retry=RetryPolicy(max_attempts=6, backoff=[0, 0, 1], give_up_on=Hopeless))
def handle_order(content):
    message_id, kind = content["id"], content["kind"]
    attempt = current_message().approximate_receive_count
    die_if_told(message_id)
    if kind == "hopeless":
        raise Hopeless("whatever is done")
    if kind == "failing" or (kind == "flaky" and attempt <= content["times"]):
        raise RuntimeError("a failure")
    if kind == "nack" and attempt <= content["times"]:
        raise Nack(visibility_timeout_seconds=attempt % 2)
    if kind == "slow":
        time.sleep(SLOW_SECONDS)
    LEDGER.write("handled", [message_id, str(attempt), *([str(time.monotonic())] if TIMED else [])])
    if kind == "skip":
        raise SkipMessage("nothing to do")
    return True


def die_if_told(message_id: str) -> None:
    """Send this process the signal that a file says, once."""
    order = DIRECTORY / f"die-{message_id}"
    with suppress(FileNotFoundError):
        number = int(order.read_text())
        order.unlink()
        name = Signals(number).name
        if number == SIGKILL:
            LEDGER.write("fault", [f"{name}:_running", f"*{message_id[0]}"])
        else:
            LEDGER.write("fault", [f"{name}:_running"])
            LEDGER.write("interrupted", message_id[0])
        os.kill(os.getpid(), number)


class ChaosDaemon(ConsumerDaemon):
    name = "chaos"
    unhandled = "dead_letter"


if __name__ == "__main__":
    ChaosDaemon().run()
