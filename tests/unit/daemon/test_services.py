"""
What runs beside the worker.
"""

import logging

import pytest

from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.daemon.services import Services
from microcosm_pubsub.errors import ConfigurationError


class Recorder:
    def __init__(self, name, log, fails=()):
        self.name, self.log, self.fails = name, log, fails

    def _do(self, what, value=None):
        if what in self.fails:
            raise OSError(what)
        self.log.append(f"{what} {self.name}")
        return value

    def start(self):
        self._do("start")

    def stop(self):
        self._do("stop")

    def problems(self):
        return self._do("problems", [f"{self.name} is ill"])

    def gauges(self):
        return self._do("gauges", {self.name: 1.0})


def test_started_in_order_and_stopped_in_the_other():
    log: list[str] = []
    services = Services([Recorder("a", log), Recorder("b", log)])
    services.add(Recorder("c", log))

    services.start()
    services.stop()
    services.stop()

    assert log == ["start a", "start b", "start c", "stop c", "stop b", "stop a"]


def test_one_that_cannot_start_stops_those_before():
    log: list[str] = []
    services = Services([Recorder("a", log), Recorder("b", log, fails=["start"]), Recorder("c", log)])

    with pytest.raises(OSError, match="start"):
        services.start()

    assert log == ["start a", "stop a"]


def test_one_that_cannot_stop_keeps_no_other(caplog):
    log: list[str] = []
    services = Services([Recorder("a", log), Recorder("b", log, fails=["stop"])])
    services.start()

    services.stop()

    assert log[-1] == "stop a"
    assert "Cannot stop the service b" in caplog.text


def test_problems_and_gauges():
    services = Services([Recorder("a", []), Recorder("b", [])])

    assert (services.problems(), services.gauges()) == ([], {})
    services.start()
    assert services.problems() == ["a is ill", "b is ill"]
    assert services.gauges() == {"a": 1.0, "b": 1.0}


def test_one_that_cannot_tell_is_a_problem(caplog):
    services = Services([Recorder("a", [], fails=["problems", "gauges"]), Recorder("b", [])])
    services.start()

    assert services.problems() == ["a service cannot tell how it fares", "b is ill"]
    assert services.gauges() == {"b": 1.0}
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.WARNING]


class Daemon(ConsumerDaemon):
    name = "serving"
    services = ["opaque"]


def test_what_is_no_service_is_refused():
    with pytest.raises(ConfigurationError, match="Component opaque is no service: it has no start, stop"):
        Daemon.create_for_testing()


class Misspelt(ConsumerDaemon):
    name = "misspelt"
    services = ["no_such_service"]


def test_a_name_that_is_not_bound_is_refused():
    with pytest.raises(ConfigurationError, match=r"no_such_service.*correct the name"):
        Misspelt.create_for_testing()
