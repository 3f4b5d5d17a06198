"""Tasks of celery, on its transport for SQS."""

import os
from pathlib import Path

from celery import Celery


endpoint = os.environ["ENDPOINT"].removeprefix("http://")
app = Celery("tasks", broker=f"sqs://peer-key:peer-secret@{endpoint}")
app.conf.broker_transport_options = {
    "is_secure": False,
    "region": "eu-central-1",
    "polling_interval": 0.1,
    "wait_time_seconds": 1,
}
app.conf.task_acks_late = True
# what fails for good stays in its queue, and becomes a dead letter there
app.conf.task_acks_on_failure_or_timeout = False
app.conf.broker_connection_retry_on_startup = True

directory = Path(os.environ["RUN_DIRECTORY"])


@app.task(bind=True, max_retries=2, default_retry_delay=0)
def add(self, x, y):
    """Fail at first, and then say what comes of it."""
    first = directory / f"tried-{x}"
    if not first.exists():
        first.touch()
        raise self.retry()
    (directory / f"sum-{x}").write_text(str(x + y))


@app.task
def note(x):
    """Say that it ran; once it is mended, if it is the 13th."""
    if x == 13 and not (directory / "mended").exists():
        raise ValueError("thirteen")
    (directory / f"noted-{x}").touch()
