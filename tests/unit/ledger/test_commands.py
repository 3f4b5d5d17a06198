"""
`pubsub tasks` and `pubsub schedules`, over the ledger of a test.
"""

import sys
from importlib import import_module, invalidate_caches
from json import loads

import pytest
from microcosm.api import load_from_dict

from microcosm_pubsub.cli.main import main


PROGRAM = """
from datetime import timedelta

from microcosm_pubsub import ConsumerDaemon, RetryPolicy, task


@task(ledger=True, retry=RetryPolicy(max_attempts=1))
def add(a: int, b: int = 1) -> int:
    if a < 0:
        raise ValueError("below 0")
    return a + b


@task(every=timedelta(hours=1))
def tick() -> None: ...


class JobsDaemon(ConsumerDaemon):
    name = "jobs"
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A module of an own name, since modules of other tests are kept."""
    name = f"jobs_{tmp_path.name.replace('-', '_').lower()}"
    (tmp_path / f"{name}.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["test"])
    invalidate_caches()
    yield import_module(name)
    del sys.modules[name]


@pytest.fixture
def run(url, capsys, monkeypatch, program, tmp_path):
    """Run a command, and return its exit code and what it printed."""
    monkeypatch.setenv("COLUMNS", "300")

    def call(*words):
        where = ["--database-url", url, "--broker-url", f"sqlite:///{tmp_path}/broker.db", "--import", program.__name__]
        with pytest.raises(SystemExit) as raised:
            main([*words, *where])
        return raised.value.code, capsys.readouterr().out

    return call


@pytest.fixture
def daemon(program, url, tmp_path):
    daemon = program.JobsDaemon()
    daemon.args = daemon.make_arg_parser().parse_args([])
    loader = load_from_dict(
        pubsub_broker={"url": f"sqlite:///{tmp_path}/broker.db"},
        pubsub_database={"url": url, "auto_upgrade": True},
        sqs_consumer={"sqs_queue_url": "jobs", "wait_seconds": 0},
    )
    daemon.graph = daemon.create_object_graph(daemon.args, loader=loader)
    daemon.graph.pubsub_ledger_keeping.ledger.database.check()
    daemon.graph.pubsub_ledger_keeping.schedules.register()
    yield daemon
    daemon.graph.pubsub_database.close()
    daemon.graph.pubsub_broker.close()


def test_tasks_are_sent_listed_shown_and_waited_for(run, daemon, program):
    add = f"{program.__name__}.add"
    ids = [run("tasks", "send", add, "--args", f"[{number}]")[1].strip() for number in (1, -1)]
    listed = loads(run("tasks", "list", "--json")[1])
    assert [(row["id"], row["state"]) for row in listed] == [(ids[1], "pending"), (ids[0], "pending")]
    daemon.graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers)
    assert run("tasks", "wait", ids[0]) == (0, "2\n")
    assert loads(run("tasks", "show", ids[0])[1])["result"] == 2
    code, text = run("tasks", "wait", ids[1])
    assert (code, text) == (f"pubsub tasks: Task {add} {ids[1]} failed: ValueError: below 0", "")
    code, text = run("tasks", "wait", ids[1], "--json")
    assert (code, loads(text)["error"]["type"]) == (1, "ValueError")
    table = run("tasks", "list", "--state", "failed", "--limit", "1")[1]
    assert "ValueError: below 0" in table
    assert ids[0] not in table
    assert f"--before {ids[1]}" in table


def test_tasks_are_cancelled_and_sent_once_more(run, daemon, program):
    add = f"{program.__name__}.add"
    task_id = run("tasks", "send", add, "--args", "[1]")[1].strip()
    code, _ = run("tasks", "retry", task_id)
    assert code == f"pubsub tasks: Task {add} {task_id} is pending: only one that has ended can be sent once more"
    assert run("tasks", "cancel", task_id) == (0, "cancelled\n")
    again = loads(run("tasks", "retry", task_id, "--json")[1])["id"]
    assert loads(run("tasks", "show", again)[1])["retried_from"] == task_id
    daemon.graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers)
    assert loads(run("tasks", "cancel", again, "--json")[1]) == {"id": again, "state": "completed"}
    assert run("tasks", "cancel", again)[0] == 1
    assert "No task nothing is in the ledger of" in run("tasks", "show", "nothing")[0]


def test_what_a_task_raises_here_and_now_is_told_with_its_own_frames_alone(program, daemon, capsys, url):
    add = f"{program.__name__}.add"
    with pytest.raises(SystemExit) as raised:
        main(["tasks", "run", add, "--args", "[-1]", "--database-url", url, "--broker-url", "sqlite://"])
    assert raised.value.code == 1
    told = capsys.readouterr().err
    assert told.splitlines()[-1] == f"pubsub tasks: {add} raised ValueError: below 0"
    assert f"{program.__name__}.py" in told
    assert "microcosm_pubsub" not in told


def test_what_is_declared_is_listed_without_a_database(program, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as raised:
        main(["tasks", "list", "--import", program.__name__])
    text = capsys.readouterr().out
    assert (raised.value.code, f"{program.__name__}.add" in text) == (0, True)
    with pytest.raises(SystemExit, match="No database: give --database-url, or set PUBSUB_DATABASE_URL"):
        main(["tasks", "show", "x"])
    with pytest.raises(SystemExit, match="No database: give --database-url"):
        main(["schedules", "list"])


@pytest.mark.parametrize(
    "words",
    [
        ["tasks", "list"],
        ["tasks", "show", "x"],
        ["tasks", "run", "jobs.add"],
        ["schedules", "list"],
        ["outbox", "list"],
        ["outbox", "relay", "--once"],
    ],
    ids=" ".join,
)
def test_a_file_that_is_mistyped_is_told_and_not_made(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as raised:
        main([*words, "--database-url", "sqlite:///jobs.bd"])
    assert raised.value.code == (
        f"pubsub {words[0]}: There is no database in the file jobs.bd, seen from {tmp_path}: see --database-url and "
        "PUBSUB_DATABASE_URL, or make it with `pubsub db upgrade`"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words", [["tasks", "send", "jobs.add"], ["rpc", "call", "jobs.add"], ["rpc", "clean"]], ids=" ".join
)
def test_a_broker_that_is_mistyped_is_told_and_not_made(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as raised:
        main([*words, "--broker-url", "sqlite:///broker.bd"])
    assert raised.value.code == (
        f"pubsub {words[0]}: There is no broker in the file broker.bd, seen from {tmp_path}: see --broker-url"
    )
    assert not list(tmp_path.iterdir())


def test_a_list_of_no_tasks_says_where_they_may_be(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nothing.py").write_text("")
    for words, told in (
        ([], "No module is named: name those of tasks with --import"),
        (["--import", "nothing"], "No task is declared in nothing"),
    ):
        with pytest.raises(SystemExit) as raised:
            main(["tasks", "list", *words])
        assert raised.value.code == 0
        assert capsys.readouterr().err == f"{told}; tasks that were sent are listed with --database-url\n"


def test_a_schedule_is_paused_and_forgotten_whose_module_is_broken(run, daemon, tmp_path):
    (tmp_path / "broken.py").write_text("raise ValueError('broken')\n")
    schedules = daemon.graph.pubsub_ledger_schedules
    with schedules.database.connect() as connection:
        row = {"name": "broken.tick", "spec": "every 1:00:00", "next_at": 0, "is_paused": False}
        connection.execute(schedules.table.insert(), row)

    assert run("schedules", "pause", "broken.tick") == (0, "broken.tick is paused\n")
    assert "ValueError: broken" in run("schedules", "resume", "broken.tick")[0]
    assert run("schedules", "forget", "broken.tick") == (0, "broken.tick is forgotten\n")


@pytest.mark.parametrize(
    "flags",
    [["--limit", "9" * 30], ["--limit", "0"], ["--since", "9999-12-31T23:59:59-12:00"], ["--since", "today"]],
    ids=" ".join,
)
def test_a_flag_that_cannot_be_is_refused(run, flags):
    assert run("tasks", "list", *flags)[0] == 2


def test_schedules_are_listed_paused_resumed_and_run(run, daemon, program):
    tick = f"{program.__name__}.tick"
    (found,) = loads(run("schedules", "list", "--json")[1])
    assert (found["name"], found["spec"], found["is_paused"]) == (tick, "every 1:00:00", False)
    assert run("schedules", "pause", tick) == (0, f"{tick} is paused\n")
    assert "paused" in run("schedules", "list")[1]
    assert loads(run("schedules", "resume", tick, "--json")[1]) == {"name": tick, "state": "resumed"}
    task_id = run("schedules", "run", tick)[1].strip()
    assert loads(run("tasks", "show", task_id)[1])["state"] == "pending"
    assert "The database has no schedule 'other'" in run("schedules", "pause", "other")[0]
    assert "The database has no schedule 'other'" in run("schedules", "forget", "other")[0]
    assert run("schedules", "forget", tick) == (0, f"{tick} is forgotten\n")
    assert loads(run("schedules", "list", "--json")[1]) == []
