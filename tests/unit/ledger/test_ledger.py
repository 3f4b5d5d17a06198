"""
Tasks that are remembered: their states, results, and what becomes of those whose worker is gone.
"""

from datetime import UTC, datetime, timedelta
from json import dumps, loads
from threading import Thread

import pytest
from microcosm.api import create_object_graph
from opentelemetry.trace import NonRecordingSpan, SpanContext, use_span
from sqlalchemy import text

from microcosm_pubsub import (
    Nack,
    RetryPolicy,
    SkipMessage,
    SQSMessage,
    TaskCancelled,
    TaskFailed,
    TaskTimeout,
    task,
)
from microcosm_pubsub.calls.errors import CallError
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.harness import harness
from microcosm_pubsub.ledger.states import State
from microcosm_pubsub.ledger.store import RowFilter
from tests.unit.ledger.helpers import Daemon, TooBad, outcomes


@pytest.fixture
def calls():
    return []


@pytest.fixture
def add(calls):
    @task(name="add", ledger=True, retry=RetryPolicy(max_attempts=3, backoff=5))
    def add(a: int, b: int = 1) -> int:
        calls.append((a, b))
        if a < 0:
            raise TooBad(f"{a} is below 0\0")
        return a + b

    return add


def test_a_task_is_remembered_from_its_sending_to_its_end(make_app, add, calls):
    app = make_app(Daemon)
    handle = add.send(1, b=2)
    assert (handle.state, handle.is_new) == (State.PENDING, True)
    assert outcomes(app.run()) == ["SUCCEEDED"]
    assert (handle.state, handle.result(), handle.error) == (State.COMPLETED, 3, None)
    row = handle.row.to_dict()
    assert row["arguments"] == {"a": 1, "b": 2}
    assert (row["attempts"], row["max_attempts"]) == (1, 3)
    assert row["created_at"] == row["finished_at"] == "2026-01-01T00:00:00.000+00:00"
    assert app.graph.pubsub_tasks.find(handle.task_id).result() == 3


def test_a_daemon_without_a_database_does_not_start(add):
    no_database = pytest.raises(ConfigurationError, match=r"add is to be remembered, but there is no database: set pub")
    with no_database, harness(Daemon) as app:
        app.run()


def test_who_sends_without_a_database_is_told_what_is_missing(add):
    graph = create_object_graph("sender", testing=True)
    graph.use("opaque", "pubsub_tasks")
    graph.lock()
    with pytest.raises(ConfigurationError, match=r"add is to be remembered, but there is no database"):
        add.send(1)
    with pytest.raises(ConfigurationError, match=r"^Tasks are to be listed, but there is no database"):
        graph.pubsub_tasks.list()
    with pytest.raises(ConfigurationError, match=r"^Task x is looked for, but there is no database"):
        graph.pubsub_tasks.find("x")
    assert add.options(is_async=False).send(1) == 2


def test_what_is_not_remembered_says_so(make_app):
    @task(name="plain")
    def plain() -> None: ...

    app = make_app(Daemon)
    handle = plain.send()
    with pytest.raises(AttributeError, match=r"plain is not remembered, and has no state: declare it @task\(ledger"):
        _ = handle.state
    with pytest.raises(ConfigurationError, match="has no cursors"):
        plain.options(cursor_key="x").send()
    assert outcomes(app.run()) == ["SUCCEEDED"]


def test_a_daemon_may_have_all_its_tasks_remembered(make_app):
    @task(name="plain")
    def plain() -> int:
        return 7

    class Remembering(Daemon):
        ledger = True

    app = make_app(Remembering)
    handle = plain.send()
    app.run()
    assert handle.result() == 7


def test_the_rows_are_those_of_the_senders_transaction(make_app, add):
    app = make_app(Daemon)

    def send_and_fail():
        with app.graph.pubsub_database.transaction():
            add.send(1)
            raise TooBad

    with pytest.raises(TooBad):
        send_and_fail()
    assert app.run() == []
    assert app.graph.pubsub_tasks.list() == []
    with app.graph.pubsub_database.transaction() as session:
        handle = add.send(1)
        session.execute(text("SELECT 1"))
        # seen in its own transaction, and not published
        assert handle.state == "pending"
        assert app.queue == []
    assert outcomes(app.run()) == ["SUCCEEDED"]
    assert handle.state == "completed"


def test_a_savepoint_takes_its_tasks_with_it(make_app, add):
    app = make_app(Daemon)
    with app.graph.pubsub_database.transaction() as session:
        add.send(1)
        savepoint = session.begin_nested()
        add.send(2)
        savepoint.rollback()
    assert outcomes(app.run()) == ["SUCCEEDED"]
    assert [each.row.arguments["a"] for each in app.graph.pubsub_tasks.list()] == [1]


def test_what_a_task_did_and_that_it_is_done_are_one(make_app, calls):
    @task(name="write", ledger=True, retry=RetryPolicy(max_attempts=2, backoff=0))
    def write(session, value: int) -> int:
        session.execute(text("INSERT INTO written VALUES (:value)"), {"value": value})
        if value < 0:
            raise TooBad
        return value

    app = make_app(Daemon)
    with app.graph.pubsub_database.transaction() as session:
        session.execute(text("CREATE TABLE written (value INTEGER)"))
    done, failed = write.send(1), write.send(-1)
    app.run()
    with app.graph.pubsub_database.transaction() as session:
        assert session.scalars(text("SELECT value FROM written")).all() == [1]
    assert (done.state, failed.state) == ("completed", "failed")


def test_a_failure_is_tried_again_and_then_failed(make_app, add, calls):
    app = make_app(Daemon)
    handle = add.send(-1)
    assert outcomes(app.run()) == ["FAILED"]
    assert (handle.state, handle.row.attempts) == ("pending", 1)
    assert handle.error["type"] == "TooBad"
    # what no database stores is left out
    assert handle.error["message"] == "-1 is below 0 "
    assert "raise TooBad" in handle.error["traceback"]
    # what called the function is no news
    assert "microcosm_pubsub/result.py" not in handle.error["traceback"]
    for _ in range(2):
        app.clock.advance(6)
        app.run()
    assert (handle.state, handle.row.attempts, len(calls)) == ("failed", 3, 3)
    assert len(app.dead_letters) == 1
    with pytest.raises(TaskFailed, match=r"Task add .* failed: TooBad: -1 is below 0") as raised:
        handle.result()
    assert raised.value.error["type"] == "TooBad"


def test_a_result_is_waited_for(make_app, add):
    app = make_app(Daemon)
    handle = add.send(1)
    with pytest.raises(TaskTimeout, match="is pending after 0 s; it goes on"):
        handle.result(timeout_seconds=0)
    ledger, waited = app.graph.pubsub_ledger, []

    def pause(seconds):
        waited.append(seconds)
        if len(waited) == 3:
            app.run()

    ledger.pause = pause
    assert handle.result() == 2
    assert waited == [0.01, 0.02, 0.04]


def test_a_message_that_comes_twice_is_done_once(make_app, add, calls):
    app = make_app(Daemon)
    add.send(1)
    body = app.queue[0].body
    app.run()
    app.send(body)
    assert outcomes(app.run()) == ["SKIPPED"]
    assert app.results[-1].extra["reason"] == "The task is completed"
    assert (len(calls), app.queue) == (1, [])


def test_what_the_ledger_does_not_know_is_not_deleted(make_app, add):
    app = make_app(Daemon)
    handle = add.send(1)
    row = handle.row
    with app.graph.pubsub_database.connect() as connection:
        app.graph.pubsub_ledger.store.forget(connection, row)
    assert outcomes(app.run()) == ["FAILED"]
    assert "is not in the ledger of" in str(app.results[-1].exc_info[1])
    assert len(app.queue) == 1
    with pytest.raises(CallError, match="was never committed, was removed as old, or is in another database"):
        _ = handle.state


def test_a_task_that_skips_or_waits(make_app):
    @task(name="choose", ledger=True)
    def choose(what: str) -> None:
        raise {"skip": SkipMessage("not needed"), "later": Nack(30, reason="not yet")}[what]

    app = make_app(Daemon)
    skipped, later = choose.send("skip"), choose.send("later")
    app.run()
    assert (skipped.state, skipped.result(), skipped.error["message"]) == ("completed", None, "not needed")
    assert (later.state, later.error["message"]) == ("pending", "not yet")


def test_a_result_that_cannot_be_kept(make_app):
    done = []

    @task(name="strange", ledger=True)
    def strange(size: int) -> object:
        done.append(size)
        return "x" * size if size else object()

    app = make_app(Daemon)
    handles = [strange.send(0), strange.send(2_000_000)]
    assert outcomes(app.run()) == ["SUCCEEDED", "SUCCEEDED"]
    assert [handle.state for handle in handles] == ["completed", "completed"]
    with pytest.raises(CallError, match="has completed: The result, an object, cannot be written as JSON"):
        handles[0].result()
    with pytest.raises(CallError, match="The result has 2000002 bytes, and 1048576 are kept at most"):
        handles[1].result()


def test_an_id_is_there_once(make_app, add):
    app = make_app(Daemon)
    add.options(task_id="one").send(1)
    with pytest.raises(CallError, match="A task with the id one is in the ledger already"):
        add.options(task_id="one").send(2)
    assert outcomes(app.run()) == ["SUCCEEDED"]


def test_a_task_at_its_time(make_app, add):
    app = make_app(Daemon)
    at = datetime.fromtimestamp(app.clock() + 30 * 24 * 3600, UTC)
    handles = [add.options(at=at).send(1), add.options(delay_seconds=20 * 24 * 3600).send(2)]
    assert [handle.state for handle in handles] == ["scheduled", "scheduled"]
    assert app.run() == []
    app.clock.advance(20 * 24 * 3600)
    app.run()
    assert [handle.state for handle in handles] == ["scheduled", "completed"]
    app.clock.advance(10 * 24 * 3600)
    app.run()
    assert handles[0].state == "completed"
    with pytest.raises(ConfigurationError, match="a time without a zone"):
        add.options(at=datetime(2026, 1, 1)).send(1)


class TestCancelling:
    def test_what_waits_is_cancelled(self, make_app, add, calls):
        app = make_app(Daemon)
        later, now = add.options(delay_seconds=60).send(1), add.send(2)
        assert [later.cancel(), now.cancel()] == ["cancelled", "cancelled"]
        app.clock.advance(61)
        # its message was on its way
        assert outcomes(app.run()) == ["SKIPPED"]
        assert calls == []
        with pytest.raises(TaskCancelled, match="was cancelled"):
            now.result()
        assert now.cancel() == "cancelled"

    def test_what_has_ended_stays_so(self, make_app, add):
        app = make_app(Daemon)
        handle = add.send(1)
        app.run()
        assert handle.cancel() == "completed"

    def test_what_runs_is_told_by_its_lease(self, make_app):
        seen = []

        @task(name="long", ledger=True)
        def long(message: SQSMessage, graph) -> None:
            handle = graph.pubsub_tasks.list()[0]
            # in another transaction, as another process does
            cancel_elsewhere(graph, handle)
            graph.pubsub_ledger.runs.beat()
            seen.append(message.lease.lost_reason)

        app = make_app(Daemon)
        if app.graph.pubsub_database.is_sqlite:
            pytest.skip("nobody else writes to a SQLite file while a transaction is open")
        handle = long.send()
        assert outcomes(app.run()) == ["SKIPPED"]
        assert seen == ["The task was cancelled"]
        assert handle.state == "cancelled"

    def test_what_runs_and_is_told_nothing_is_undone(self, make_app):
        @task(name="long", ledger=True)
        def long(session, graph) -> None:
            session.execute(text("INSERT INTO written VALUES (1)"))
            cancel_elsewhere(graph, graph.pubsub_tasks.list()[0])

        app = make_app(Daemon)
        if app.graph.pubsub_database.is_sqlite:
            pytest.skip("nobody else writes to a SQLite file while a transaction is open")
        with app.graph.pubsub_database.transaction() as session:
            session.execute(text("CREATE TABLE written (value INTEGER)"))
        handle = long.send()
        app.run()
        assert handle.state == "cancelled"
        with app.graph.pubsub_database.transaction() as session:
            assert session.scalar(text("SELECT count(*) FROM written")) == 0


def cancel_elsewhere(graph, handle):
    ledger = graph.pubsub_ledger
    with graph.pubsub_database.connect() as connection:
        ledger._cancel(connection, handle.task_id, None)


class TestRetrying:
    def test_a_task_that_failed_is_sent_once_more(self, make_app, add, calls):
        app = make_app(Daemon)
        handle = add.send(-1)
        with pytest.raises(CallError, match="is pending: only one that has ended can be sent once more"):
            handle.retry()
        for _ in range(3):
            app.run()
            app.clock.advance(6)
        again = handle.retry()
        assert (again.task_id != handle.task_id, again.row.retried_from) == (True, handle.task_id)
        assert (handle.state, again.state) == ("failed", "pending")

    def test_a_dead_letter_that_is_sent_back_is_run(self, make_app, add, calls):
        app = make_app(Daemon)
        handle = add.send(-1)
        for _ in range(3):
            app.run()
            app.clock.advance(6)
        assert handle.state == "failed"
        app.send(app.dead_letters[0].body)
        app.run()
        # it has all its attempts again
        assert (handle.state, handle.row.attempts, len(calls)) == ("pending", 4, 4)
        for _ in range(2):
            app.clock.advance(6)
            app.run()
        assert (handle.state, handle.row.attempts, len(calls)) == ("failed", 6, 6)


class TestLost:
    def lose(self, app, handle, attempts=1):
        """Let the task be run by a process that is gone."""
        ledger = app.graph.pubsub_ledger
        with app.graph.pubsub_database.connect() as connection:
            now = ledger.terms.now_ms()
            values = {"worker": "gone:1", "started_at": now, "look_at": now + 30_000, "max_attempts": 2}
            ledger.store.begin(connection, handle.task_id, values)

    def test_a_task_whose_worker_died_is_run_again(self, make_app, add, calls):
        app = make_app(Daemon)
        handle = add.send(1)
        self.lose(app, handle)
        # its message comes again while nobody knows
        assert outcomes(app.run()) == ["SKIPPED"]
        assert (handle.state, calls) == ("running", [])
        app.clock.advance(31)
        app.graph.pubsub_ledger.sweeper.sweep()
        assert handle.state == "lost"
        assert "Its worker gone:1 was not heard of any more, at attempt 1" in handle.error["message"]
        app.run()
        assert (handle.state, handle.row.attempts, handle.error) == ("completed", 2, None)

    def test_until_its_attempts_are_used_up(self, make_app, add, calls):
        app = make_app(Daemon)
        handle = add.send(1)
        for _ in range(2):
            self.lose(app, handle)
            app.clock.advance(31)
            app.graph.pubsub_ledger.sweeper.sweep()
        assert (handle.state, handle.error["type"]) == ("failed", "LeaseLost")
        # and what comes of its messages is done with
        assert outcomes(app.run()) == ["SKIPPED", "SKIPPED"]
        assert (handle.row.attempts, calls) == (2, [])

    def test_one_that_was_to_stop_is_cancelled(self, make_app, add):
        app = make_app(Daemon)
        handle = add.send(1)
        self.lose(app, handle)
        assert handle.cancel() == "running"
        app.clock.advance(31)
        app.graph.pubsub_ledger.sweeper.sweep()
        assert handle.state == "cancelled"

    def test_one_that_another_has_begun_is_not_written(self, make_app, calls):
        @task(name="slow", ledger=True)
        def slow(graph) -> None:
            calls.append(1)
            if len(calls) > 1:
                return
            ledger = graph.pubsub_ledger
            with graph.pubsub_database.connect() as connection:
                row = ledger.store.list_rows(connection, RowFilter(1))[0]
                ledger.store.change(connection, row, state=State.LOST)
                now = ledger.terms.now_ms()
                values = {"worker": "other", "started_at": now, "look_at": now + 9999, "max_attempts": 3}
                ledger.store.begin(connection, row.id, values)

        app = make_app(Daemon)
        if app.graph.pubsub_database.is_sqlite:
            pytest.skip("nobody else writes to a SQLite file while a transaction is open")
        handle = slow.send()
        app.run()
        assert (handle.state, handle.row.worker, handle.row.attempts) == ("running", "other", 2)

    def test_a_message_that_does_not_come_is_published_again(self, make_app, add, calls):
        app = make_app(Daemon, pubsub_ledger={"republish_seconds": 60})
        handle = add.send(1)
        lost = app.queue[0]
        app.graph.sqs_client.purge_queue(QueueUrl=app.graph.sqs_consumer.sqs_queue_url)
        assert app.run() == []
        app.clock.advance(61)
        app.graph.pubsub_ledger.sweeper.sweep()
        # it is waited for longer than before
        row = handle.row
        assert (row.publishes, row.look_at - row.published_at) == (2, 120_000)
        assert outcomes(app.run()) == ["SUCCEEDED"]
        assert (handle.state, handle.row.publishes) == ("completed", 0)
        app.send(lost.body)
        assert outcomes(app.run()) == ["SKIPPED"]
        assert len(calls) == 1


def test_finished_tasks_are_removed(make_app, add):
    app = make_app(Daemon, pubsub_ledger={"retention_days": 2})
    done, waiting = add.send(1), add.options(delay_seconds=10**7).send(2)
    app.run()
    app.clock.advance(2 * 24 * 3600 + 1)
    app.run()
    assert [each.task_id for each in app.graph.pubsub_tasks.list()] == [waiting.task_id]
    with pytest.raises(CallError):
        _ = done.state


def test_tasks_are_listed_by_pages(make_app, add):
    app = make_app(Daemon)
    tasks = app.graph.pubsub_tasks
    for number in range(5):
        add.options(task_id=f"t{number}").send(number)
        app.clock.advance(1)
    ids = [each.task_id for each in tasks.list(limit=2)]
    assert ids == ["t4", "t3"]
    assert [each.task_id for each in tasks.list(limit=2, before="t3")] == ["t2", "t1"]
    assert [each.task_id for each in tasks.list(before=tasks.find("t1"))] == ["t0"]
    since = datetime.fromtimestamp(app.clock() - 2, UTC)
    assert [each.task_id for each in tasks.list(since=since)] == ["t4", "t3"]
    tasks.find("t2").cancel()
    assert [each.task_id for each in tasks.list(state="cancelled")] == ["t2"]
    assert tasks.list(name="other") == []
    with pytest.raises(CallError, match="There is no state 'gone'; there are scheduled, pending, running"):
        tasks.list(state="gone")
    with pytest.raises(CallError, match="a time without a zone"):
        tasks.list(since=datetime(2026, 1, 1))


def test_a_list_of_one_key_is_read_from_an_index(make_app, kind):
    app = make_app(Daemon)
    store = app.graph.pubsub_ledger.store
    query = store.make_query(RowFilter(20, cursor_key="user:1"))
    sql = query.compile(app.graph.pubsub_database.engine, compile_kwargs={"literal_binds": True})
    with app.graph.pubsub_database.connect() as connection:
        if kind == "sqlite":
            plan = " ".join(map(str, connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")))
            assert "USING INDEX ix_pubsub_task_cursor_key" in plan
        else:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            plan = " ".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {sql}"))
            assert "Scan Backward using ix_pubsub_task_cursor_key" in plan
        # nothing is sorted
        assert "Sort" not in plan
        assert "TEMP B-TREE" not in plan


def test_a_task_that_is_given_up_counts_its_own_attempts(make_app, calls):
    @task(name="fail", ledger=True, retry=RetryPolicy(max_attempts=2, backoff=0))
    def fail(message: SQSMessage) -> None:
        calls.append(message.attempts)
        raise TooBad

    app = make_app(Daemon, pubsub_ledger={"republish_seconds": 60})
    handle = fail.send()
    with app.graph.pubsub_database.connect() as connection:
        ledger = app.graph.pubsub_ledger
        ledger.store.change(connection, ledger.store.find(connection, handle.task_id), attempts=1)
    app.run()
    assert (calls, handle.state) == ([2], "failed")


def test_a_duration_is_a_timedelta(make_app):
    with pytest.raises(ConfigurationError, match="every is 5, but must be a timedelta"):
        task(every=5)(lambda: None)
    with pytest.raises(ConfigurationError, match=r"every is .*, but must be a timedelta of a second or more"):
        task(every=timedelta(0))(lambda: None)


def test_a_task_is_known_by_the_trace_that_sent_it(make_app, add):
    app = make_app(Daemon, pubsub_traces={"enabled": True})
    span = NonRecordingSpan(SpanContext(0xABC, 0xDEF, is_remote=False))
    with use_span(span):
        handle = add.send(1)
    assert handle.row.trace_id == f"{0xABC:032x}"
    assert add.send(2).row.trace_id is None
    app.run()
    assert handle.state == "completed"


class TestWhatCannotBePublished:
    def test_it_is_refused_when_it_is_sent(self, make_app):
        @task(name="store", ledger=True)
        def store(words: list[str]) -> None: ...

        app = make_app(Daemon)
        for options in ({}, {"delay_seconds": 60}, {"cursor_key": "k"}):
            with pytest.raises(
                CallError, match=r"The arguments of task store have .* bytes, and a message takes 253952"
            ):
                store.options(**options).send(["x" * 300_000])
        waiting = store.options(cursor_key="k", merge="append", delay_seconds=60)
        waiting.send(["x" * 200_000])
        with pytest.raises(CallError, match="The arguments of task store have"):
            waiting.send(["x" * 100_000])
        # what waits is as it was
        app.clock.advance(61)
        assert outcomes(app.run()) == ["SUCCEEDED"]

    @pytest.mark.parametrize("cursor_key", [None, "k"])
    def test_it_keeps_no_other_task_from_its_time(self, make_app, add, cursor_key):
        app = make_app(Daemon)
        options = {"delay_seconds": 60, **({} if cursor_key is None else {"cursor_key": cursor_key})}
        bad = add.options(**options).send(1)
        good = add.options(delay_seconds=60).send(2)
        with app.graph.pubsub_database.connect() as connection:
            ledger = app.graph.pubsub_ledger
            row = ledger.store.find(connection, bad.task_id)
            call = {**loads(row.call), "params": {"a": "x" * 300_000}}
            ledger.store.change(connection, row, call=dumps(call))
        app.clock.advance(61)
        app.run()
        assert (bad.state, good.state) == ("failed", "completed")
        assert bad.error["type"] == "PublishError"
        assert "a topic takes 262144" in bad.error["message"]


def test_a_task_without_a_policy_is_failed_after_five_attempts(make_app, calls):
    @task(name="fail", ledger=True)
    def fail() -> None:
        calls.append(1)
        raise TooBad

    app = make_app(Daemon)
    handle = fail.send()
    for _ in range(8):
        app.run()
        app.clock.advance(3600 * 5)
    assert (handle.state, len(calls), len(app.dead_letters)) == ("failed", 5, 1)
    assert handle.row.max_attempts == 5


def test_a_task_whose_workers_die_is_given_up(make_app, add, calls):
    app = make_app(Daemon, pubsub_ledger={"max_attempts": 2})
    handle = add.send(1)
    with app.graph.pubsub_database.connect() as connection:
        ledger = app.graph.pubsub_ledger
        ledger.store.change(connection, ledger.store.find(connection, handle.task_id), attempts=3)
    app.run()
    assert (handle.state, calls) == ("failed", [])
    assert handle.error["message"] == "It was begun 3 times before, and did not end"


def test_an_error_without_a_text(make_app):
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError

    @task(name="odd", ledger=True, retry=RetryPolicy(max_attempts=1))
    def odd() -> None:
        raise Odd

    app = make_app(Daemon)
    handle = odd.send()
    app.run()
    assert (handle.state, handle.error["type"]) == ("failed", "test_an_error_without_a_text.<locals>.Odd")
    assert handle.error["message"] == "its text cannot be had: RuntimeError"


def test_what_is_told_to_stop_has_its_turn_until_it_does(make_app):
    seen = []

    @task(name="long", ledger=True)
    def long(graph) -> None:
        cancel_elsewhere(graph, graph.pubsub_tasks.list(name="long")[0])
        for _ in range(3):
            graph.pubsub_ledger.runs.beat()
            app.clock.advance(20)
            # as another daemon does
            thread = Thread(target=graph.pubsub_ledger.sweeper.sweep)
            thread.start()
            thread.join()
        with graph.pubsub_database.autocommitting() as connection:
            seen.extend(row.state for row in graph.pubsub_ledger.store.list_rows(connection, RowFilter(10)))

    @task(name="next", ledger=True)
    def following() -> None: ...

    app = make_app(Daemon)
    if app.graph.pubsub_database.is_sqlite:
        pytest.skip("nobody else writes to a SQLite file while a transaction is open")
    first = long.options(cursor_key="k").send()
    second = following.options(cursor_key="k").send()
    assert outcomes(app.run())[0] == "SKIPPED"
    assert sorted(map(str, seen)) == ["pending", "running"]
    app.clock.advance(31)
    app.run()
    assert (first.state, second.state) == ("cancelled", "completed")


def test_a_result_is_not_waited_for_in_the_transaction_that_sends_it(make_app, add):
    app = make_app(Daemon)
    with app.graph.pubsub_database.transaction():
        handle = add.send(1)
        with pytest.raises(CallError, match="nothing becomes of it within a transaction that is open"):
            handle.result()


def test_who_reads_waits_for_nobody_who_writes(make_app, add):
    app = make_app(Daemon)
    handle = add.send(1)
    states = []
    with app.graph.pubsub_database.transaction():
        thread = Thread(target=lambda: states.append(handle.state))
        thread.start()
        thread.join(10)
    assert states == ["pending"]


def test_how_many_are_listed(make_app):
    app = make_app(Daemon)
    for limit in (0, -1, "x", True):
        with pytest.raises(CallError, match=r"limit is .*, but must be a whole number from 1"):
            app.graph.pubsub_tasks.list(limit=limit)


def test_a_daemon_without_a_database_runs_no_task_that_its_sender_remembers(make_app, calls):
    @task(name="plain")
    def plain() -> None:
        calls.append(1)

    app = make_app(Daemon, pubsub_ledger={"always": True})
    plain.send()
    (sent,) = app.queue
    with harness(Daemon) as other:
        other.send(sent.body)
        assert outcomes(other.run()) == ["FAILED"]
        assert "has no database in which to say that it is done" in str(other.results[0].exc_info[1])
        assert len(other.queue) == 1
    assert calls == []


def test_a_daemon_tells_how_many_tasks_there_are(make_app, add):
    app = make_app(Daemon)
    add.options(delay_seconds=60).send(1)
    add.send(2)
    keeping = app.graph.pubsub_ledger_keeping
    assert 0 < keeping.step() <= 1
    assert keeping.gauges() == {"tasks_scheduled": 1, "tasks_pending": 1, "tasks_running": 0, "tasks_lost": 0}
    keeping.start()
    keeping.stop()
    assert keeping.problems() == []


def test_what_failed_after_another_worker_had_begun_it_is_no_dead_letter(make_app, calls):
    @task(name="slow", ledger=True, retry=RetryPolicy(max_attempts=1))
    def slow(graph) -> None:
        ledger = graph.pubsub_ledger
        with graph.pubsub_database.connect() as connection:
            row = ledger.store.list_rows(connection, RowFilter(1))[0]
            ledger.store.change(connection, row, attempts=row.attempts + 1, worker="other")
        raise TooBad

    app = make_app(Daemon)
    if app.graph.pubsub_database.is_sqlite:
        pytest.skip("nobody else writes to a SQLite file while a transaction is open")
    handle = slow.send()
    assert outcomes(app.run()) == ["SKIPPED"]
    assert (handle.state, app.dead_letters) == ("running", [])
