"""
Metrics of what is consumed and produced.

"""

from unittest.mock import MagicMock, call

import pytest
from microcosm.api import create_object_graph, load_from_dict
from microcosm.registry import Registry

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.metrics import (
    PubSubProducerMetrics,
    PubSubSendBatchMetrics,
    PubSubSendMetrics,
    PubSubWorkerMetrics,
)
from microcosm_pubsub.result import MessageHandlingResult, MessageHandlingResultType


FACTORIES = {
    "pubsub_send_metrics": PubSubSendMetrics,
    "pubsub_send_batch_metrics": PubSubSendBatchMetrics,
    "pubsub_producer_metrics": PubSubProducerMetrics,
    "pubsub_worker_metrics": PubSubWorkerMetrics,
}
REMOTE = {"metrics": {"host": "statsd.example.com"}}
MEDIA_TYPE = "application/vnd.globality.pubsub._.created.foo"


def create_graph(config=None, bound=True, testing=True):
    registry = Registry()
    registry.entry_points = {}
    for binding, factory in FACTORIES.items():
        registry.bind(binding, factory)
    if bound:
        registry.bind("metrics", lambda graph: MagicMock())
    loader = load_from_dict(REMOTE if config is None else config)
    return create_object_graph("test", testing=testing, loader=loader, registry=registry)


def sent(graph):
    return graph.metrics.histogram.call_args_list


@pytest.mark.parametrize("binding", FACTORIES)
@pytest.mark.parametrize(
    ("config", "bound", "enabled"),
    [
        (REMOTE, True, True),
        (REMOTE, False, False),
        ({}, True, False),
        ({"metrics": {}}, True, False),
        ({"metrics": {"host": "localhost"}}, True, False),
        ({**REMOTE, "switch": True}, True, True),
        ({**REMOTE, "switch": "true"}, True, True),
        ({**REMOTE, "switch": False}, True, False),
        ({**REMOTE, "switch": "false"}, True, False),
    ],
)
def test_enabled(binding, config, bound, enabled):
    config = dict(config)
    if "switch" in config:
        config[binding] = {"enabled": config.pop("switch")}

    component = getattr(create_graph(config, bound), binding)

    assert component.enabled is enabled


@pytest.mark.parametrize("binding", FACTORIES)
def test_enabled_must_be_a_boolean(binding):
    with pytest.raises(ConfigurationError, match=f"{binding}.enabled is 'maybe'"):
        create_graph({**REMOTE, binding: {"enabled": "maybe"}})


@pytest.mark.parametrize("binding", FACTORIES)
def test_get_metrics(binding):
    graph = create_graph()
    component = getattr(graph, binding)

    assert component.get_metrics(graph) is graph.metrics
    assert component.get_metrics(create_graph(bound=False)) is None
    assert component.get_metrics(create_graph().lock()) is None


@pytest.mark.parametrize("outcome", MessageHandlingResultType)
def test_send_metrics(outcome):
    graph = create_graph()

    graph.pubsub_send_metrics(MessageHandlingResult(MEDIA_TYPE, outcome, elapsed_time=12.5, handle_start_time=3.5))

    tags = [f"classifier:{outcome.name.lower()}", f"media-type:{MEDIA_TYPE}"]
    assert sent(graph) == [
        call("message", 12.5, tags=tags),
        call("message_handle_start", 3.5, tags=tags),
    ]


@pytest.mark.parametrize(
    ("times", "names"),
    [
        ({}, []),
        ({"elapsed_time": 0.0}, ["message"]),
        ({"handle_start_time": 0.0}, ["message_handle_start"]),
    ],
)
def test_unknown_times_are_not_sent(times, names):
    graph = create_graph()

    graph.pubsub_send_metrics(MessageHandlingResult(MEDIA_TYPE, MessageHandlingResultType.SUCCEEDED, **times))

    assert [call_.args[0] for call_ in sent(graph)] == names


@pytest.mark.parametrize(
    ("message_count", "expected"),
    [(0, []), (3, [call("message_batch", 12.5), call("message_batch_size", 3)])],
)
def test_send_batch_metrics(message_count, expected):
    graph = create_graph()

    graph.pubsub_send_batch_metrics(12.5, message_count)

    assert sent(graph) == expected


@pytest.mark.parametrize("classifier", ["success", "failure"])
def test_producer_metrics(classifier):
    graph = create_graph()

    graph.pubsub_producer_metrics(MEDIA_TYPE, 12.5, classifier)

    assert sent(graph) == [call("sns_producer", 12.5, tags=[f"classifier:{classifier}", f"media-type:{MEDIA_TYPE}"])]


@pytest.mark.parametrize(
    ("media_type", "label"),
    [
        (None, "unknown"),
        ("", "unknown"),
        ("x" * 10_000, "x" * 200),
        ("application/vnd.foo+json", "application/vnd.foo+json"),
        ("a,b|#c\nother:1|c", "a_b__c_other:1_c"),
    ],
)
def test_labels_are_bounded(media_type, label):
    graph = create_graph()

    graph.pubsub_producer_metrics(media_type, 1.0, "success")

    assert sent(graph)[0].kwargs["tags"] == ["classifier:success", f"media-type:{label}"]


def test_disabled_metrics_send_nothing():
    graph = create_graph({})

    graph.pubsub_send_metrics(MessageHandlingResult(MEDIA_TYPE, MessageHandlingResultType.SUCCEEDED, elapsed_time=1.0))
    graph.pubsub_send_batch_metrics(1.0, 1)
    graph.pubsub_producer_metrics(MEDIA_TYPE, 1.0, "success")

    assert sent(graph) == []


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (REMOTE, [call("worker_slots_busy", 3), call("worker_paused", 0)]),
        ({**REMOTE, "pubsub_worker_metrics": {"enabled": "false"}}, []),
    ],
)
def test_worker_metrics(config, expected):
    graph = create_graph(config)

    graph.pubsub_worker_metrics({"worker_slots_busy": 3, "worker_paused": 0})

    assert graph.metrics.gauge.call_args_list == expected
