"""
What a worker does at the moment, told now and then.
"""

import pytest

from microcosm_pubsub.worker.gauges import Gauges


def test_about_once_a_second(clock):
    told, reads = [], iter(range(100))
    gauges = Gauges(told.append, lambda: {"a": next(reads)}, clock)

    for _ in range(9):
        gauges()
        clock.advance(0.25)

    assert told == [{"a": 0}, {"a": 1}, {"a": 2}]


def test_not_at_all_if_nobody_wants_them(clock):
    Gauges(None, lambda: pytest.fail("read"), clock)()


def test_metrics_can_change_nothing(clock, caplog):
    def fail(values):
        raise OSError("no such host")

    gauges = Gauges(fail, dict, clock)
    gauges()
    gauges()

    assert caplog.text.count("Cannot send metrics of the worker") == 1
