"""
Topics.

https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
"""

from json import loads

import pytest
from botocore.exceptions import ParamValidationError


def test_create_topic_is_idempotent(cloud):
    """https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html"""
    first = cloud.sns.create_topic(Name="topic", Attributes={"DisplayName": "Topic"}, Tags=[{"Key": "a", "Value": "1"}])
    again = cloud.sns.create_topic(Name="topic")
    same = cloud.sns.create_topic(Name="topic", Attributes={"DisplayName": "Topic"}, Tags=[{"Key": "a", "Value": "1"}])

    assert first["TopicArn"] == again["TopicArn"] == same["TopicArn"]
    assert first["TopicArn"].endswith(":topic")
    assert first["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert cloud.sns.list_topics()["Topics"] == [{"TopicArn": first["TopicArn"]}]


def test_create_topic_with_other_attributes(cloud, refused):
    """https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html"""
    cloud.topic(DisplayName="Topic")

    with refused() as error:
        cloud.topic(DisplayName="Other")

    assert error.type is cloud.sns.exceptions.InvalidParameterException
    assert (error.code, error.status) == ("InvalidParameter", 400)
    assert error.text == "Invalid parameter: Attributes Reason: Topic already exists with different attributes"


def test_create_topic_with_the_defaults_it_has(cloud):
    """https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html"""
    arn = cloud.topic("topic.fifo")

    assert cloud.topic("topic.fifo", ContentBasedDeduplication="false", FifoThroughputScope="Topic") == arn


def test_create_topic_with_other_tags(cloud, refused):
    """https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html"""
    cloud.sns.create_topic(Name="topic", Tags=[{"Key": "a", "Value": "1"}])

    with refused() as error:
        cloud.sns.create_topic(Name="topic", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])

    assert error.code == "InvalidParameter"
    assert error.text == "Invalid parameter: Tags Reason: Topic already exists with different tags"


@pytest.mark.parametrize(
    ("name", "attributes", "text"),
    [
        ("", {}, "Topic Name"),
        ("a b", {}, "Topic Name"),
        ("a" * 257, {}, "Topic Name"),
        ("a.fifo", {}, "Topic Name"),
        ("a.fifo", {"FifoTopic": "false"}, "Topic Name"),
        ("a", {"FifoTopic": "true"}, "must end with .fifo"),
        (".fifo", {"FifoTopic": "true"}, "must end with .fifo"),
        ("a.fifo", {"FifoTopic": "yes"}, "FifoTopic"),
        ("a", {"ContentBasedDeduplication": "true"}, "can only be set for FIFO topics"),
        ("a.fifo", {"FifoTopic": "true", "ContentBasedDeduplication": "yes"}, "ContentBasedDeduplication"),
        ("a.fifo", {"FifoTopic": "true", "FifoThroughputScope": "Group"}, "Topic or MessageGroup"),
        ("a", {"MaximumMessageSize": "1023"}, "MaximumMessageSize"),
        ("a", {"MaximumMessageSize": "1048577"}, "MaximumMessageSize"),
        ("a", {"MaximumMessageSize": "much"}, "MaximumMessageSize"),
        ("a", {"SignatureVersion": "3"}, "SignatureVersion"),
        ("a", {"TracingConfig": "On"}, "TracingConfig"),
        ("a", {"Unknown": "1"}, "Unknown attribute: Unknown"),
    ],
)
def test_create_topic_is_refused(cloud, refused, name, attributes, text):
    """https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html"""
    with refused() as error:
        cloud.sns.create_topic(Name=name, Attributes=attributes)

    assert error.code == "InvalidParameter"
    assert error.text.startswith("Invalid parameter: ")
    assert text in error.text


def test_wrong_types_are_refused_as_boto3_does(cloud):
    """https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html"""
    with pytest.raises(ParamValidationError):
        cloud.sns.create_topic(Name=1)
    with pytest.raises(ParamValidationError):
        cloud.sns.publish(TopicArn="topic")


def test_delete_topic(cloud, refused):
    """https://docs.aws.amazon.com/sns/latest/api/API_DeleteTopic.html"""
    arn = cloud.topic()
    cloud.subscribe(arn, cloud.queue())

    cloud.sns.delete_topic(TopicArn=arn)
    cloud.sns.delete_topic(TopicArn=arn)

    assert cloud.sns.list_topics()["Topics"] == []
    assert cloud.sns.list_subscriptions()["Subscriptions"] == []
    with refused() as error:
        cloud.sns.publish(TopicArn=arn, Message="hello")
    assert error.type is cloud.sns.exceptions.NotFoundException
    assert (error.code, error.status, error.text) == ("NotFound", 404, "Topic does not exist")


@pytest.mark.parametrize("scope", ["Topic", "MessageGroup"])
def test_a_topic_that_was_deleted_begins_anew(cloud, scope):
    """https://docs.aws.amazon.com/sns/latest/dg/fifo-message-dedup.html"""
    queue = cloud.queue()
    for message in ("a", "b"):
        topic = cloud.topic("topic.fifo", FifoThroughputScope=scope)
        cloud.subscribe(topic, queue, RawMessageDelivery="true")
        cloud.sns.publish(TopicArn=topic, Message=message, MessageGroupId="g", MessageDeduplicationId="d")
        cloud.sns.delete_topic(TopicArn=topic)

    assert cloud.bodies(queue) == ["a", "b"]


def test_list_topics_by_pages(cloud):
    """https://docs.aws.amazon.com/sns/latest/api/API_ListTopics.html"""
    arns = [cloud.topic(f"topic-{index:03}") for index in range(201)]

    pages = [cloud.sns.list_topics()]
    while "NextToken" in pages[-1]:
        pages.append(cloud.sns.list_topics(NextToken=pages[-1]["NextToken"]))

    assert [len(page["Topics"]) for page in pages] == [100, 100, 1]
    assert [item["TopicArn"] for page in pages for item in page["Topics"]] == arns


def test_get_topic_attributes(cloud):
    """https://docs.aws.amazon.com/sns/latest/api/API_GetTopicAttributes.html"""
    arn = cloud.topic(DisplayName="Topic")
    cloud.subscribe(arn, cloud.queue())

    attributes = cloud.sns.get_topic_attributes(TopicArn=arn)["Attributes"]

    assert loads(attributes.pop("Policy"))["Statement"][0]["Resource"] == arn
    assert attributes == {
        "DisplayName": "Topic",
        "Owner": "000000000000",
        "SubscriptionsConfirmed": "1",
        "SubscriptionsDeleted": "0",
        "SubscriptionsPending": "0",
        "TopicArn": arn,
    }


def test_get_attributes_of_a_fifo_topic(cloud):
    """https://docs.aws.amazon.com/sns/latest/api/API_GetTopicAttributes.html"""
    attributes = cloud.sns.get_topic_attributes(TopicArn=cloud.topic("topic.fifo"))["Attributes"]

    assert attributes["FifoTopic"] == "true"
    assert attributes["ContentBasedDeduplication"] == "false"
    assert attributes["FifoThroughputScope"] == "Topic"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DisplayName", "Topic"),
        ("Policy", "{}"),
        ("DeliveryPolicy", "{}"),
        ("KmsMasterKeyId", "alias/aws/sns"),
        ("SignatureVersion", "2"),
        ("TracingConfig", "Active"),
        ("MaximumMessageSize", "1048576"),
        ("ContentBasedDeduplication", "true"),
        ("FifoThroughputScope", "MessageGroup"),
        ("SQSSuccessFeedbackSampleRate", "100"),
    ],
)
def test_set_topic_attributes(cloud, name, value):
    """https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html"""
    arn = cloud.topic("topic.fifo")

    cloud.sns.set_topic_attributes(TopicArn=arn, AttributeName=name, AttributeValue=value)

    assert cloud.sns.get_topic_attributes(TopicArn=arn)["Attributes"][name] == value


def test_remove_topic_attributes(cloud):
    """https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html"""
    arn = cloud.topic(DisplayName="Topic", KmsMasterKeyId="key")

    cloud.sns.set_topic_attributes(TopicArn=arn, AttributeName="DisplayName", AttributeValue="")
    cloud.sns.set_topic_attributes(TopicArn=arn, AttributeName="KmsMasterKeyId")

    attributes = cloud.sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert attributes["DisplayName"] == ""
    assert "KmsMasterKeyId" not in attributes


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FifoTopic", "true"),
        ("Owner", "me"),
        ("TopicArn", "arn"),
        ("MaximumMessageSize", "1"),
        ("MaximumMessageSize", ""),
        ("ContentBasedDeduplication", "true"),
        ("FifoThroughputScope", "Topic"),
    ],
)
def test_set_topic_attributes_is_refused(cloud, refused, name, value):
    """https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html"""
    arn = cloud.topic()

    with refused() as error:
        cloud.sns.set_topic_attributes(TopicArn=arn, AttributeName=name, AttributeValue=value)

    assert error.code == "InvalidParameter"


def test_a_topic_for_large_messages_has_few_subscriptions(cloud, refused):
    """https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html"""
    arn = cloud.topic(MaximumMessageSize="1048576")
    for index in range(100):
        cloud.subscribe(arn, f"arn:aws:sqs:local:000000000000:queue-{index}")

    with refused() as error:
        cloud.subscribe(arn, "arn:aws:sqs:local:000000000000:queue-100")
    assert error.code == "InvalidParameter"

    cloud.sns.set_topic_attributes(TopicArn=arn, AttributeName="MaximumMessageSize", AttributeValue="262144")
    cloud.subscribe(arn, "arn:aws:sqs:local:000000000000:queue-100")
    with refused() as error:
        cloud.sns.set_topic_attributes(TopicArn=arn, AttributeName="MaximumMessageSize", AttributeValue="1048576")
    assert "MaximumMessageSize" in error.text


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("get_topic_attributes", {}),
        ("set_topic_attributes", {"AttributeName": "DisplayName", "AttributeValue": "a"}),
        ("list_subscriptions_by_topic", {}),
        ("subscribe", {"Protocol": "sqs", "Endpoint": "arn:aws:sqs:local:000000000000:queue"}),
        ("publish", {"Message": "a"}),
        ("publish_batch", {"PublishBatchRequestEntries": [{"Id": "0", "Message": "a"}]}),
    ],
)
def test_a_topic_that_is_not_there(cloud, refused, method, parameters):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html#API_Publish_Errors"""
    with refused() as error:
        getattr(cloud.sns, method)(TopicArn="arn:aws:sns:local:000000000000:unknown", **parameters)

    assert error.type is cloud.sns.exceptions.NotFoundException
    assert (error.code, error.status) == ("NotFound", 404)


def test_a_topic_without_a_name(cloud, refused):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html#API_Publish_Errors"""
    with refused() as error:
        cloud.sns.publish(TopicArn="", Message="a")

    assert error.code == "InvalidParameter"


def test_tags(cloud):
    """https://docs.aws.amazon.com/sns/latest/api/API_TagResource.html"""
    arn = cloud.topic()

    cloud.sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    cloud.sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "3"}])
    cloud.sns.untag_resource(ResourceArn=arn, TagKeys=["b", "c"])

    assert cloud.sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "3"}]


def test_tags_are_refused(cloud, refused):
    """https://docs.aws.amazon.com/sns/latest/api/API_TagResource.html"""
    arn = cloud.topic()

    with refused() as error:
        cloud.sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}])
    assert error.code == "InvalidParameter"
    with refused() as error:
        cloud.sns.tag_resource(ResourceArn=arn, Tags=[{"Key": str(key), "Value": "1"} for key in range(51)])
    assert error.code == "TagLimitExceeded"
    with refused() as error:
        cloud.sns.list_tags_for_resource(ResourceArn=f"{arn}-unknown")
    assert (error.code, error.status) == ("ResourceNotFound", 404)
