"""
Which transport a client has, by configuration and by what is installed.
"""

import pytest
from microcosm.api import create_object_graph, load_from_dict

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.fast import PLAIN
from microcosm_pubsub.fast.transport import choose_parts, client_transport, make_parts, parts


CONFIG = {
    "sqs_consumer": {"sqs_queue_url": "https://sqs.eu-west-1.amazonaws.com/1/orders"},
    "sns_topic_arns": {"default": "arn:aws:sns:eu-west-1:1:orders"},
}


def make_graph(**config):
    return create_object_graph("example", loader=load_from_dict(CONFIG | config))


@pytest.fixture
def installed(monkeypatch):
    """Let only some packages be installed."""

    def install(*names: str) -> None:
        monkeypatch.setattr(parts, "is_installed", lambda name: name in names)

    return install


@pytest.mark.skipif(PLAIN, reason="the short ways are turned off")
def test_transport_of_the_clients():
    graph = make_graph(sqs_client={"transport": "botocore"}, sns_client={"transport": "crt"})

    assert client_transport(graph.sqs_client) == "botocore"
    assert client_transport(graph.sns_client) == "crt+orjson"
    assert client_transport(make_graph().sqs_client) == "socket+orjson"


@pytest.mark.parametrize("binding", ["sqs_client", "sns_client"])
def test_unknown_transport(binding):
    with pytest.raises(ConfigurationError, match=f"{binding}.transport"):
        make_graph(**{binding: {"transport": "pigeon"}})


@pytest.mark.parametrize(
    ("names", "auto", "crt"),
    [
        ((), "socket", None),
        (("orjson",), "socket+orjson", None),
        (("awscrt",), "socket", "crt"),
        (("awscrt", "orjson"), "socket+orjson", "crt+orjson"),
    ],
)
def test_what_is_installed(installed, names, auto, crt):
    installed(*names)

    assert choose_parts("auto").name == auto
    assert choose_parts("botocore") is None
    if crt:
        assert choose_parts("crt").name == crt
    else:
        with pytest.raises(ConfigurationError, match=r"microcosm-pubsub\[fast\]"):
            choose_parts("crt")


def test_what_is_not_installed(installed):
    installed()
    with pytest.raises(ConfigurationError, match="orjson is not installed"):
        make_parts(orjson=True)
    with pytest.raises(ConfigurationError, match="No transport pigeon: choose one of auto, crt, botocore"):
        choose_parts("pigeon")
