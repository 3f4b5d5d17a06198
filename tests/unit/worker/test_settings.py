"""
Settings that cannot work together.
"""

import pytest

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.registry.options import HandlerOptions
from microcosm_pubsub.worker.settings import WorkerSettings


def check(wait_seconds=5, receives_leases=True, **settings):
    WorkerSettings(**settings).check(wait_seconds, receives_leases)


def check_handler(options, fifo=False, **settings):
    WorkerSettings(**settings).check_handlers({"a/b": HandlerOptions(**options)}, fifo)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"wait_seconds": 20},
        {"wait_seconds": 5, "visibility_timeout_seconds": 7},
        {"concurrency": 100, "max_buffer": 1400},
        {"visibility_timeout_seconds": 1, "receives_leases": False, "max_buffer": 10_000},
        {"max_lease_seconds": 30, "visibility_timeout_seconds": 30},
    ],
)
def test_what_can_work(settings):
    settings = dict(settings)
    if settings.get("visibility_timeout_seconds") == 7:
        settings["max_buffer"] = 100
    check(**settings)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"visibility_timeout_seconds": 6},
            r"visibility_timeout_seconds is 6, but a message may be 5 s old .*wait_seconds\), and extending it may "
            r"take 2 s: give it at least 7",
        ),
        ({"visibility_timeout_seconds": 21, "wait_seconds": 20}, "give it at least 22"),
        (
            {"visibility_timeout_seconds": 10, "max_buffer": 500, "concurrency": 3},
            r"max_buffer 500 and concurrency 3 make 503 leases, but of 10 s each .* only 500 can be extended in time",
        ),
        ({"max_lease_seconds": 29}, r"max_lease_seconds is 29, less than the 30 s of visibility_timeout_seconds"),
    ],
)
def test_what_cannot_work_is_refused_with_the_numbers(settings, text):
    with pytest.raises(ConfigurationError, match=text):
        check(**settings)


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ({}, {}),
        ({"timeout_seconds": 3600}, {}),
        ({"batch_size": 50, "batch_window_seconds": 2}, {}),
        ({"batch_size": 50, "batch_window_seconds": 2}, {"fifo": True}),
        ({"batch_size": 50, "batch_window_seconds": 60}, {}),
        ({"batch_size": 50}, {"concurrency": 20}),
    ],
)
def test_handlers_that_can_work(options, settings):
    check_handler(options, **settings)


@pytest.mark.parametrize(
    ("options", "settings", "text"),
    [
        ({"timeout_seconds": 4000}, {}, "of a/b has timeout_seconds 4000, but a message is ours for 3600 s at most"),
        (
            {"batch_size": 2, "batch_window_seconds": 30},
            {"fifo": True},
            r"waits 30 s for its batch .* ours for 30 s \(pubsub_worker.visibility_timeout_seconds\)",
        ),
        ({"batch_size": 2, "batch_window_seconds": 3600}, {}, r"ours for 3600 s \(pubsub_worker.max_lease_seconds\)"),
        ({"batch_size": 51}, {"max_buffer": 50}, "takes 51 messages .* but only 50 may wait"),
        (
            {"batch_size": 50},
            {"concurrency": 30},
            r"max_buffer 200 and concurrency 30 \(batches of 50\) make 1700 leases, .* only 1500",
        ),
    ],
)
def test_handlers_that_cannot_work_are_refused_with_the_numbers(options, settings, text):
    with pytest.raises(ConfigurationError, match=text):
        check_handler(options, **settings)


def test_leases_that_nobody_counts_are_not_counted():
    WorkerSettings().check_handlers({"a/b": HandlerOptions(batch_size=50)}, False, receives_leases=False)
    WorkerSettings(concurrency=30).check_handlers({"a/b": HandlerOptions(batch_size=50)}, False, receives_leases=False)
