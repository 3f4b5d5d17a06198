"""
Subscriptions.

https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html
"""

from json import dumps

import pytest


QUEUE = "arn:aws:sqs:local:000000000000:queue"
DEAD_LETTERS = dumps({"deadLetterTargetArn": "arn:aws:sqs:local:000000000000:dead"})


def test_subscribe_is_idempotent(cloud):
    """https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html"""
    topic, queue = cloud.topic(), cloud.queue()

    first = cloud.subscribe(topic, queue, RawMessageDelivery="true")

    assert first.startswith(f"{topic}:")
    assert cloud.subscribe(topic, queue) == first
    assert cloud.subscribe(topic, queue, RawMessageDelivery="true") == first
    assert cloud.subscribe(topic, queue, FilterPolicyScope="MessageAttributes") == first


def test_a_queue_is_known_by_its_name(cloud):
    """https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html"""
    topic, queue = cloud.topic(), cloud.queue()

    first = cloud.subscribe(topic, queue)

    assert cloud.subscribe(topic, "arn:aws:sqs:eu-west-1:123456789012:queue") == first


def test_subscribe_with_other_attributes(cloud, refused):
    """https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html"""
    topic, queue = cloud.topic(), cloud.queue()
    cloud.subscribe(topic, queue, FilterPolicy='{"a": ["b"]}')

    with refused() as error:
        cloud.subscribe(topic, queue, FilterPolicy='{"a": ["c"]}')

    assert error.code == "InvalidParameter"
    assert error.text == "Invalid parameter: Attributes Reason: Subscription already exists with different attributes"


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"Protocol": "http", "Endpoint": "http://a"}, "does not support this protocol string: http"),
        ({"Protocol": "SQS"}, "does not support this protocol string: SQS"),
        ({"Endpoint": ""}, "SQS endpoint ARN"),
        ({"Endpoint": "queue"}, "SQS endpoint ARN"),
        ({"Endpoint": "http://broker/000000000000/queue"}, "SQS endpoint ARN"),
        ({"Endpoint": "arn:aws:sns:local:000000000000:queue"}, "SQS endpoint ARN"),
        ({"Endpoint": f"{QUEUE}.fifo"}, "FIFO SQS Queues can not be subscribed to standard SNS topics"),
        ({"Attributes": {"Unknown": "1"}}, "Attributes Reason: Unknown attribute: Unknown"),
        ({"Attributes": {"RawMessageDelivery": "yes"}}, "RawMessageDelivery: Invalid value [yes]"),
        ({"Attributes": {"FilterPolicyScope": "Body"}}, "FilterPolicyScope: Invalid value [Body]"),
        ({"Attributes": {"FilterPolicy": "{"}}, "Attributes Reason: FilterPolicy: failed to parse JSON"),
        ({"Attributes": {"FilterPolicy": '{"a": [{"like": "b"}]}'}}, "Unrecognized match type like"),
        ({"Attributes": {"FilterPolicy": '{"a": {"b": ["c"]}}'}}, "does not support nested filter policy"),
        ({"Attributes": {"RedrivePolicy": "{"}}, "RedrivePolicy: failed to parse JSON"),
        ({"Attributes": {"RedrivePolicy": "{}"}}, "deadLetterTargetArn is an invalid arn"),
        ({"Attributes": {"RedrivePolicy": '{"deadLetterTargetArn": "a"}'}}, "deadLetterTargetArn is an invalid arn"),
    ],
)
def test_subscribe_is_refused(cloud, refused, parameters, text):
    """https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html#API_Subscribe_Errors"""
    topic = cloud.topic()

    with refused() as error:
        cloud.sns.subscribe(**{"TopicArn": topic, "Protocol": "sqs", "Endpoint": QUEUE, **parameters})

    assert error.type is cloud.sns.exceptions.InvalidParameterException
    assert error.code == "InvalidParameter"
    assert text in error.text
    assert cloud.sns.list_subscriptions()["Subscriptions"] == []


def test_a_fifo_subscription_has_a_fifo_dead_letter_queue(cloud, refused):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-configure-dead-letter-queue.html"""
    topic = cloud.topic("topic.fifo")

    with refused() as error:
        cloud.subscribe(topic, f"{QUEUE}.fifo", RedrivePolicy=DEAD_LETTERS)

    assert "must use a FIFO queue" in error.text
    cloud.subscribe(topic, QUEUE, RedrivePolicy=DEAD_LETTERS)


def test_unsubscribe(cloud, refused):
    """https://docs.aws.amazon.com/sns/latest/api/API_Unsubscribe.html"""
    topic, queue = cloud.topic(), cloud.queue()
    arn = cloud.subscribe(topic, queue)

    cloud.sns.unsubscribe(SubscriptionArn=arn)
    cloud.sns.unsubscribe(SubscriptionArn=arn)
    cloud.sns.publish(TopicArn=topic, Message="hello")

    assert cloud.receive(queue) == []
    with refused() as error:
        cloud.sns.unsubscribe(SubscriptionArn="queue")
    assert error.code == "InvalidParameter"


def test_list_subscriptions(cloud):
    """https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptions.html"""
    topic, other = cloud.topic(), cloud.topic("other")
    arns = [cloud.subscribe(topic, QUEUE), cloud.subscribe(other, QUEUE)]

    everything = cloud.sns.list_subscriptions()
    by_topic = cloud.sns.list_subscriptions_by_topic(TopicArn=topic)

    assert [item["SubscriptionArn"] for item in everything["Subscriptions"]] == arns
    assert by_topic["Subscriptions"] == [
        {
            "SubscriptionArn": arns[0],
            "Owner": "000000000000",
            "Protocol": "sqs",
            "Endpoint": QUEUE,
            "TopicArn": topic,
        }
    ]
    assert "NextToken" not in everything


@pytest.mark.parametrize("method", ["list_subscriptions", "list_subscriptions_by_topic"])
def test_list_subscriptions_by_pages(cloud, refused, method):
    """https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptionsByTopic.html"""
    topic = cloud.topic()
    arns = [cloud.subscribe(topic, f"{QUEUE}-{index}") for index in range(101)]
    given = {"TopicArn": topic} if method == "list_subscriptions_by_topic" else {}

    first = getattr(cloud.sns, method)(**given)
    second = getattr(cloud.sns, method)(**given, NextToken=first["NextToken"])

    assert len(first["Subscriptions"]) == 100
    assert [item["SubscriptionArn"] for item in [*first["Subscriptions"], *second["Subscriptions"]]] == arns
    assert "NextToken" not in second
    with refused() as error:
        getattr(cloud.sns, method)(**given, NextToken="nonsense")
    assert error.code == "InvalidParameter"


def test_get_subscription_attributes(cloud):
    """https://docs.aws.amazon.com/sns/latest/api/API_GetSubscriptionAttributes.html"""
    topic = cloud.topic()
    arn = cloud.subscribe(topic, QUEUE, FilterPolicy='{"a": ["b"]}', RedrivePolicy=DEAD_LETTERS)

    assert cloud.sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"] == {
        "ConfirmationWasAuthenticated": "true",
        "Endpoint": QUEUE,
        "FilterPolicy": '{"a": ["b"]}',
        "FilterPolicyScope": "MessageAttributes",
        "Owner": "000000000000",
        "PendingConfirmation": "false",
        "Protocol": "sqs",
        "RawMessageDelivery": "false",
        "RedrivePolicy": DEAD_LETTERS,
        "SubscriptionArn": arn,
        "SubscriptionPrincipal": "arn:aws:iam::000000000000:root",
        "TopicArn": topic,
    }


@pytest.mark.parametrize("method", ["get_subscription_attributes", "set_subscription_attributes"])
def test_a_subscription_that_is_not_there(cloud, refused, method):
    """https://docs.aws.amazon.com/sns/latest/api/API_GetSubscriptionAttributes.html"""
    topic = cloud.topic()
    value = {"AttributeName": "RawMessageDelivery", "AttributeValue": "true"} if method.startswith("set") else {}

    with refused() as error:
        getattr(cloud.sns, method)(SubscriptionArn=f"{topic}:unknown", **value)

    assert error.type is cloud.sns.exceptions.NotFoundException
    assert (error.code, error.status, error.text) == ("NotFound", 404, "Subscription does not exist")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RawMessageDelivery", "true"),
        ("FilterPolicy", '{"a": ["b"]}'),
        ("FilterPolicy", "{}"),
        ("FilterPolicyScope", "MessageBody"),
        ("RedrivePolicy", DEAD_LETTERS),
        ("DeliveryPolicy", "{}"),
    ],
)
def test_set_subscription_attributes(cloud, name, value):
    """https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html"""
    arn = cloud.subscribe(cloud.topic(), QUEUE)

    cloud.sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName=name, AttributeValue=value)

    assert cloud.sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"][name] == value


def test_remove_policies(cloud):
    """https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html"""
    arn = cloud.subscribe(cloud.topic(), QUEUE, FilterPolicy='{"a": ["b"]}', RedrivePolicy=DEAD_LETTERS)

    cloud.sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue="")
    cloud.sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="RedrivePolicy")

    attributes = cloud.sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert not {"FilterPolicy", "FilterPolicyScope", "RedrivePolicy"} & attributes.keys()


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("Unknown", "1", "Invalid parameter: AttributeName"),
        ("Endpoint", "1", "Invalid parameter: AttributeName"),
        ("RawMessageDelivery", "", "Invalid parameter: RawMessageDelivery: Invalid value []. Must be true or false."),
        ("FilterPolicy", "[]", "Invalid parameter: FilterPolicy: Filter policy must be a JSON object"),
        ("RedrivePolicy", "[]", "Invalid parameter: RedrivePolicy: deadLetterTargetArn is an invalid arn"),
    ],
)
def test_set_subscription_attributes_is_refused(cloud, refused, name, value, text):
    """https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html"""
    arn = cloud.subscribe(cloud.topic(), QUEUE)

    with refused() as error:
        cloud.sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName=name, AttributeValue=value)

    assert (error.code, error.text) == ("InvalidParameter", text)


def test_a_nested_policy_needs_the_scope_of_the_body(cloud, refused):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering-scope.html"""
    nested = '{"a": {"b": ["c"]}}'
    arn = cloud.subscribe(cloud.topic(), QUEUE, FilterPolicy=nested, FilterPolicyScope="MessageBody")

    with refused() as error:
        cloud.sns.set_subscription_attributes(
            SubscriptionArn=arn, AttributeName="FilterPolicyScope", AttributeValue="MessageAttributes"
        )

    assert "does not support nested" in error.text
