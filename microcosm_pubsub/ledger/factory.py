"""
The ledger of an object graph, as configuration makes it.

SQLAlchemy is imported only by a graph that has a database.
"""

from __future__ import annotations

from json import loads
from typing import TYPE_CHECKING

from microcosm.api import typed

from microcosm_pubsub.calls.publishing import publish_call
from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults, find_component
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.producer import PublishOptions


if TYPE_CHECKING:
    from microcosm_pubsub.ledger.firing import Schedules
    from microcosm_pubsub.ledger.layers import BeginAndFail, CursorAndEnd
    from microcosm_pubsub.ledger.ledger import Ledger
    from microcosm_pubsub.ledger.rows import TaskRow
    from microcosm_pubsub.ledger.service import LedgerService

DAY_SECONDS = 24 * 60 * 60


@defaults(
    always=typed(values.boolean("pubsub_ledger.always"), default_value=False),
    lease_seconds=typed(values.number("pubsub_ledger.lease_seconds", minimum=1), default_value=30.0),
    republish_seconds=typed(values.number("pubsub_ledger.republish_seconds", minimum=1), default_value=3600.0),
    retention_days=typed(values.number("pubsub_ledger.retention_days", minimum=0), default_value=30.0),
    max_attempts=typed(values.integer("pubsub_ledger.max_attempts", minimum=1), default_value=5),
    poll_seconds=typed(values.number("pubsub_ledger.poll_seconds", minimum=0.01), default_value=1.0),
)
def configure_pubsub_ledger(graph: PubSubGraph) -> Ledger | None:
    """
    Configure the ledger of tasks, bound as `pubsub_ledger`; None without a database.

    Config `always` remembers all tasks, not only those whose `@task` says so.
    """
    if graph.pubsub_database is None:
        return None
    from microcosm_pubsub.ledger.ledger import Ledger
    from microcosm_pubsub.ledger.terms import Terms

    config, traces = graph.config.pubsub_ledger, find_component(graph, "pubsub_traces")
    terms = Terms(
        lease_seconds=config.lease_seconds,
        republish_seconds=config.republish_seconds,
        retention_seconds=config.retention_days * DAY_SECONDS,
        max_attempts=config.max_attempts,
    )
    return Ledger(
        graph.pubsub_database,
        TaskPublisher(graph),
        terms,
        always=config.always,
        find_trace_id=(lambda: None) if traces is None else traces.find_trace_id,
    )


class TaskPublisher:
    """
    Publish the messages of tasks.

    :param graph: gives the producer, which is made of the outbox
    """

    def __init__(self, graph: PubSubGraph) -> None:
        self.graph = graph

    def __call__(self, row: TaskRow) -> None:
        """
        Publish a task.

        :raises PublishError: if it cannot be
        """
        producer, schemas = self.graph.sns_producer, self.graph.pubsub_message_schema_registry
        publish_call(producer, schemas, row.queue, row.id, loads(row.call), PublishOptions(group=row.group_id))


def configure_pubsub_ledger_begin(graph: PubSubGraph) -> BeginAndFail | None:
    """Configure the layer outside of the transactions of tasks, bound as `pubsub_ledger_begin`."""
    if graph.pubsub_ledger is None:
        return None
    from microcosm_pubsub.ledger.layers import BeginAndFail

    return BeginAndFail(graph.pubsub_ledger.runs)


def configure_pubsub_ledger_end(graph: PubSubGraph) -> CursorAndEnd | None:
    """Configure the layer inside of the transactions of tasks, bound as `pubsub_ledger_end`."""
    if graph.pubsub_ledger is None:
        return None
    from microcosm_pubsub.ledger.layers import CursorAndEnd

    return CursorAndEnd(graph.pubsub_ledger.runs)


def configure_pubsub_ledger_schedules(graph: PubSubGraph) -> Schedules | None:
    """
    Configure the schedules of tasks that are sent again and again, bound as `pubsub_ledger_schedules`; None without a
    database.
    """
    if graph.pubsub_ledger is None:
        return None
    from microcosm_pubsub.ledger.firing import Schedules
    from microcosm_pubsub.ledger.task_writer import NewTask

    ledger, tasks = graph.pubsub_ledger, graph.pubsub_tasks

    def make_task(name: str, task_id: str) -> NewTask:
        task, call = tasks.make_recurring(name)
        return NewTask(task_id, task.name, task.function.queue, call)

    return Schedules(ledger.database, tasks.recurrences, make_task, ledger.writer.enter_in, lambda: ledger.terms.now())


def configure_pubsub_ledger_keeping(graph: PubSubGraph) -> LedgerService | None:
    """
    Configure the service that looks after the ledger while a daemon runs, bound as `pubsub_ledger_keeping`.

    None if no task is remembered.
    """
    if graph.pubsub_ledger is None or not graph.pubsub_tasks.has_ledger:
        return None
    from microcosm_pubsub.ledger.service import LedgerService

    schedules, poll_seconds = graph.pubsub_ledger_schedules, graph.config.pubsub_ledger.poll_seconds
    return None if schedules is None else LedgerService(graph.pubsub_ledger, schedules, poll_seconds)
