"""
Services whose requests come with Lambda's events.
"""

import pytest

from microcosm_pubsub import ConsumerDaemon, MethodNotFound, Service
from microcosm_pubsub.conventions import created


class InventoryDaemon(ConsumerDaemon):
    name = "inventory"


def make_event(client, queue_url):
    """Return the messages of a queue, as Lambda gives them to a function."""
    messages = client.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=5)["Messages"]
    records = [
        {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": {"ApproximateReceiveCount": "1"},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            # nothing of this is ever used to answer
            "eventSourceARN": "arn:aws:sqs:mars-east-1:999999999999:other",
            "awsRegion": "mars-east-1",
        }
        for message in messages
    ]
    return {"Records": records}


@pytest.fixture
def caller(place):
    class Inventory(Service):
        name = "inventory"

        def on_echo(self, message, words: list[str]) -> list[str]:
            return words

    graph = place.caller()
    graph.pubsub_broker.provision_queue("inventory")
    graph.pubsub_broker.provision_subscriptions("inventory", {created("request.inventory"): None})
    return graph


def test_it_answers(place, caller):
    handler = InventoryDaemon.create_for_lambda(broker_url=place.url).make_lambda_handler()
    answered = caller.pubsub_rpc.call_soon("inventory.echo", words=["a"])
    refused = caller.pubsub_rpc.call_soon("inventory.count")

    assert handler(make_event(caller.sqs_client, "inventory"), None) == {"batchItemFailures": []}

    assert answered.result(10) == ["a"]
    with pytest.raises(MethodNotFound):
        refused.result(10)


def test_a_request_whose_answer_cannot_be_sent_comes_again(place, caller, monkeypatch):
    daemon = InventoryDaemon.create_for_lambda(broker_url=place.url)
    handler = daemon.make_lambda_handler()
    future = caller.pubsub_rpc.call_soon("inventory.echo", words=["a"])
    event = make_event(caller.sqs_client, "inventory")
    client = daemon.graph.pubsub_replies.reply.get_client()

    def fail(**kwargs):
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(client, "send_message_batch", fail)
        message_id = event["Records"][0]["messageId"]
        assert handler(event, None) == {"batchItemFailures": [{"itemIdentifier": message_id}]}

    # from memory
    assert handler(event, None) == {"batchItemFailures": []}
    assert future.result(10) == ["a"]


def test_it_may_call_too(place, caller):
    class CallingDaemon(ConsumerDaemon):
        name = "calling"
        components = ["pubsub_rpc"]

    daemon = CallingDaemon.create_for_lambda(broker_url=place.url)
    handler = InventoryDaemon.create_for_lambda(broker_url=place.url).make_lambda_handler()
    future = daemon.graph.pubsub_rpc.call_soon("inventory.echo", words=["a"])
    handler(make_event(caller.sqs_client, "inventory"), None)
    assert future.result(10) == ["a"]
    daemon.graph.pubsub_rpc.close()


def test_without_services_no_client_is_made(monkeypatch, place):
    def make(*args, **kwargs):
        raise AssertionError("made")

    monkeypatch.setattr("microcosm_pubsub.clients.factory.make_queue_client", make)
    assert InventoryDaemon.create_for_lambda(broker_url=place.url).make_lambda_handler()({"Records": []}) == {
        "batchItemFailures": []
    }
