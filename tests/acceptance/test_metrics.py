"""What the processes of a daemon measure is added up, where Prometheus comes for it."""

from json import dumps
from pathlib import Path
from signal import SIGTERM
from socket import socket

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.waiting import wait_until


PARCELS = Path(__file__).parent / "daemons" / "parcels.py"
MEDIA_TYPE = "application/vnd.acceptance.parcel"


def free_port():
    with socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def read(url):
    """Return the sums of what is measured, by name."""
    try:
        answer = requests.get(url, timeout=10)
    except requests.ConnectionError:
        return {}
    if answer.status_code != 200:
        return {}
    sums = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0) + sample.value
    return sums


@pytest.mark.parametrize("processes", [1, 2])
def test_prometheus_reads_what_all_processes_did(ministack, start, processes):
    queue_url = ministack.create_queue()
    for first in range(0, 60, 10):
        entries = [
            {"Id": str(number), "MessageBody": dumps({"mediaType": MEDIA_TYPE, "number": number})}
            for number in range(first, first + 10)
        ]
        ministack.sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)
    port = free_port()
    flags = ["--sqs-queue-url", queue_url, "--processes", str(processes), "--healthcheck-port", str(port)]
    daemon = start(PARCELS, *flags, PARCELS__PUBSUB_METERS__NAMES="prometheus")
    url = f"http://127.0.0.1:{port}/metrics"

    wait_until(lambda: read(url).get("pubsub_messages_total") == 60)
    # workers tell these once a second
    found = wait_until(lambda: (sums := read(url)).get("pubsub_pollers") and sums)

    assert found["pubsub_handler_seconds_count"] == 60
    assert found["pubsub_settle_failures_total"] == 0
    daemon.process.send_signal(SIGTERM)
    assert daemon.end() == 0, daemon.text


def test_nothing_is_there_unless_it_is_asked_for(ministack, start):
    port = free_port()
    daemon = start(PARCELS, "--sqs-queue-url", ministack.create_queue(), "--healthcheck-port", str(port))
    daemon.read_until("Starting daemon")
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: read_status(f"{url}/api/health") == 200)
    assert read_status(f"{url}/metrics") == 404


def read_status(url):
    try:
        return requests.get(url, timeout=10).status_code
    except requests.ConnectionError:
        return None
