"""A server is started and stopped, beside the program that uses it."""

import boto3
import pytest

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.server import serve


def list_queues(url):
    return boto3.client("sqs", endpoint_url=url).list_queues().get("QueueUrls", [])


def test_each_block_has_a_broker_of_its_own(environment):
    for _ in range(2):
        with serve() as url:
            assert list_queues(url) == []
            boto3.client("sqs", endpoint_url=url).create_queue(QueueName="orders")
            assert list_queues(url) == [f"{url}/000000000000/orders"]


def test_a_port_that_is_taken_is_told(environment):
    with (
        serve() as url,
        pytest.raises(ConfigurationError, match=r"Cannot listen on 127\.0\.0\.1, port .*--port"),
        serve(port=int(url.rpartition(":")[2])),
    ):
        pass


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 65536), ("127.0.0.1", -1), ("a" * 64 + ".invalid", 0)])
def test_a_place_that_is_none_is_told(environment, host, port):
    with (
        pytest.raises(ConfigurationError, match=r"Cannot listen on .*--port"),
        serve(host=host, port=port, insecure=True),
    ):
        pass


def test_the_fixture_gives_an_empty_broker(environment, pubsub_server):
    assert list_queues(pubsub_server) == []


def test_the_end_of_the_block_ends_waiting_receives(environment):
    from threading import Thread

    answers = []
    with serve() as url:
        sqs = boto3.client("sqs", endpoint_url=url)
        queue = sqs.create_queue(QueueName="orders")["QueueUrl"]
        thread = Thread(target=lambda: answers.append(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)))
        thread.start()
        thread.join(0.3)
    thread.join(10)
    assert "Messages" not in answers[0]
