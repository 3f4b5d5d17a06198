"""
Children that are forked under load: none reads another's answers, and none waits for a lock of its parent's.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from json import dumps, loads
from pathlib import Path
from subprocess import run

import pytest

from microcosm_pubsub.broker.factory import open_broker
from microcosm_pubsub.conventions import created


PUBLISHER = Path(__file__).parent / "publisher.py"
CALLER = Path(__file__).parent / "caller.py"
SIGNER = Path(__file__).parent / "signer.py"
CHILDREN, MESSAGES = 6, 100
SECONDS = 240

#: They take a core each, and a machine may be busy.
pytestmark = pytest.mark.timeout(SECONDS + 60)


def publish(config, **environment):
    command = [sys.executable, "-W", "ignore::DeprecationWarning", str(PUBLISHER)]
    finished = run(
        [*command, str(CHILDREN), str(MESSAGES), dumps(config)],
        env={**os.environ, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert "Traceback" not in finished.stderr


def judge(bodies):
    """Every message of parent and children is there once."""
    uris = Counter(loads(loads(body)["Message"])["uri"] for body in bodies)
    expected = {f"https://x/child-{child}/{number}" for child in range(CHILDREN) for number in range(MESSAGES)}
    expected |= {f"https://x/{name}/{number}" for name in ("parent", "after") for number in range(3)}
    seen = Counter({uri: count for uri, count in uris.items() if "/background/" not in uri})
    assert seen == Counter(dict.fromkeys(expected, 1))
    background = [count for uri, count in uris.items() if "/background/" in uri]
    assert set(background) == {1}


def drain(client, queue_url):
    bodies = []
    while messages := client.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [message["Body"] for message in messages]
        entries = [{"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(messages)]
        client.delete_message_batch(QueueUrl=queue_url, Entries=entries)
    return bodies


@pytest.fixture(params=["sqlite", "postgres"])
def broker_url(request, tmp_path):
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres").create_database())
    return f"sqlite:///{tmp_path}/pubsub.db"


def test_on_the_broker(broker_url):
    clients = open_broker(broker_url)
    try:
        clients.provision_queue("forked")
        clients.provision_subscriptions("forked", {created("forked"): None})

        publish({"pubsub_broker": {"url": broker_url}})

        judge(drain(clients.queue_client, "forked"))
    finally:
        clients.close()


@pytest.mark.parametrize("transport", ["auto", "botocore", "crt"])
@pytest.mark.parametrize("plain", ["", "1"])
def test_over_http(ministack, transport, plain):
    if plain and transport != "auto":
        pytest.skip("it takes no transport")
    queue_url = ministack.create_queue()
    config = {
        "sns_producer": {"endpoint_url": ministack.url, "region_name": "us-east-1", "read_timeout": 10},
        "sns_client": {"transport": transport},
        "sns_topic_arns": {"default": ministack.create_topic(queue_url)},
    }

    publish(config, PUBSUB_PLAIN=plain)

    judge(drain(ministack.sqs, queue_url))


def test_a_child_signs_by_awscrt_while_threads_of_its_parent_do():
    finished = run([sys.executable, str(SIGNER)], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")


def test_a_child_ends_whatever_a_thread_of_its_parent_does(tmp_path):
    finished = run(
        [sys.executable, "-W", "ignore::DeprecationWarning", str(CALLER), f"sqlite:///{tmp_path}/broker.db"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (finished.stdout, finished.stderr) == ("0\n", "")
