"""
Classes that run all tasks of a queue.
"""

import pytest

from microcosm_pubsub import InvalidParams, Job, tasks
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.harness import harness
from tests.unit.ledger.helpers import Daemon


def test_a_class_runs_the_tasks_of_its_queue(make_app):
    @tasks("echo")
    class Echo:
        def execute(self, job: Job) -> str:
            return f"hello, {job.args['name']} from method={job.method!r}"

    app = make_app(Daemon)
    handle = app.graph.pubsub_tasks.call("echo", "hello", {"name": "Andy"})
    assert (handle.name, handle.state) == ("echo.hello", "pending")
    app.run()
    assert handle.result() == "hello, Andy from method='hello'"
    assert [each.task_id for each in app.graph.pubsub_tasks.list(name="echo.hello")] == [handle.task_id]


def test_a_job_has_what_its_class_needs(make_app):
    seen = []

    @tasks("work")
    class Work:
        def __init__(self, graph):
            self.graph = graph
            seen.append(graph.metadata.name)

        def execute(self, job):
            job.extend(logger=self.graph.logger)
            return getattr(self, job.method)(job)

        def add(self, job):
            job.cursor["sum"] = job.cursor.get("sum", 0) + job.args
            return [job.id, job.queue, job.cursor["sum"], job.logger is not None]

    app = make_app(Daemon)
    at_key = app.graph.pubsub_tasks.options(cursor_key="k")
    first = at_key.call("work", "add", 1)
    app.run()
    second = at_key.call("work", "add", 2)
    app.run()
    assert first.result() == [first.task_id, "work", 1, True]
    assert second.result()[2] == 3
    # it is made once
    assert seen == ["worker"]


def test_a_coroutine_runs_them(make_app):
    seen = []

    @tasks("echo", ledger=False)
    class Echo:
        async def execute(self, job: Job) -> str:
            seen.append(job.method)
            return job.method

    app = make_app(Daemon)
    app.graph.pubsub_tasks.call("echo", "hello")
    assert [str(result.outcome) for result in app.run()] == ["SUCCEEDED"]
    assert seen == ["hello"]


def test_a_job_is_extended_by_new_names_alone():
    job = Job("1", "echo", "hello", None, {})
    job.extend(size=5)
    assert job.size == 5
    with pytest.raises(ConfigurationError, match="A job has args already"):
        job.extend(args=1)


def test_methods_wait_for_themselves_alone(make_app):
    @tasks("work")
    class Work:
        def execute(self, job):
            job.cursor.setdefault("done", []).append(job.method)

    app = make_app(Daemon)
    at_key = app.graph.pubsub_tasks.options(cursor_key="k")
    assert [at_key.call("work", method).is_new for method in ("a", "b", "a")] == [True, True, False]
    app.run()
    with app.graph.pubsub_database.connect() as connection:
        assert app.graph.pubsub_ledger.turns.load(connection, "k") == {"done": ["a", "b"]}


def test_without_a_ledger_it_needs_no_database():
    done = []

    @tasks("echo", ledger=False)
    class Echo:
        def execute(self, job):
            done.append((job.method, job.args, job.cursor))

    with harness(Daemon) as app:
        app.graph.pubsub_tasks.call("echo", "hello", ["x"])
        app.run()
    assert done == [("hello", ["x"], {})]


def test_what_cannot_be(make_app):
    with pytest.raises(ConfigurationError, match=r"runs the tasks of echo, and needs a method execute\(self, job\)"):

        @tasks("echo")
        class Silent: ...

    with pytest.raises(ConfigurationError, match="The queue is named 'Echo'"):
        tasks("Echo")

    app = make_app(Daemon)
    with pytest.raises(
        ConfigurationError, match=r"No class runs the tasks of 'echo': declare one with @tasks\('echo'\)"
    ):
        app.graph.pubsub_tasks.call("echo", "hello")

    @tasks("echo")
    class Echo:
        def execute(self, job): ...

    app = make_app(Daemon)
    with pytest.raises(InvalidParams, match="args is an object, which cannot be written as JSON"):
        app.graph.pubsub_tasks.call("echo", "hello", object())
