"""
Tasks that are remembered, beside jobs of procrastinate: the same PostgreSQL, the same machine, in turns.

    python -m benchmarks.bench_tasks [--tasks 2000] [--rounds 3] [--json]

- Sent one by one, in a transaction each; then run, by one process of so many slots, until all are done. Our messages
  go over a broker in a SQLite file.
- What an idle daemon costs with a schedule of 100,000 tasks that are to run some time.
- How long a list of the tasks of one key takes among a million rows, and by which plan.
"""

from __future__ import annotations

import platform
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from json import dumps
from os import cpu_count, sysconf
from pathlib import Path
from statistics import median
from subprocess import DEVNULL, Popen
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, sleep, time
from typing import Any

import psycopg
from microcosm.api import create_object_graph, load_from_dict
from rich.console import Console
from rich.table import Table

from benchmarks.task_programs import make_procrastinate, ours, to_conninfo
from microcosm_pubsub.ledger.store import RowFilter
from tests.engines import start_postgres


CONCURRENCY = 10
TEXT = "x" * 100
FUTURE_ROWS = 100_000
ALL_ROWS = 1_000_000
IDLE_SECONDS = 20.0

FILL = """
INSERT INTO pubsub.pubsub_task (id, name, queue, state, call, cursor_key, created_at, due_at, look_at)
SELECT prefix || n, 'ours', 'default', state, '{"jsonrpc": "2.0", "method": "ours", "params": {}}',
    CASE WHEN state = 'scheduled' THEN NULL ELSE 'key-' || (n %% 10000) END,
    %(now)s - n, due, due
FROM generate_series(1, %(rows)s) AS n,
    (SELECT %(prefix)s AS prefix, %(state)s AS state, %(due)s::bigint AS due) AS given
"""


@contextmanager
def worker(*words: str) -> Iterator[Popen[bytes]]:
    """Run a worker in a process of its own."""
    process = Popen([sys.executable, "-m", "benchmarks.task_programs", *words], stdin=DEVNULL, stdout=DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def make_graph(broker_url: str, database_url: str) -> Any:
    config = {
        "pubsub_broker": {"url": broker_url},
        "pubsub_database": {"url": database_url, "auto_upgrade": True},
        "logging": {"level": "WARNING"},
    }
    graph = create_object_graph("sender", loader=load_from_dict(config))
    graph.use("opaque", "pubsub_tasks")
    graph.lock()
    graph.pubsub_database.check()
    # the daemon's queue is there before it is: what is sent waits for it
    graph.pubsub_broker.provision_queue("tasks")
    return graph


def wait_for(count: Callable[[], int], number: int) -> float:
    """Return when so many are done."""
    while count() < number:
        sleep(0.01)
    return perf_counter()


def make_counter(url: str, query: str) -> Callable[[], int]:
    connection = psycopg.connect(to_conninfo(url), autocommit=True)
    return lambda: int(connection.execute(query).fetchone()[0])  # type: ignore[index]


def run(count: Callable[[], int], tasks: int, *words: str) -> float:
    """Return how many tasks a second a worker runs that was just started, from when it has run a tenth of them."""
    before = count()
    with worker(*words):
        start = wait_for(count, before + tasks // 10)
        return tasks * 0.9 / (wait_for(count, before + tasks) - start)


def compare(url: str, tasks: int, rounds: int) -> dict[str, float]:
    """Return how many tasks a second are sent and run, ours and theirs, and the ratios."""
    taken: dict[str, list[float]] = {"sent": [], "run": [], "their_sent": [], "their_run": []}
    app, theirs = make_procrastinate(url, is_async=False)
    with TemporaryDirectory() as folder, app.open():
        app.schema_manager.apply_schema()
        broker_url = f"sqlite:///{folder}/broker.db"
        graph = make_graph(broker_url, url)
        count_ours = make_counter(url, "SELECT count(*) FROM pubsub.pubsub_task WHERE state = 'completed'")
        count_theirs = make_counter(url, "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'")
        words = ("ours", broker_url, url, str(CONCURRENCY))
        with worker(*words):
            # its queue is there, and subscribed, from now on
            wait_for(lambda: ours.send(0, TEXT) and count_ours(), 1)
        for _ in range(rounds):
            start = perf_counter()
            for each in range(tasks):
                ours.send(each, TEXT)
            taken["sent"].append(tasks / (perf_counter() - start))
            taken["run"].append(run(count_ours, tasks, *words))
            start = perf_counter()
            for each in range(tasks):
                theirs.defer(number=each, text=TEXT)
            taken["their_sent"].append(tasks / (perf_counter() - start))
            taken["their_run"].append(run(count_theirs, tasks, "procrastinate", url, str(CONCURRENCY)))
        graph.pubsub_database.close()
        graph.pubsub_broker.close()
    found = {f"{name}_per_second": median(values) for name, values in taken.items()}
    found["sent_ratio"] = found["sent_per_second"] / found["their_sent_per_second"]
    found["run_ratio"] = found["run_per_second"] / found["their_run_per_second"]
    return found


def fill(url: str, prefix: str, state: str, rows: int, due: int | None) -> None:
    """Write rows into the ledger."""
    with psycopg.connect(to_conninfo(url), autocommit=True) as connection:
        values = {"prefix": prefix, "state": state, "rows": rows, "due": due, "now": int(time() * 1000)}
        connection.execute(FILL.replace("due, due\n", "coalesce(due, 0), due\n"), values)
        connection.execute("ANALYZE pubsub.pubsub_task")


def measure_idle(url: str) -> dict[str, float]:
    """Return what share of a core an idle daemon takes, with and without tasks that are to run some time."""
    found = {}
    with TemporaryDirectory() as folder:
        for name, rows in (("idle_percent", 0), ("idle_with_schedule_percent", FUTURE_ROWS)):
            if rows:
                fill(url, "later-", "scheduled", rows, int((time() + 10**7) * 1000))
            with worker("ours", f"sqlite:///{folder}/broker.db", url, str(CONCURRENCY)) as process:
                sleep(5)
                start, before = monotonic(), read_cpu(process.pid)
                sleep(IDLE_SECONDS)
                found[name] = (read_cpu(process.pid) - before) / (monotonic() - start) * 100
    return found


def read_cpu(pid: int) -> float:
    """Return the processor time of a process, in seconds."""
    # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / sysconf("SC_CLK_TCK")


def measure_list(url: str, folder: str) -> dict[str, Any]:
    """Return how long a list of one key takes among a million rows, and its plan."""
    graph = make_graph(f"sqlite:///{folder}/broker.db", url)
    fill(url, "old-", "completed", ALL_ROWS, None)
    taken = []
    for number in range(20):
        start = perf_counter()
        found = graph.pubsub_tasks.list(cursor_key=f"key-{number}", limit=50)
        taken.append((perf_counter() - start) * 1000)
        assert len(found) == 50
    query = graph.pubsub_ledger.store.make_query(RowFilter(50, cursor_key="key-1"))
    sql = str(query.compile(graph.pubsub_database.engine, compile_kwargs={"literal_binds": True}))
    with graph.pubsub_database.connect() as connection:
        plan = [row[0].strip() for row in connection.exec_driver_sql(f"EXPLAIN {sql}".replace("%", "%%"))]
    graph.pubsub_database.close()
    graph.pubsub_broker.close()
    return {"list_ms": median(taken), "list_plan": plan[1]}


def main() -> None:
    parser = ArgumentParser(prog="python -m benchmarks.bench_tasks", description="Measure tasks that are remembered")
    parser.add_argument("--tasks", type=int, default=2000, help="send and run so many, in each round (2000)")
    parser.add_argument("--rounds", type=int, default=3, help="in turns, so many times (3)")
    parser.add_argument("--json", action="store_true", help="print the result for a machine")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        url = start_postgres(stack)
        found: dict[str, Any] = compare(url, arguments.tasks, arguments.rounds)
        found |= measure_idle(url)
        found |= measure_list(url, folder)
    found |= {"cores": cpu_count(), "python": platform.python_version(), "concurrency": CONCURRENCY}
    if arguments.json:
        print(dumps(found))
        return
    table = Table("", "")
    for name, value in found.items():
        table.add_row(name, f"{value:.2f}" if isinstance(value, float) else str(value))
    Console(highlight=False).print(table)


if __name__ == "__main__":
    main()
