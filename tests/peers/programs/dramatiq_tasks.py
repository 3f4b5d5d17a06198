"""Actors of dramatiq, on dramatiq_sqs."""

import os
from pathlib import Path

import dramatiq
from dramatiq.middleware import AgeLimit, Retries
from dramatiq_sqs import SQSBroker


broker = SQSBroker(
    namespace="peers",
    dead_letter=True,
    middleware=[AgeLimit(), Retries(max_retries=1, min_backoff=1, max_backoff=1)],
    endpoint_url=os.environ["ENDPOINT"],
)
dramatiq.set_broker(broker)

directory = Path(os.environ["RUN_DIRECTORY"])


@dramatiq.actor
def note(number):
    """Say that it ran; once it is mended, if it is the 13th."""
    if number == 13 and not (directory / "mended").exists():
        raise ValueError("thirteen")
    (directory / f"noted-{number}").touch()


if __name__ == "__main__":
    for number in range(20):
        note.send(number)
