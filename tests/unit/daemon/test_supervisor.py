"""
Several processes of one daemon.
"""

import os
import sys
from importlib.machinery import ModuleSpec
from signal import SIGINT, SIGKILL, SIGTERM, SIGUSR2, getsignal, signal
from types import SimpleNamespace

import pytest

from microcosm_pubsub.calls.service import Service, make_service_daemon
from microcosm_pubsub.daemon.supervisor import MAX_DEATHS, Supervisor
from microcosm_pubsub.errors import ConfigurationError


class Process:
    """A process, as the supervisor sees it."""

    def __init__(self, pid=4711):
        self.pid = pid
        self.exitcode = None

    def join(self):
        pass

    def is_alive(self):
        return self.exitcode is None


@pytest.fixture
def supervisor(clock, monkeypatch):
    supervisor = Supervisor(None, processes=2, clock=clock)
    supervisor.sent = []
    monkeypatch.setattr(os, "kill", lambda pid, number: supervisor.sent.append((pid, number)))

    def spawn(child):
        child.process, child.started_at, child.restart_at = Process(), clock(), None
        child.report, child.reported_at = {}, None

    supervisor._spawn = spawn
    for child in supervisor.children:
        spawn(child)
    return supervisor


def die(supervisor, code, child=0):
    supervisor.children[child].process.exitcode = code
    supervisor._bury(supervisor.children[child])


@pytest.mark.parametrize("code", [-9, 3, 9, 70])
def test_one_that_dies_is_started_again_with_growing_waits(supervisor, clock, code):
    child, waits = supervisor.children[0], []
    for _ in range(MAX_DEATHS - 1):
        die(supervisor, code)
        waits.append(child.restart_at - clock())
        supervisor._spawn(child)

    assert waits == [0.5, 1, 2, 4]
    assert (supervisor.exit_code, supervisor.stopping) == (0, False)


def test_one_that_dies_again_and_again_ends_them_all(supervisor, caplog):
    for _ in range(MAX_DEATHS):
        supervisor._spawn(supervisor.children[0])
        die(supervisor, -11)

    assert (supervisor.exit_code, supervisor.stopping) == (1, True)
    assert supervisor.sent == [(4711, SIGTERM)]
    assert "Process 4711 ended with code -11 (SIGSEGV), as 5 in a row did before long: stopping" in caplog.text


def test_deaths_are_forgotten_when_one_has_lived(supervisor, clock):
    child = supervisor.children[0]
    for _ in range(MAX_DEATHS * 2):
        supervisor._spawn(child)
        clock.advance(60)
        die(supervisor, -9)
        assert child.restart_at - clock() == 0.5

    assert not supervisor.stopping


@pytest.mark.parametrize("code", [1, 2])
def test_what_nothing_but_somebody_changes_ends_them_all_at_once(supervisor, code):
    die(supervisor, code)

    assert (supervisor.exit_code, supervisor.stopping) == (1, True)


def test_one_that_wants_a_new_process_gets_it_at_once(supervisor, clock):
    for _ in range(20):
        die(supervisor, 4)
        assert supervisor.children[0].restart_at == clock()
        supervisor._spawn(supervisor.children[0])

    assert not supervisor.stopping


def test_one_that_has_ended_is_not_started_again(supervisor):
    die(supervisor, 0)

    assert supervisor.children[0].ended
    assert (supervisor.stopping, supervisor.children[0].restart_at) == (False, None)


@pytest.mark.parametrize(("code", "exit_code"), [(0, 0), (4, 0), (-SIGTERM, 0), (-SIGINT, 0), (3, 3), (1, 1), (-9, 1)])
def test_when_stopping_nothing_is_started_and_the_worst_is_told(supervisor, code, exit_code):
    supervisor._stop()
    die(supervisor, code)
    die(supervisor, 0, child=1)

    assert supervisor.exit_code == exit_code
    assert all(child.ended for child in supervisor.children)


def test_one_that_waits_to_be_started_ends_when_told_to_stop(supervisor):
    die(supervisor, -9)
    supervisor._stop()

    assert [child.ended for child in supervisor.children] == [True, False]


def test_signals_are_passed_on(supervisor):
    for number in (SIGUSR2, SIGTERM, SIGTERM):
        supervisor._signals.put(number)
    supervisor.children[1].process.exitcode = 0
    supervisor._pass_signals()

    assert supervisor.sent == [(4711, SIGUSR2), (4711, SIGTERM), (4711, SIGTERM)]
    assert supervisor.stopping


class TestReports:
    def tell(self, supervisor, clock, child, **report):
        supervisor.children[child].report = {"healthy": True, "ready": True, **report}
        supervisor.children[child].reported_at = clock()

    def test_all_must_be_healthy_one_must_be_ready(self, supervisor, clock):
        self.tell(supervisor, clock, 0)
        assert not supervisor.report()["healthy"]
        self.tell(supervisor, clock, 1, ready=False)
        current = supervisor.report()
        assert (current["healthy"], current["ready"]) == (True, True)
        self.tell(supervisor, clock, 1, healthy=False)
        assert not supervisor.report()["healthy"]

    def test_one_that_is_silent_is_not_healthy(self, supervisor, clock):
        self.tell(supervisor, clock, 0)
        self.tell(supervisor, clock, 1)
        clock.advance(30)
        assert supervisor.report()["healthy"]
        clock.advance(1)

        current = supervisor.report()

        assert (current["healthy"], current["ready"]) == (False, False)
        assert current["heartbeats"] == {"4711": 31.0}

    def test_one_that_has_drained_is_not_missed(self, supervisor, clock):
        self.tell(supervisor, clock, 1)
        die(supervisor, 0)

        current = supervisor.report()

        assert (current["healthy"], current["ready"], len(current["processes"])) == (True, True, 1)

    def test_a_daemon_that_stops_is_not_ready(self, supervisor, clock):
        for child in (0, 1):
            self.tell(supervisor, clock, child)
        supervisor._stop()

        assert (supervisor.report()["healthy"], supervisor.report()["ready"]) == (True, False)

    def test_a_pipe_that_breaks_is_closed(self, supervisor):
        child = supervisor.children[0]
        closed = []

        def recv():
            raise EOFError

        child.connection = SimpleNamespace(recv=recv, close=lambda: closed.append(True))
        supervisor._receive_report(child)

        assert (child.connection, closed) == (None, [True])


class Startable:
    """Report once, and end as told."""

    def __init__(self, directory, *codes):
        self.directory = directory
        self.codes = codes

    def start(self, send_report=None):
        turn = len(list(self.directory.iterdir()))
        (self.directory / str(os.getpid())).touch()
        send_report({"healthy": True, "ready": True})
        code = self.codes[min(turn, len(self.codes) - 1)]
        if code < 0:
            os.kill(os.getpid(), -code)
        sys.exit(code)


@pytest.fixture
def signals():
    before = {number: getsignal(number) for number in (SIGINT, SIGTERM, SIGUSR2)}
    yield
    for number, handler in before.items():
        signal(number, handler)


@pytest.mark.parametrize("name", ["shop.__main__", "__main__"])
def test_a_daemon_that_its_processes_would_not_find_is_refused(monkeypatch, name):
    """They do not run the main module of a package again."""
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", ModuleSpec(name, None))
    target = type("ShopDaemon", (Startable,), {"__module__": "__main__"})

    with pytest.raises(ConfigurationError, match=f"ShopDaemon .* {name}, .* declare it in another module"):
        Supervisor(target(None, None), processes=2).run()


def test_a_service_is_looked_for_where_it_is_declared(monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", ModuleSpec("shop.__main__", None))
    service = type("Shop", (Service,), {"__module__": "__main__", "name": "supervised_shop"})

    with pytest.raises(ConfigurationError, match=r"daemon of Shop is declared in shop\.__main__"):
        Supervisor(make_service_daemon(service)(), processes=2).run()


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize(
    ("codes", "exit_code", "processes"), [((0,), 0, 1), ((4, -SIGKILL, 0), 0, 3), ((1,), 1, 1), ((2,), 1, 1)]
)
def test_real_processes(tmp_path, codes, exit_code, processes):
    supervisor = Supervisor(Startable(tmp_path, *codes), processes=1)

    with pytest.raises(SystemExit) as ended:
        supervisor.run()

    assert ended.value.code == exit_code
    assert len(list(tmp_path.iterdir())) == processes
