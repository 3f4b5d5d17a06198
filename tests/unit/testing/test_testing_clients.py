"""
The clients of a graph under test.

"""

from json import loads

import pytest
from microcosm.api import create_object_graph, load_from_dict
from microcosm.registry import Registry

from microcosm_pubsub.testing import TestingClients, configure_pubsub_testing


def create_graph(**config):
    registry = Registry()
    registry.entry_points = {}
    registry.bind("pubsub_testing", configure_pubsub_testing)
    return create_object_graph("test", testing=True, loader=load_from_dict(config), registry=registry)


def test_what_is_published_is_consumed():
    clients = create_graph(sqs_consumer={"sqs_queue_url": "my-queue"}).pubsub_testing

    clients.sns_client.publish(TopicArn="topic", Message="hello")

    [message] = clients.sqs_client.receive_message(QueueUrl="my-queue")["Messages"]
    assert loads(message["Body"])["Message"] == "hello"
    assert clients.sns_client.publish.call_count == 1


@pytest.mark.parametrize("config", [{}, {"sqs_consumer": {}}, {"sqs_consumer": {"sqs_queue_url": None}}])
def test_graph_without_queue(config):
    clients = create_graph(**config).pubsub_testing

    clients.sns_client.publish(TopicArn="topic", Message="hello")

    assert "QueueUrls" not in clients.engine.clients.queue_client.list_queues()


def test_each_graph_has_its_own():
    first, second = create_graph().pubsub_testing, create_graph().pubsub_testing

    first.sqs_client.send_message(QueueUrl="queue", MessageBody="body")

    assert second.engine.messages("queue") == []


def test_recorded_producer():
    producer = create_graph().pubsub_testing.sns_producer

    assert isinstance(producer.produce("foo/bar"), str)
    producer.produce.assert_called_once_with("foo/bar")


def test_clients_are_no_test():
    assert TestingClients.__test__ is False
