"""
A task of celery, on its transport for SQS, and who sends it; it runs in an environment that has celery.

    ENDPOINT=http://127.0.0.1:4566 DONE=done.txt celery -A benchmarks.celery_tasks worker --pool threads -c 10
    ENDPOINT=http://127.0.0.1:4566 DONE=done.txt python -m benchmarks.celery_tasks 500
"""

from __future__ import annotations

import os
import sys
from time import perf_counter

from celery import Celery


app = Celery("bench", broker=f"sqs://key:secret@{os.environ['ENDPOINT'].removeprefix('http://')}")
app.conf.broker_transport_options = {
    "is_secure": False,
    "region": "us-east-1",
    # It asks again at once, and waits at the queue.
    "polling_interval": 0,
    "wait_time_seconds": 20,
}
app.conf.broker_connection_retry_on_startup = True
app.conf.task_ignore_result = True
# Ours are deleted when they are done, too.
app.conf.task_acks_late = True
# as many as a receive can give, for each that runs
app.conf.worker_prefetch_multiplier = 10

done = os.open(os.environ["DONE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


@app.task(name="note")
def note(number: int, text: str) -> None:
    """Note that one is done."""
    os.write(done, b".")


if __name__ == "__main__":
    count = int(sys.argv[1])
    note.delay(0, "the first one connects")
    start = perf_counter()
    for each in range(1, count):
        note.delay(each, "x" * 100)
    print((count - 1) / (perf_counter() - start))
