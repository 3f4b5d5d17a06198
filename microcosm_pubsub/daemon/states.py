"""
Daemons with states of their own: run one receive at a time by the loop of microcosm-daemon, as version 3 ran all.

A daemon class that overrides what this loop calls has something to do between receives. The worker has no place for it,
and would not call it: such a daemon is run by the loop, without the worker's many messages at once and its leases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from microcosm_daemon.api import ExitError, StateMachine
from microcosm_daemon.daemon import Daemon

from microcosm_pubsub.daemon.process import EXIT_LASTING, EXIT_OK, EXIT_RESTART
from microcosm_pubsub.daemon.running import say_start, warn_of_doubts
from microcosm_pubsub.daemon.services import Services, find_call_gauges
from microcosm_pubsub.errors import QueueAccessError
from microcosm_pubsub.health import HealthServer, Report, report_routes


#: What a daemon class overrides to have states of its own.
STATES = ("__call__", "initial_state", "run_state_machine")


def has_states(cls: type, base: type) -> bool:
    """
    Return whether a daemon class has states of its own.

    :param base: the class whose states are the worker's
    """
    return any(getattr(cls, name) is not getattr(base, name) for name in STATES)


def run_states(daemon: Any, send_report: Callable[[Report], None] | None) -> int:
    """
    Run a daemon through its states until it ends, with its services beside it, and return the exit code.

    :param send_report: sends the health of this process to its supervisor, if it has one
    """
    graph = daemon.graph
    services = Services(graph.pubsub_services, find_call_gauges(graph))

    def get_report() -> Report:
        problems = services.problems()
        return {"healthy": not problems, "ready": True, "problems": problems, "services": services.gauges()}

    if send_report is None and daemon.args.healthcheck_port is not None:
        routes = {**report_routes(get_report), **daemon.routes}
        services.add(HealthServer(routes, daemon.args.healthcheck_host, daemon.args.healthcheck_port))
    warn_of_doubts(daemon)
    graph.logger.info("Daemon %s has states of its own: it makes one receive at a time, without a worker", daemon.name)
    say_start(daemon)
    services.start()
    try:
        if type(daemon).run_state_machine is not Daemon.run_state_machine:
            daemon.run_state_machine()
            return EXIT_OK
        return step_to_end(daemon, lambda: None if send_report is None else send_report(get_report()))
    finally:
        services.stop()


def step_to_end(daemon: Any, on_step: Callable[[], None]) -> int:
    """
    Call a daemon's states, one after another, until it is told to stop or one ends it, and return the exit code.

    :param on_step: is called after each call
    """
    graph = daemon.graph
    machine = StateMachine(graph, daemon.initial_state)
    try:
        with graph.signal_handler:
            while machine.should_run() and not daemon.is_stopping:
                machine.advance()
                on_step()
                if machine.reloader is not None:
                    machine.reloader()
    except ExitError as error:
        graph.logger.info("Ending: %s", error)
        code = EXIT_LASTING if isinstance(error.__cause__, QueueAccessError) else EXIT_OK
    except Exception:
        # A state is user code: FatalError, and whatever a strict error policy lets through, end the daemon.
        graph.logger.exception("Daemon %s cannot go on", daemon.name)
        code = EXIT_RESTART
    else:
        code = EXIT_OK
    graph.logger.info("Stopped daemon %s", daemon.name)
    return code
