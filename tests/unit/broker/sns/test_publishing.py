"""
Publish to topics, receive from queues.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

from io import BytesIO
from json import dumps
from logging import WARNING
from threading import Timer

import pytest


TEXT = {"DataType": "String", "StringValue": "text"}
MANY = {f"a{index}": TEXT for index in range(11)}


@pytest.fixture
def topic(cloud):
    return cloud.topic()


@pytest.fixture
def queue(cloud):
    return cloud.queue()


def test_publish_to_every_queue(cloud, topic):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html"""
    queues = [cloud.queue(name) for name in ("a", "b")]
    for queue in queues:
        cloud.subscribe(topic, queue)

    answer = cloud.sns.publish(TopicArn=topic, Message="hello", Subject="greeting")

    assert set(answer) == {"MessageId", "ResponseMetadata"}
    for queue in queues:
        [envelope] = cloud.envelopes(queue)
        assert envelope["MessageId"] == answer["MessageId"]
        assert envelope["TopicArn"] == topic
        assert envelope["Message"] == "hello"
        assert envelope["Subject"] == "greeting"


def test_publish_without_subscriptions(cloud, topic):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
    assert cloud.sns.publish(TopicArn=topic, Message="hello")["MessageId"]


def test_publish_to_a_target(cloud, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
    cloud.subscribe(topic, queue)

    cloud.sns.publish(TargetArn=topic, Message="hello")

    assert [envelope["Message"] for envelope in cloud.envelopes(queue)] == ["hello"]


def test_a_topic_of_aws_is_known_by_its_name(cloud, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
    cloud.subscribe(topic, queue)

    cloud.sns.publish(TopicArn="arn:aws:sns:eu-west-1:123456789012:topic", Message="hello")

    assert len(cloud.receive(queue)) == 1


def test_raw_delivery(cloud, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html"""
    cloud.subscribe(topic, queue, RawMessageDelivery="true")
    attributes = {
        "text": TEXT,
        "number": {"DataType": "Number", "StringValue": "99.12"},
        "list": {"DataType": "String.Array", "StringValue": '["a"]'},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\2\3\4"},
    }

    cloud.sns.publish(TopicArn=topic, Message="hello", Subject="dropped", MessageAttributes=attributes)

    [message] = cloud.receive(queue)
    assert message["Body"] == "hello"
    assert message["MessageAttributes"] == attributes


@pytest.mark.parametrize("value", [b"bytes", bytearray(b"bytes"), "bytes", BytesIO(b"bytes")], ids=type)
def test_bytes_as_boto3_takes_them(cloud, topic, queue, value):
    """https://boto3.amazonaws.com/v1/documentation/api/latest/reference/services/sns/client/publish.html"""
    cloud.subscribe(topic, queue, RawMessageDelivery="true")

    cloud.sns.publish(
        TopicArn=topic, Message="a", MessageAttributes={"a": {"DataType": "Binary", "BinaryValue": value}}
    )

    [message] = cloud.receive(queue)
    assert message["MessageAttributes"]["a"]["BinaryValue"] == b"bytes"


def test_raw_delivery_of_many_attributes(cloud, topic, caplog):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html"""
    raw, wrapped, dead = cloud.queue("raw"), cloud.queue("wrapped"), cloud.queue("dead")
    cloud.subscribe(topic, raw, RawMessageDelivery="true", RedrivePolicy=dumps({"deadLetterTargetArn": dead}))
    cloud.subscribe(topic, wrapped)

    with caplog.at_level(WARNING):
        answer = cloud.sns.publish(TopicArn=topic, Message="secret", MessageAttributes=MANY)

    assert cloud.receive(raw) == cloud.receive(dead) == []
    [envelope] = cloud.envelopes(wrapped)
    assert len(envelope["MessageAttributes"]) == 11
    [record] = caplog.records
    assert answer["MessageId"] in record.getMessage()
    assert "at most 10 message attributes" in record.getMessage()
    assert "secret" not in record.getMessage()


def test_message_structure(cloud, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-send-custom-platform-specific-payloads-mobile-devices.html"""
    cloud.subscribe(topic, queue, RawMessageDelivery="true")

    for message in ({"default": "a", "sqs": "b"}, {"default": "c", "http": "d"}):
        cloud.sns.publish(TopicArn=topic, Message=dumps(message), MessageStructure="json")

    assert cloud.bodies(queue) == ["b", "c"]


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"Message": ""}, "Empty message"),
        ({"Message": "\ud800"}, "UTF-8"),
        ({"Subject": ""}, "Subject"),
        ({"Subject": "a" * 101}, "Subject"),
        ({"Subject": "a\nb"}, "Subject"),
        ({"Subject": "\ud800"}, "UTF-8"),
        ({"Message": "a" * 262145}, "Message too long"),
        ({"Message": "é" * 131073}, "Message too long"),
        ({"Message": "a" * 262134, "MessageAttributes": {"a": TEXT}}, "Message too long"),
        ({"MessageStructure": "xml"}, "MessageStructure"),
        ({"MessageStructure": "json"}, "JSON message body failed to parse"),
        ({"MessageStructure": "json", "Message": "[1]"}, "JSON message body failed to parse"),
        ({"MessageStructure": "json", "Message": '{"sqs": "a"}'}, "No default entry in JSON message body"),
        ({"MessageStructure": "json", "Message": '{"default": 1}'}, "No default entry in JSON message body"),
        ({"MessageDeduplicationId": "a"}, "not valid for this topic type"),
        ({"MessageGroupId": "a b"}, "MessageGroupId"),
        ({"MessageGroupId": "a" * 129}, "MessageGroupId"),
        ({"TargetArn": "arn:aws:sns:local:000000000000:topic"}, "exactly one"),
        ({"PhoneNumber": "+123"}, "PhoneNumber"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_publish_is_refused(cloud, refused, topic, queue, parameters, text):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html#API_Publish_Errors"""
    cloud.subscribe(topic, queue)

    with refused() as error:
        cloud.sns.publish(**{"TopicArn": topic, "Message": "a", **parameters})

    assert error.type is cloud.sns.exceptions.InvalidParameterException
    assert error.code == "InvalidParameter"
    assert text in error.text
    assert cloud.receive(queue) == []


def test_publish_to_nothing(cloud, refused):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html#API_Publish_Errors"""
    with refused() as error:
        cloud.sns.publish(Message="a")

    assert error.code == "InvalidParameter"


@pytest.mark.parametrize(
    ("name", "attribute", "text"),
    [
        ("a", {"DataType": "String"}, "must contain non-empty message attribute value"),
        ("a", {"DataType": "String", "StringValue": ""}, "must contain non-empty message attribute value"),
        ("a", {"DataType": "Binary", "BinaryValue": b""}, "must contain non-empty message attribute value"),
        ("a", {"DataType": "String", "BinaryValue": b"a"}, "with type 'String' must use field 'String'"),
        ("a", {"DataType": "Number", "BinaryValue": b"a"}, "with type 'Number' must use field 'String'"),
        ("a", {"DataType": "Binary", "StringValue": "a"}, "with type 'Binary' must use field 'Binary'"),
        ("a", {"DataType": "Text", "StringValue": "a"}, "invalid message attribute type"),
        ("a", {"DataType": "Strings", "StringValue": "a"}, "invalid message attribute type"),
        ("a", {"DataType": "", "StringValue": "a"}, "invalid message attribute type"),
        ("a", {"DataType": "Number", "StringValue": "a"}, "Could not cast message attribute 'a' value to number"),
        ("a", {"DataType": "Number", "StringValue": "NaN"}, "Could not cast"),
        ("a", {"DataType": "Number", "StringValue": "1_000"}, "Could not cast"),
        ("a", {"DataType": "String", "StringValue": "\ud800"}, "without halves of surrogate pairs"),
        ("a", {"DataType": "String.\ud800", "StringValue": "a"}, "without halves of surrogate pairs"),
        ("a" * 257, TEXT, "must be less than 256 bytes"),
        ("a^", TEXT, "'#x5E'"),
        ("", {"DataType": "String"}, "must contain non-empty"),
        (".a", TEXT, "starting with character '.'"),
        ("a.", TEXT, "ending with character '.'"),
        ("a..b", TEXT, "successive '.'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_message_attributes_are_refused(cloud, refused, topic, name, attribute, text):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html"""
    with refused() as error:
        cloud.sns.publish(TopicArn=topic, Message="a", MessageAttributes={name: attribute})

    assert error.type is cloud.sns.exceptions.InvalidParameterValueException
    assert error.code == "ParameterValueInvalid"
    assert text in error.text


@pytest.mark.parametrize("kind", ["String", "String.custom", "Number", "Number.int"])
def test_custom_types_of_message_attributes(cloud, topic, queue, kind):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html"""
    cloud.subscribe(topic, queue)

    cloud.sns.publish(TopicArn=topic, Message="a", MessageAttributes={"a": {"DataType": kind, "StringValue": "-1.5e3"}})

    [envelope] = cloud.envelopes(queue)
    assert envelope["MessageAttributes"] == {"a": {"Type": kind, "Value": "-1.5e3"}}


@pytest.mark.parametrize("size", [1024, 262144, 1048576])
def test_the_size_limit_is_the_topic_s(cloud, refused, queue, size):
    """https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html"""
    topic = cloud.topic("sized", MaximumMessageSize=str(size))
    cloud.subscribe(topic, queue, RawMessageDelivery="true")

    cloud.sns.publish(TopicArn=topic, Message="a" * size)
    with refused() as error:
        cloud.sns.publish(TopicArn=topic, Message="a" * (size + 1))

    assert error.text == "Invalid parameter: Message too long"
    assert [len(body) for body in cloud.bodies(queue)] == [size]


def test_a_group_id_makes_standard_queues_fair(cloud, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
    cloud.subscribe(topic, queue)

    cloud.sns.publish(TopicArn=topic, Message="a", MessageGroupId="tenant")

    [message] = cloud.receive(queue)
    assert message["Attributes"]["MessageGroupId"] == "tenant"


def test_delivery_is_delayed_as_the_queue_says(cloud, clock, topic):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-delay-queues.html"""
    queue = cloud.queue("delayed", DelaySeconds="10")
    cloud.subscribe(topic, queue)

    cloud.sns.publish(TopicArn=topic, Message="a")

    assert cloud.receive(queue) == []
    clock.advance(10)
    assert len(cloud.receive(queue)) == 1


def test_a_waiting_receive_wakes(cloud, topic, queue):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html"""
    cloud.subscribe(topic, queue)
    timer = Timer(0.05, cloud.sns.publish, kwargs={"TopicArn": topic, "Message": "a"})
    timer.start()

    answer = cloud.sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)

    timer.join()
    assert len(answer["Messages"]) == 1


def test_publish_batch(cloud, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html"""
    cloud.subscribe(topic, queue)
    entries = [{"Id": f"id-{index}", "Message": str(index)} for index in range(10)]

    answer = cloud.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)

    envelopes = cloud.envelopes(queue)
    assert [envelope["Message"] for envelope in envelopes] == [str(index) for index in range(10)]
    assert answer["Failed"] == []
    assert answer["Successful"] == [
        {"Id": f"id-{index}", "MessageId": envelope["MessageId"]} for index, envelope in enumerate(envelopes)
    ]


def test_an_entry_fails_alone(cloud, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html"""
    cloud.subscribe(topic, queue)
    entries = [{"Id": "0", "Message": "a"}, {"Id": "1", "Message": ""}, {"Id": "2", "Message": "c", "Subject": ""}]

    answer = cloud.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)

    assert [envelope["Message"] for envelope in cloud.envelopes(queue)] == ["a"]
    assert [entry["Id"] for entry in answer["Successful"]] == ["0"]
    assert answer["Failed"] == [
        {"Id": "1", "Code": "InvalidParameter", "Message": "Invalid parameter: Empty message", "SenderFault": True},
        {"Id": "2", "Code": "InvalidParameter", "Message": "Invalid parameter: Subject", "SenderFault": True},
    ]


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"MessageAttributes": {"a": {"DataType": "String"}}}, "ParameterValueInvalid"),
        ({"MessageStructure": "json"}, "InvalidParameter"),
        ({"MessageDeduplicationId": "a"}, "InvalidParameter"),
    ],
)
def test_the_form_of_an_entry_refuses_the_batch(cloud, refused, topic, queue, entry, code):
    """https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html#API_PublishBatch_Errors"""
    cloud.subscribe(topic, queue)
    entries = [{"Id": "0", "Message": "a"}, {"Id": "1", "Message": "b", **entry}]

    with refused() as error:
        cloud.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)

    assert error.code == code
    assert cloud.receive(queue) == []


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        ([], "EmptyBatchRequest"),
        ([str(index) for index in range(11)], "TooManyEntriesInBatchRequest"),
        (["a", "a"], "BatchEntryIdsNotDistinct"),
        (["a b"], "InvalidBatchEntryId"),
        ([""], "InvalidBatchEntryId"),
        (["a" * 81], "InvalidBatchEntryId"),
    ],
)
def test_a_batch_is_refused(cloud, refused, topic, ids, code):
    """https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html#API_PublishBatch_Errors"""
    entries = [{"Id": entry_id, "Message": "a"} for entry_id in ids]

    with refused() as error:
        cloud.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)

    assert error.type is getattr(cloud.sns.exceptions, f"{code}Exception")
    assert error.code == code


def test_a_batch_is_too_long(cloud, refused, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html"""
    cloud.subscribe(topic, queue)
    entries = [{"Id": "0", "Message": "a" * 131072}, {"Id": "1", "Message": "a" * 131072}]

    cloud.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    entries[0]["Message"] += "a"
    with refused() as error:
        cloud.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)

    assert error.type is cloud.sns.exceptions.BatchRequestTooLongException
    assert len(cloud.receive(queue)) == 2


def attribute(kind, value):
    return {"key": {"DataType": kind, "StringValue": value}}


ARRAY = '["rugby", 5, true, null]'

#: Policies on attributes, attributes, and whether the message is delivered.
FILTERED = [
    ({}, {}, True),
    ({"key": ["a"]}, attribute("String", "a"), True),
    ({"key": ["a"]}, attribute("String", "b"), False),
    ({"key": ["a"]}, attribute("String.custom", "a"), True),
    ({"key": ["a"]}, {}, False),
    ({"key": ["rugby"]}, attribute("String.Array", ARRAY), True),
    ({"key": [5]}, attribute("String.Array", ARRAY), True),
    ({"key": [True]}, attribute("String.Array", ARRAY), True),
    ({"key": [None]}, attribute("String.Array", ARRAY), True),
    ({"key": ["golf"]}, attribute("String.Array", ARRAY), False),
    ({"key": ["[1"]}, attribute("String.Array", "[1"), True),
    ({"key": [5]}, attribute("String", "5"), False),
    ({"key": ["5"]}, attribute("Number", "5"), False),
    ({"key": [5]}, attribute("Number", "5.0"), True),
    ({"key": [{"numeric": ["=", 301.5]}]}, attribute("Number", "3.015e2"), True),
    ({"key": [{"numeric": [">", 100]}]}, attribute("Number.int", "101"), True),
    ({"key": [{"numeric": [">", 100]}]}, attribute("String", "101"), False),
    ({"key": [{"exists": True}]}, {"key": {"DataType": "Binary", "BinaryValue": b"a"}}, False),
    ({"key": [{"exists": True}]}, attribute("String", "a"), True),
    ({"key": [{"exists": False}]}, {"other": TEXT}, True),
    ({"key": [{"exists": False}]}, attribute("String", "a"), False),
    # a message without attributes passes no policy on attributes
    ({"key": [{"exists": False}]}, {}, False),
    ({"a.b": ["text"]}, {"a.b": TEXT}, True),
]


@pytest.mark.parametrize(("policy", "attributes", "delivered"), FILTERED, ids=str)
def test_filter_on_attributes(cloud, topic, queue, policy, attributes, delivered):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering.html"""
    cloud.subscribe(topic, queue, FilterPolicy=dumps(policy))

    cloud.sns.publish(TopicArn=topic, Message='{"key": "a"}', MessageAttributes=attributes)

    assert len(cloud.receive(queue)) == delivered


@pytest.mark.parametrize(
    ("body", "delivered"),
    [
        ('{"a": {"b": "c"}}', True),
        ('{"a": [{"b": ["x", "c"]}]}', True),
        ('{"a": {"b": "x"}}', False),
        ("{}", False),
        ('[{"a": {"b": "c"}}]', False),
        ("not JSON", False),
        ("[" * 100_000, False),
    ],
    ids=lambda value: str(value)[:40],
)
def test_filter_on_the_body(cloud, topic, queue, body, delivered):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering-scope.html"""
    cloud.subscribe(topic, queue, FilterPolicy='{"a": {"b": ["c"]}}', FilterPolicyScope="MessageBody")

    cloud.sns.publish(TopicArn=topic, Message=body, MessageAttributes={"a": TEXT})

    assert len(cloud.receive(queue)) == delivered


def test_each_entry_of_a_batch_is_filtered(cloud, topic):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering.html"""
    some, every = cloud.queue("some"), cloud.queue("every")
    cloud.subscribe(topic, some, RawMessageDelivery="true", FilterPolicy='{"key": ["1", "3"]}')
    cloud.subscribe(topic, every, RawMessageDelivery="true")

    cloud.sns.publish_batch(
        TopicArn=topic,
        PublishBatchRequestEntries=[
            {"Id": str(index), "Message": str(index), "MessageAttributes": attribute("String", str(index))}
            for index in range(5)
        ],
    )

    assert cloud.bodies(some) == ["1", "3"]
    assert cloud.bodies(every) == ["0", "1", "2", "3", "4"]


def test_a_changed_policy_counts(cloud, topic, queue):
    """https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html"""
    arn = cloud.subscribe(topic, queue, RawMessageDelivery="true", FilterPolicy='{"key": ["a"]}')

    for value in ("a", "b"):
        policy = dumps({"key": [value]})
        cloud.sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue=policy)
        cloud.sns.publish(TopicArn=topic, Message=f"{value} 1", MessageAttributes=attribute("String", "a"))
        cloud.sns.publish(TopicArn=topic, Message=f"{value} 2", MessageAttributes=attribute("String", "b"))

    assert cloud.bodies(queue) == ["a 1", "b 2"]
