"""
The worker of a graph.
"""

import pytest

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.worker.settings import WorkerSettings


def test_the_defaults(graph):
    assert graph.pubsub_worker.settings == WorkerSettings()
    assert graph.pubsub_worker is graph.pubsub_worker


def test_all_of_them_may_be_text(make_graph):
    config = {
        "concurrency": "4",
        "max_pollers": "2",
        "max_settlers": "3",
        "max_buffer_seconds": "0.5",
        "max_buffer": "100",
        "max_per_group": "2",
        "visibility_timeout_seconds": "60",
        "max_lease_seconds": "600",
        "shutdown_timeout_seconds": "5",
        "max_abandoned": "0",
        "max_messages": "1000",
        "max_runtime_seconds": "86400",
        "drain": "yes",
        "drain_polls": "5",
        "breaker_failure_share": "0.5",
        "breaker_window_seconds": "10",
        "breaker_min_results": "5",
        "breaker_open_seconds": "15",
        "health_threshold_seconds": "30",
    }

    settings = make_graph(pubsub_worker=config).pubsub_worker.settings

    assert {name: str(getattr(settings, name)) for name in config} == {
        **{name: value if value.isdigit() else str(float(value)) for name, value in config.items() if name != "drain"},
        **{
            name: str(float(config[name]))
            for name in config
            if name.endswith("seconds") and name != "visibility_timeout_seconds"
        },
        "drain": "True",
    }


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"concurrency": "0"}, "pubsub_worker.concurrency is '?0"),
        ({"concurrency": "many"}, "pubsub_worker.concurrency is 'many'"),
        ({"max_pollers": "0"}, "pubsub_worker.max_pollers is '?0"),
        ({"visibility_timeout_seconds": "43201"}, "pubsub_worker.visibility_timeout_seconds is '?43201"),
        ({"max_lease_seconds": "43201"}, "pubsub_worker.max_lease_seconds is '?43201"),
        ({"breaker_failure_share": "1.5"}, "pubsub_worker.breaker_failure_share is '?1.5"),
        ({"drain": "maybe"}, "pubsub_worker.drain is 'maybe'"),
        ({"visibility_timeout_seconds": "5"}, "give it at least 7"),
        ({"max_buffer": "5000"}, "5001 leases"),
    ],
)
def test_what_cannot_work_is_refused(make_graph, config, text):
    with pytest.raises(ConfigurationError, match=text):
        _ = make_graph(pubsub_worker=config).pubsub_worker


def test_metrics_are_those_of_the_graph(make_graph):
    assert make_graph().pubsub_worker.gauges.tell is None
    assert make_graph().pubsub_worker.handling.timer.tell is None
    graph = make_graph(metrics={"host": "statsd.example.com"})
    worker = graph.pubsub_worker

    worker.gauges()

    assert worker.handling.timer.tell is graph.pubsub_send_batch_metrics
    assert {call.args[0] for call in graph.metrics.gauge.call_args_list} == set(worker.read_gauges())
