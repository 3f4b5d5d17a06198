"""What has to be there for traces."""

import sys
from subprocess import run

import pytest

from microcosm_pubsub.errors import ConfigurationError


def test_without_the_api(make_graph, monkeypatch):
    for name in [*sys.modules]:
        if name.startswith("microcosm_pubsub.traces.") and not name.endswith(".factory"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)

    with pytest.raises(ConfigurationError, match=r"pubsub_traces\.enabled needs .*microcosm_pubsub\[otel\]"):
        make_graph()


def test_what_is_not_used_is_not_imported():
    code = (
        "import sys\n"
        "from microcosm.api import create_object_graph\n"
        "graph = create_object_graph('shop', testing=True)\n"
        "graph.use('opaque', 'sns_producer', 'sqs_message_dispatcher')\n"
        "graph.lock()\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    assert run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
