"""
A daemon whose tasks take turns at keys, in a process that is killed.

    python -m tests.chaos.task_programs BROKER_URL DATABASE_URL
"""

import sys
from time import monotonic, sleep

import psycopg
from sqlalchemy import text
from sqlalchemy.engine import make_url

from microcosm_pubsub import ConsumerDaemon, RetryPolicy, Task, task


#: One task in so many fails, whatever is done.
FAILING = 97

#: PostgreSQL notices only after a while that the process which had a lock is gone.
GRACE_SECONDS = 5.0


@task(name="add", ledger=True, retry=RetryPolicy(max_attempts=5, backoff=0))
def add(key: str, amounts: list[int], cursor: dict, session, call: Task) -> int:
    with psycopg.connect(conninfo, autocommit=True) as witness:
        if not has_key_alone(witness, key):
            witness.execute("INSERT INTO collisions VALUES (%s)", [key])
        cursor["sum"] = cursor.get("sum", 0) + sum(amounts)
        cursor["runs"] = cursor.get("runs", 0) + 1
        values = {"task_id": call.task_id, "key": key, "amounts": amounts}
        session.execute(text("INSERT INTO effects VALUES (:task_id, :key, :amounts)"), values)
        if any(amount % FAILING == 0 for amount in amounts):
            raise ValueError("it fails, always")
    return cursor["sum"]


def has_key_alone(witness, key: str) -> bool:
    """Return whether nobody else is at a key: the lock goes with the connection, when the process is killed."""
    deadline = monotonic() + GRACE_SECONDS
    while monotonic() < deadline:
        (has,) = witness.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [key]).fetchone()
        if has:
            return True
        sleep(0.02)
    return False


class AddingDaemon(ConsumerDaemon):
    name = "adding"
    workers = 4
    defaults = {
        "logging": {"level": "CRITICAL"},
        "pubsub_ledger": {"lease_seconds": 3, "republish_seconds": 5, "poll_seconds": 0.2},
        "pubsub_worker": {"visibility_timeout_seconds": 10},
        "sqs_consumer": {"wait_seconds": 1},
    }


if __name__ == "__main__":
    broker_url, database_url = sys.argv[1:]
    conninfo = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    sys.argv[1:] = ["--broker-url", broker_url]
    AddingDaemon.defaults["pubsub_database"] = {"url": database_url}
    AddingDaemon().run()
