"""
Configuration that nobody reads.
"""

import pytest

from microcosm_pubsub.config.unknown import find_unknown
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.daemon.running import our_keys


KNOWN = {"pubsub_worker": ["concurrency", "max_buffer"], "sqs_consumer": ["limit"]}


def find(loaded, environment=None):
    return list(find_unknown(loaded, KNOWN, [*KNOWN, "postgres", "pubsub_worked"], "billing-app", environment or {}))


@pytest.mark.parametrize(
    "loaded",
    [
        {},
        {"pubsub_worker": {"concurrency": 1}},
        {"postgres": {"anything": 1}},
        {"pubsub_worked": {"by": "others"}},
        {"whatever": {"concurency": 1}},
        {"pubsub_worker": 5},
    ],
)
def test_nothing_to_say(loaded):
    assert find(loaded) == []


def test_a_misspelt_key():
    assert find({"pubsub_worker": {"concurency": "5", "max_buffer": 1}}) == [
        "Nobody reads configuration pubsub_worker.concurency: pubsub_worker has no key concurency; "
        "did you mean concurrency?"
    ]


def test_a_key_that_is_like_none():
    assert find({"sqs_consumer": {"zzz": 1}}) == [
        "Nobody reads configuration sqs_consumer.zzz: sqs_consumer has no key zzz"
    ]


def test_a_misspelt_section():
    assert find({"pubsub_woker": {"concurrency": 1}}) == [
        "Nobody reads configuration pubsub_woker: there is no section pubsub_woker; did you mean pubsub_worker?"
    ]


def test_the_variable_is_named():
    environment = {"BILLING_APP__PUBSUB_WORKER__CONCURENCY": "5"}

    assert find({"pubsub_worker": {"concurency": "5"}}, environment)[0].startswith(
        "Nobody reads the variable BILLING_APP__PUBSUB_WORKER__CONCURENCY: pubsub_worker has no key"
    )


class Daemon(ConsumerDaemon):
    name = "unknown_keys"


def test_what_a_daemon_configures_itself_is_known():
    graph = Daemon.create_for_testing().graph

    keys = our_keys(graph)

    assert "concurrency" in keys["pubsub_worker"]
    assert {"default", "mappings", "created"} <= keys["sns_topic_arns"]
    assert "opaque" not in keys
    assert list(find_unknown(graph.loader(graph.metadata), keys, graph._registry.all, "unknown_keys", {})) == []
