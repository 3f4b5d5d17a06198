"""
`pubsub tasks list|run|send`, for people.
"""

import sys
from importlib import import_module, invalidate_caches
from json import loads

import pytest

from microcosm_pubsub.cli.main import main


PROGRAM = """\
from __future__ import annotations

import sys
from datetime import date
from uuid import UUID

from microcosm_pubsub import ConsumerDaemon, task


@task(queue="images")
def resize(path: str, width: int = 100, taken: date | None = None) -> str:
    return f"{path}-{width}-{taken}"


@task
def get_thing() -> object:
    return object()


@task
def get_day() -> date:
    return date(2026, 1, 2)


@task
def leave(key: UUID) -> None:
    sys.exit(3)


class ImagesDaemon(ConsumerDaemon):
    name = "images"
    task_queues = ["images"]
"""


@pytest.fixture
def name(tmp_path, monkeypatch):
    """The name of a module of its own, since modules of other tests are kept."""
    name = f"tasks_{tmp_path.name.replace('-', '_').lower()}"
    (tmp_path / f"{name}.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["test"])
    monkeypatch.setenv("COLUMNS", "300")
    invalidate_caches()
    import_module(name)
    yield name
    del sys.modules[name]


@pytest.fixture
def run(name, tmp_path, capsys):
    """Run a command, and return its exit code, or its error, and what it printed."""

    def call(*words):
        with pytest.raises(SystemExit) as raised:
            main(["tasks", *words, "--broker-url", f"sqlite:///{tmp_path}/broker.db"])
        return raised.value.code, capsys.readouterr().out

    return call


def test_list_names_the_types_of_arguments(run, name):
    code, out = run("list", "--import", name)
    assert code == 0
    assert "(path: str, width: int = 100, taken: datetime.date | None = None)" in out


def test_list_of_a_daemon_has_the_tasks_that_it_runs(run, name):
    code, out = run("list", "--daemon", f"{name}:ImagesDaemon", "--json")
    assert (code, [each["name"] for each in loads(out)]) == (0, [f"{name}.resize"])


def test_run_prints_the_value(run, name):
    assert run("run", f"{name}.resize", "--args", '["a", 5, "2026-01-02"]') == (0, "a-5-2026-01-02\n")
    code, out = run("run", f"{name}.get_day", "--json")
    assert (code, loads(out)) == (0, {"value": "2026-01-02"})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["get_thing", "--json"], "get_thing returned an object, which cannot be written as JSON (it says nothing of"),
        (["resize"], "resize: path: Missing data for required field."),
        (["resize", "--args", '{"path": 3}'], "resize: path: Not a valid string."),
        (["resize", "--args", "{"], "--args is no JSON: "),
        (["resize", "--args", "3"], "--args must be a JSON list (by position) or a JSON object (by name)"),
        (["unknown"], "is declared in what was imported: import the module that declares it; there are "),
    ],
)
def test_what_cannot_be_run_is_one_line(run, name, words, said):
    code, out = run("run", f"{name}.{words[0]}", *words[1:])
    assert code.startswith("pubsub tasks: ")
    assert said in code
    assert out == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "import no_such_thing",
            "Cannot import broken: ModuleNotFoundError: No module named 'no_such_thing'",
        ),
        ("1 / 0", "Cannot import broken: ZeroDivisionError: division by zero"),
        ("from microcosm_pubsub import task\ntask(3)", "@task of int: a task is a function, and this is an int"),
    ],
)
@pytest.mark.parametrize("words", [["run", "broken.work"], ["list", "--import", "broken"]], ids=" ".join)
def test_a_module_that_cannot_be_imported_says_why(run, tmp_path, text, said, words):
    (tmp_path / "broken.py").write_text(text)
    invalidate_caches()
    code, _ = run(*words)
    assert code.startswith(f"pubsub tasks: {said}")


def test_a_task_that_exits_is_told(run, name, capsys):
    main_words = ["tasks", "run", f"{name}.leave", "--args", '["5e3ff1a0-4cf9-4b3c-8b34-6f67e7b3b0a1"]']
    with pytest.raises(SystemExit) as raised:
        main(main_words)
    assert raised.value.code == 1
    assert f"pubsub tasks: {name}.leave raised SystemExit: 3" in capsys.readouterr().err
