"""
Daemons that are killed while they run tasks of the ledger.

Whatever is sent stands in one row, and every row comes to an end. At each key one task runs at a time; its cursor is
what the tasks that were completed have made of it, each once. What was cancelled while it waited has done nothing.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from json import loads
from random import Random
from signal import SIGKILL
from subprocess import DEVNULL, Popen
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

from microcosm.api import create_object_graph, load_from_dict
from sqlalchemy import select

from microcosm_pubsub.calls.functions import TaskFunction
from microcosm_pubsub.ledger.rows import TaskRow, from_values
from tests.chaos.postgres import PostgresServer


#: How many daemons run at a time.
DAEMONS = 2

#: One task in so many is cancelled, one has no key, and one is sent for later.
CANCELLED = 20
UNKEYED = 10
LATER = 15

#: A daemon that begins has done something by then, unless there is nothing to do.
EFFECT_SECONDS = 5.0

#: So long after the last kill every task has come to its end.
END_SECONDS = 120.0


TABLES = """
CREATE TABLE effects (task_id text NOT NULL, key text NOT NULL, amounts integer[] NOT NULL);
CREATE TABLE collisions (key text NOT NULL);
"""


def add(key: str, amounts: list[int]) -> None:
    """Be called as what `task_programs` declares, which would be declared to all other tests of this process too."""


ADD = TaskFunction(add, name="add", ledger=True)


@dataclass
class TasksOutcome:
    """
    What came of a run.

    :param counts: rows by their state, effects, merged and cancelled tasks, and kills
    :param violations: what must not have been
    """

    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Chaos:
    """One run."""

    def __init__(self, stack: ExitStack, outcome: TasksOutcome) -> None:
        self.outcome = outcome
        self.random = Random(outcome.seed)
        folder = stack.enter_context(TemporaryDirectory())
        self.broker_url = f"sqlite:///{folder}/broker.db"
        self.database_url = PostgresServer(stack).url
        config = {
            "pubsub_broker": {"url": self.broker_url},
            "pubsub_database": {"url": self.database_url, "auto_upgrade": True},
            "pubsub_ledger": {"republish_seconds": 5},
            "logging": {"level": "CRITICAL"},
        }
        self.graph = create_object_graph("sender", loader=load_from_dict(config))
        self.graph.use("opaque", "pubsub_tasks")
        self.graph.lock()
        self.graph.pubsub_database.check()
        with self.graph.pubsub_database.connect() as connection:
            connection.exec_driver_sql(TABLES)
        stack.callback(self.graph.pubsub_database.close)
        stack.callback(self.graph.pubsub_broker.close)
        self.daemons = [self.start() for _ in range(DAEMONS)]
        stack.callback(self.end)
        self.sent = 0
        self.cancelled: set[str] = set()

    def start(self) -> Popen[bytes]:
        command = [sys.executable, "-m", "tests.chaos.task_programs", self.broker_url, self.database_url]
        return Popen(command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)

    def end(self) -> None:
        for process in self.daemons:
            process.kill()
            process.wait()

    def send(self, keys: int) -> None:
        """Send a task, and perhaps cancel it."""
        self.sent += 1
        key = f"key-{self.random.randrange(keys)}"
        options: dict[str, Any] = {"cursor_key": key, "merge": "append"}
        if self.random.randrange(UNKEYED) == 0:
            key, options = f"none-{self.sent}", {}
        if self.random.randrange(LATER) == 0:
            options["delay_seconds"] = self.random.random()
        handle = self.graph.pubsub_tasks.options(**options).task(ADD, key, [self.sent])
        self.outcome.counts["merged"] += not handle.is_new
        if self.random.randrange(CANCELLED) == 0:
            # what is merged into it afterwards would be another task
            state = handle.cancel()
            self.outcome.counts[f"found {state} when it was cancelled"] += 1
            if state == "cancelled":
                self.cancelled.add(handle.task_id)

    def wait_for_effect(self) -> None:
        """Wait until a task was completed, and a moment longer."""
        before, deadline = self.count_effects(), monotonic() + EFFECT_SECONDS
        while self.count_effects() == before and monotonic() < deadline:
            sleep(0.05)
        sleep(self.random.random() / 2)

    def count_effects(self) -> int:
        with self.graph.pubsub_database.connect() as connection:
            return int(connection.exec_driver_sql("SELECT count(*) FROM effects").scalar_one())

    def kill_one(self) -> None:
        """Kill a daemon, and start another in its place."""
        index = self.random.randrange(len(self.daemons))
        self.daemons[index].send_signal(SIGKILL)
        self.daemons[index].wait()
        self.outcome.counts["killed"] += 1
        self.daemons[index] = self.start()

    def read_rows(self) -> list[TaskRow]:
        table = self.graph.pubsub_database.tables.tasks
        with self.graph.pubsub_database.connect() as connection:
            return [from_values(dict(values)) for values in connection.execute(select(table)).mappings()]

    def wait_for_end(self) -> list[TaskRow]:
        """Wait until every task has come to its end, and return them."""
        deadline = monotonic() + END_SECONDS
        while True:
            rows = self.read_rows()
            if all(row.state.is_final for row in rows) or monotonic() > deadline:
                return rows
            sleep(0.5)

    def judge(self, rows: Iterable[TaskRow]) -> None:
        """Note what must not have been."""
        say = self.outcome.violations.append
        amounts: Counter[int] = Counter()
        sums: Counter[str] = Counter()
        completed: dict[str, list[int]] = {}
        for row in rows:
            self.outcome.counts[str(row.state)] += 1
            found = loads(row.call)["params"]["amounts"]
            amounts.update(found)
            if not row.state.is_final:
                say(f"task {row.id} is {row.state} at the end, after {row.attempts} attempts")
            if row.state == "completed":
                completed[row.id] = found
                sums[row.cursor_key or ""] += sum(found)
        if amounts != Counter(range(1, self.sent + 1)):
            say(f"what was sent does not stand in one row each: {Counter(range(1, self.sent + 1)) - amounts}")
        with self.graph.pubsub_database.connect() as connection:
            done = [
                (row[0], list(row[1])) for row in connection.exec_driver_sql("SELECT task_id, amounts FROM effects")
            ]
            found = connection.exec_driver_sql("SELECT key, value FROM pubsub.pubsub_cursor")
            cursors = {row[0]: row[1] for row in found}
            overlaps = connection.exec_driver_sql("SELECT key FROM collisions").scalars().all()
        self.outcome.counts["effects"] = len(done)
        if sorted(done) != sorted(completed.items()):
            say("what was done is not what was completed, once each")
        for task_id, _ in done:
            if task_id in self.cancelled:
                say(f"task {task_id} was cancelled, and ran")
        for key, text in cursors.items():
            if loads(text).get("sum", 0) != sums[key]:
                say(f"the cursor of {key} is {text}, and its tasks add up to {sums[key]}")
        for key in overlaps:
            say(f"two tasks ran at {key} at a time")


def run_tasks(
    seed: int, tasks: int, kills: int, keys: int = 200, say: Callable[[str], None] = lambda text: None
) -> TasksOutcome:
    """Send so many tasks at so many keys, kill daemons while they run, and return what came of it."""
    outcome = TasksOutcome(seed)
    start = monotonic()
    with ExitStack() as stack:
        chaos = Chaos(stack, outcome)
        for number in range(1, kills + 1):
            for _ in range(tasks // kills):
                chaos.send(keys)
            chaos.wait_for_effect()
            chaos.kill_one()
            if number % 20 == 0:
                say(f"{number} kills, {chaos.sent} tasks")
        chaos.judge(chaos.wait_for_end())
    if not outcome.counts["completed"]:
        outcome.violations.append("no task was completed")
    outcome.seconds = monotonic() - start
    return outcome
