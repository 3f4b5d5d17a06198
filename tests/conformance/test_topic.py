"""
Topics and subscriptions: create, find, list, change, delete.
"""

from json import dumps, loads

import pytest
from botocore.exceptions import ParamValidationError


def iter_pages(call, key):
    token = {}
    while True:
        page = call(**token)
        yield from page[key]
        if not page.get("NextToken"):
            return
        token = {"NextToken": page["NextToken"]}


def test_create_again(subject):
    """https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html"""
    name = subject.unique("topic")
    arn = subject.sns.create_topic(Name=name)["TopicArn"]
    assert arn.startswith("arn:aws:sns:")
    assert arn.endswith(f":{name}")
    assert subject.sns.create_topic(Name=name)["TopicArn"] == arn


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        pytest.param("a b", {}, id="space"),
        pytest.param("a" * 257, {}, id="too long"),
        pytest.param("a.fifo", {}, id="suffix alone"),
        pytest.param("a", {"FifoTopic": "true"}, id="no suffix"),
    ],
)
def test_name(subject, refused, name, attributes):
    """https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html"""
    with refused("InvalidParameter"):
        subject.sns.create_topic(Name=name, Attributes=attributes)


def test_list_and_delete(subject):
    """https://docs.aws.amazon.com/sns/latest/api/API_ListTopics.html"""
    kept, deleted = subject.create_topic(), subject.create_topic()
    subject.sns.delete_topic(TopicArn=deleted)
    # deleting again is well
    subject.sns.delete_topic(TopicArn=deleted)
    found = {topic["TopicArn"] for topic in iter_pages(subject.sns.list_topics, "Topics")}
    assert kept in found
    assert deleted not in found


def test_topic_attributes(subject):
    """https://docs.aws.amazon.com/sns/latest/api/API_GetTopicAttributes.html"""
    arn = subject.create_topic()
    subject.sns.set_topic_attributes(TopicArn=arn, AttributeName="DisplayName", AttributeValue="Orders")
    found = subject.sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert found["TopicArn"] == arn
    assert found["DisplayName"] == "Orders"


def test_fifo_topic_attributes(subject):
    """https://docs.aws.amazon.com/sns/latest/api/API_GetTopicAttributes.html"""
    arn = subject.create_topic(fifo=True, ContentBasedDeduplication="true")
    found = subject.sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert found["FifoTopic"] == "true"
    assert found["ContentBasedDeduplication"] == "true"


ENTRY = {"Id": "0", "Message": "a"}


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("get_topic_attributes", {}),
        ("list_subscriptions_by_topic", {}),
        ("publish", {"Message": "a"}),
        ("publish_batch", {"PublishBatchRequestEntries": [ENTRY]}),
        ("set_topic_attributes", {"AttributeName": "DisplayName", "AttributeValue": "a"}),
        ("subscribe", {"Protocol": "sqs", "Endpoint": "arn:aws:sqs:us-east-1:000000000000:queue"}),
    ],
)
def test_unknown_topic(subject, refused, method, arguments):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
    arn = subject.create_topic() + "-unknown"
    with refused("NotFound"):
        getattr(subject.sns, method)(TopicArn=arn, **arguments)
    with pytest.raises(subject.sns.exceptions.NotFoundException):
        getattr(subject.sns, method)(TopicArn=arn, **arguments)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("get_subscription_attributes", {}),
        ("set_subscription_attributes", {"AttributeName": "RawMessageDelivery", "AttributeValue": "true"}),
    ],
)
def test_unknown_subscription(subject, refused, method, arguments):
    """https://docs.aws.amazon.com/sns/latest/api/API_GetSubscriptionAttributes.html"""
    arn = subject.create_topic() + ":00000000-0000-4000-8000-000000000000"
    with refused("NotFound"):
        getattr(subject.sns, method)(SubscriptionArn=arn, **arguments)


def test_subscribe_again(subject):
    """https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html"""
    topic, queue = subject.create_topic(), subject.create_queue()
    arn = subject.subscribe(topic, queue)
    assert arn.startswith(f"{topic}:")
    assert subject.subscribe(topic, queue) == arn
    subject.sns.publish(TopicArn=topic, Message="a")
    assert len(subject.receive(queue)) == 1


def test_subscribe_again_otherwise(subject, refused):
    """https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html"""
    topic, queue = subject.create_topic(), subject.create_queue()
    subject.subscribe(topic, queue)
    with refused("InvalidParameter"):
        subject.subscribe(topic, queue, RawMessageDelivery="true")


def test_subscription_attributes(subject):
    """https://docs.aws.amazon.com/sns/latest/api/API_GetSubscriptionAttributes.html"""
    topic, queue = subject.create_topic(), subject.create_queue()
    policy = {"colour": ["red"]}
    arn = subject.subscribe(topic, queue, RawMessageDelivery="true", FilterPolicy=dumps(policy))
    found = subject.sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert found["SubscriptionArn"] == arn
    assert found["TopicArn"] == topic
    assert found["Protocol"] == "sqs"
    assert found["Endpoint"] == subject.arn(queue)
    assert found["RawMessageDelivery"] == "true"
    assert found["PendingConfirmation"] == "false"
    assert loads(found["FilterPolicy"]) == policy


def test_change_subscription(subject):
    """https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html"""
    topic, queue = subject.create_topic(), subject.create_queue()
    arn = subject.subscribe(topic, queue)
    subject.sns.set_subscription_attributes(
        SubscriptionArn=arn, AttributeName="RawMessageDelivery", AttributeValue="true"
    )
    subject.sns.publish(TopicArn=topic, Message="a")
    assert subject.bodies(queue) == ["a"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RawMessageDelivery", "maybe"),
        ("FilterPolicy", "no JSON"),
        ("FilterPolicy", '{"colour": "red"}'),
        ("FilterPolicyScope", "Everything"),
        ("Colour", "red"),
    ],
)
def test_subscription_attribute_refused(subject, refused, name, value):
    """https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html"""
    arn = subject.subscribe(subject.create_topic(), subject.create_queue())
    with refused("InvalidParameter"):
        subject.sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName=name, AttributeValue=value)


def test_protocol_refused(subject, refused):
    """https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html"""
    topic = subject.create_topic()
    with refused("InvalidParameter"):
        subject.sns.subscribe(TopicArn=topic, Protocol="pigeon", Endpoint="loft")


def test_list_subscriptions(subject):
    """https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptionsByTopic.html"""
    topic, other = subject.create_topic(), subject.create_topic()
    queues = [subject.create_queue() for _ in range(2)]
    expected = {subject.subscribe(topic, queue): subject.arn(queue) for queue in queues}
    elsewhere = subject.subscribe(other, queues[0])
    found = list(
        iter_pages(lambda **token: subject.sns.list_subscriptions_by_topic(TopicArn=topic, **token), "Subscriptions")
    )
    assert {one["SubscriptionArn"]: one["Endpoint"] for one in found} == expected
    assert {(one["TopicArn"], one["Protocol"]) for one in found} == {(topic, "sqs")}
    everywhere = {one["SubscriptionArn"] for one in iter_pages(subject.sns.list_subscriptions, "Subscriptions")}
    assert everywhere >= {*expected, elsewhere}


def test_unsubscribe(subject):
    """https://docs.aws.amazon.com/sns/latest/api/API_Unsubscribe.html"""
    topic, queue = subject.create_topic(), subject.create_queue()
    arn = subject.subscribe(topic, queue)
    subject.sns.unsubscribe(SubscriptionArn=arn)
    subject.sns.publish(TopicArn=topic, Message="a")
    assert subject.depth(queue) == (0, 0, 0)
    assert subject.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


def test_subscriptions_go_with_the_topic(subject):
    """https://docs.aws.amazon.com/sns/latest/api/API_DeleteTopic.html"""
    topic = subject.create_topic()
    arn = subject.subscribe(topic, subject.create_queue())
    subject.sns.delete_topic(TopicArn=topic)
    assert arn not in {one["SubscriptionArn"] for one in iter_pages(subject.sns.list_subscriptions, "Subscriptions")}


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("create_topic", {}),
        ("create_topic", {"Name": 5}),
        ("subscribe", {"TopicArn": "a"}),
        ("subscribe", {"TopicArn": "a", "Protocol": "sqs", "Attributes": {"RawMessageDelivery": True}}),
        ("publish", {"TopicArn": "a"}),
        ("publish", {"TopicArn": "a", "Message": {"a": 1}}),
        ("publish_batch", {"TopicArn": "a", "PublishBatchRequestEntries": [{"Id": "0"}]}),
        ("delete_topic", {"TopicARN": "a"}),
    ],
    ids=str,
)
def test_wrong_types(subject, method, arguments):
    """https://docs.aws.amazon.com/boto3/latest/guide/error-handling.html"""
    with pytest.raises(ParamValidationError):
        getattr(subject.sns, method)(**arguments)
