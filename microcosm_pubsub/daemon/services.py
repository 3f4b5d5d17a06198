"""
Services that run beside the worker of a daemon: started before its first receive, stopped after its last message is
settled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from logging import getLogger
from typing import Any, Protocol, TypeVar

from microcosm.api import typed

from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults, find_component, find_parts, use_parts
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.graph import PubSubGraph


logger = getLogger(__name__)

T = TypeVar("T")

#: The methods of every service.
METHODS = ("start", "stop", "problems", "gauges")

NOTHING: Mapping[str, float] = {}
UNKNOWN: Iterable[str] = ("a service cannot tell how it fares",)


class Service(Protocol):
    """
    Something that runs beside the worker, in threads of its own.

    `start` returns when it runs, or raises why it cannot; `stop` returns when it has ended, and is called once for each
    start. `problems` says what is wrong at the moment, one sentence each, and `gauges` what it does, as numbers by
    name; both are called about once a second, and do not wait.
    """

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def problems(self) -> Iterable[str]: ...

    def gauges(self) -> Mapping[str, float]: ...


class Services:
    """
    Start, watch and stop some services.

    :param services: are started in this order, and stopped in the other
    :param tellers: return more gauges, of what needs neither
    """

    def __init__(self, services: Iterable[Service], tellers: Iterable[Callable[[], Mapping[str, float]]] = ()) -> None:
        self.services = list(services)
        self.tellers = list(tellers)
        self._running: list[Service] = []

    def add(self, service: Service) -> None:
        """Have one more service, to be started last."""
        self.services.append(service)

    def start(self) -> None:
        """
        Start all services.

        :raises Exception: what the first one raises that cannot start, after those before it were stopped
        """
        try:
            for service in self.services:
                service.start()
                self._running.append(service)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the services that run; one that cannot be stopped keeps none of the others."""
        while self._running:
            service = self._running.pop()
            # A service is user code, and the daemon ends whatever it says.
            try:
                service.stop()
            except Exception:
                logger.exception("Cannot stop the service %s", name_of(service))

    def problems(self) -> list[str]:
        """Return the problems of the services, one sentence each."""
        return [problem for service in list(self._running) for problem in ask(service, service.problems, UNKNOWN)]

    def gauges(self) -> dict[str, float]:
        """Return the gauges of the services, and the others."""
        gauges = {name: value for tell in self.tellers for name, value in tell().items()}
        for service in list(self._running):
            gauges.update(ask(service, service.gauges, NOTHING))
        return gauges


def ask(service: Service, question: Callable[[], T], otherwise: T) -> T:
    """Return the answer of a service, or something else if it cannot answer."""
    # A service is user code: what it cannot tell keeps nobody from his work.
    try:
        return question()
    except Exception:
        logger.warning("The service %s cannot tell how it fares", name_of(service), exc_info=True)
        return otherwise


def find_call_gauges(graph: PubSubGraph) -> list[Callable[[], Mapping[str, float]]]:
    """Return what tells of the calls that a daemon makes, and of the answers that it gives."""
    found = (find_component(graph, name) for name in ("pubsub_rpc", "pubsub_replies"))
    return [each.gauges for each in found if each is not None]


def name_of(service: Service) -> str:
    """Return the name of a service: its `name`, or its class."""
    return str(getattr(service, "name", None) or type(service).__qualname__)


@defaults(names=typed(values.names("pubsub_services.names"), default_factory=list))
def configure_pubsub_services(graph: PubSubGraph) -> tuple[Service, ...]:
    """
    Configure the services beside the worker, bound as `pubsub_services`.

    Config `names` lists their bindings; what looks after a database and the ledger of tasks,
    if the daemon uses them, comes first.

    :raises ConfigurationError: if one is no service
    """
    names = graph.config.pubsub_services.names
    services: Sequence[Any] = use_parts(graph, names, "pubsub_services.names")
    for name, service in zip(names, services, strict=True):
        if missing := [method for method in METHODS if not callable(getattr(service, method, None))]:
            raise ConfigurationError(f"Component {name} is no service: it has no {', '.join(missing)}")
    return (*find_parts(graph, "pubsub_housekeeping", "pubsub_ledger_keeping"), *services)
