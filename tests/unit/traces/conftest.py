"""A daemon whose messages are traced."""

import pytest
from microcosm.api import create_object_graph, load_from_dict
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from tests.spans import recorded


@pytest.fixture
def spans():
    with recorded() as spans:
        yield spans


@pytest.fixture
def make_spans():
    """Return what was recorded by some sampler."""
    managers = []

    def make(sampler=ALWAYS_ON):
        managers.append(recorded(sampler))
        return managers[-1].__enter__()

    yield make
    for manager in managers:
        manager.__exit__(None, None, None)


@pytest.fixture
def make_graph():
    def make(**config):
        config = {"pubsub_traces": {"enabled": "true"}, **config}
        graph = create_object_graph("shop", testing=True, loader=load_from_dict(config))
        graph.use("opaque", "sqs_consumer", "sns_producer", "sqs_message_dispatcher", "pubsub_worker")
        graph.lock()
        return graph

    return make
