"""
Daemons as services of version 3 have them: with states of their own, that microcosm-daemon's loop calls.
"""

import os
import sys
from json import dumps
from pathlib import Path
from signal import SIGTERM
from subprocess import PIPE, Popen, run

import pytest
from microcosm.api import binding, load_from_dict

from microcosm_pubsub.conventions import created
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.decorators import handles


ROOT = Path(__file__).parents[2]

PROGRAM = """
from microcosm_daemon.api import ExitError, FatalError
from microcosm_pubsub.conventions import created
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.decorators import handles


@handles(created("order"))
def handle(message):
    print("handled", message["uri"], flush=True)
    return True


class OldDaemon(ConsumerDaemon):
    name = "old"

{body}

if __name__ == "__main__":
    OldDaemon().run()
"""

BETWEEN = """
    def __call__(self, graph):
        super().__call__(graph)
        print("between receives", flush=True)
"""

FIRST = """
    @property
    def initial_state(self):
        return self.begin

    def begin(self, graph):
        print("first of all", flush=True)
        return self
"""

LOOP = """
    def run_state_machine(self):
        print("my own loop", flush=True)
"""

ENDING = """
    def __call__(self, graph):
        raise {error}
"""

MESSAGE = dumps({"mediaType": created("order"), "uri": "https://example.com/1"})


@pytest.fixture
def run_daemon(tmp_path):
    def run_program(body, *args):
        path = tmp_path / "daemon.py"
        path.write_text(PROGRAM.replace("{body}", body))
        (tmp_path / "messages.jsonl").write_text(f"{MESSAGE}\n{MESSAGE}\n")
        flags = args or ("--sqs-queue-url", "messages.jsonl", "--envelope", "NaiveSQSEnvelope")
        return run(
            [sys.executable, path.name, *flags],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            input=MESSAGE,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_program


@pytest.mark.parametrize(
    ("body", "printed"),
    [(BETWEEN, "between receives"), (FIRST, "first of all"), (BETWEEN + FIRST, "between receives")],
)
def test_states_are_called(run_daemon, body, printed):
    ended = run_daemon(body)

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("handled https://example.com/1") == 2
    assert printed in ended.stdout


def test_a_loop_is_called(run_daemon):
    ended = run_daemon(LOOP)

    assert (ended.returncode, "my own loop" in ended.stdout) == (0, True)


@pytest.mark.parametrize(("error", "code"), [("ExitError('done')", 0), ("FatalError('broken')", 3)])
def test_states_end_it(run_daemon, error, code):
    ended = run_daemon(ENDING.format(error=error))

    assert ended.returncode == code, ended.stderr


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_signal_ends_them(tmp_path, processes):
    path = tmp_path / "daemon.py"
    path.write_text(PROGRAM.replace("{body}", BETWEEN))
    flags = ("--broker-url", f"sqlite:///{tmp_path}/broker.db", "--processes", processes)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OLD__SQS_CONSUMER__WAIT_SECONDS": "1"}
    with Popen([sys.executable, str(path), *flags], env=env, stdout=PIPE, text=True) as program:
        assert program.stdout is not None
        assert any("between receives" in line for line in program.stdout)
        program.send_signal(SIGTERM)
        program.communicate(timeout=60)

    assert program.returncode == 0


def test_states_of_stdin(run_daemon):
    ended = run_daemon(BETWEEN, "--stdin", "--debug")

    assert ended.returncode == 0, ended.stderr
    assert "handled https://example.com/1" in ended.stdout


def note(message, result):
    """An observer."""


class ListeningDaemon(ConsumerDaemon):
    name = "listening"


def test_a_loader_says_what_the_class_does_not():
    daemon = ListeningDaemon.create_for_testing(loader=load_from_dict(pubsub_observers={"names": [note]}))

    assert note in daemon.graph.pubsub_observers


@binding("switching_function")
@handles(created("switching_function"))
def switching_function(message):
    return True


@binding("switching_made")
@handles(created("switching_made"))
def switching_made(graph):
    return lambda message: True


class FunctionDaemon(ConsumerDaemon):
    name = "functions"
    components = ["switching_function", "switching_made"]


def test_components_name_functions():
    bound = FunctionDaemon.create_for_testing().bound_handlers

    assert bound.keys() == {created("switching_function"), created("switching_made")}
    assert bound[created("switching_function")] is switching_function
    assert bound[created("switching_made")]({}) is True
