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
