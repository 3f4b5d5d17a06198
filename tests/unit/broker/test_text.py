"""Text that a database cannot hold is refused as a parameter, and not as a failure of the database."""

import pytest
from botocore.exceptions import ClientError

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.queue_client import BrokerQueueClient
from microcosm_pubsub.broker.topic_client import BrokerTopicClient


@pytest.fixture(params=["sqlite", "postgresql"])
def broker(request):
    url = "sqlite://" if request.param == "sqlite" else request.getfixturevalue("postgres").create_database()
    broker = Broker(url)
    yield broker
    broker.close()


def test_half_a_surrogate_pair_is_refused(broker):
    with pytest.raises(ClientError) as caught:
        BrokerQueueClient(broker).get_queue_url(QueueName="\ud800")
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValue"
    with pytest.raises(ClientError) as caught:
        BrokerTopicClient(broker).get_topic_attributes(TopicArn="arn:aws:sns:local:000000000000:\ud800")
    assert caught.value.response["Error"]["Code"] == "InvalidParameter"


def test_a_zero_byte_is_refused_or_not_found(broker):
    with pytest.raises(ClientError) as caught:
        BrokerQueueClient(broker).get_queue_url(QueueName="a\x00")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(
    ("name", "attribute", "text"),
    [
        ("count", {"DataType": "Number", "StringValue": "abc"}, "Can't cast the value of .* 'count' to a number"),
        ("count", {"DataType": "Number.int", "StringValue": "1_0"}, "to a number"),
        (".a", {"DataType": "String", "StringValue": "1"}, "neither begin nor end with a dot"),
        ("a.", {"DataType": "String", "StringValue": "1"}, "neither begin nor end with a dot"),
        ("a..b", {"DataType": "String", "StringValue": "1"}, "nor have two in a row"),
    ],
)
def test_an_attribute_that_sqs_refuses(file_url, make_queue, name, attribute, text):
    queue = make_queue(file_url)
    with pytest.raises(ClientError, match=text):
        queue.send("a", MessageAttributes={name: attribute})
    queue.send("a", MessageAttributes={"a.b": {"DataType": "Number", "StringValue": "-1.5e3"}})
