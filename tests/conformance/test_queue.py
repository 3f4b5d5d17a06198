"""
Queues: create, find, list, change, tag, purge, delete.
"""

from json import dumps, loads

import pytest
from botocore.exceptions import ParamValidationError


def test_create_and_find(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html"""
    name = subject.unique("queue")
    url = subject.sqs.create_queue(QueueName=name)["QueueUrl"]
    assert url.endswith(f"/{name}")
    assert subject.sqs.get_queue_url(QueueName=name)["QueueUrl"] == url


def test_create_again(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html"""
    name = subject.unique("queue")
    attributes = {"VisibilityTimeout": "7"}
    url = subject.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    assert subject.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"] == url
    assert subject.sqs.create_queue(QueueName=name)["QueueUrl"] == url
    assert subject.attributes(url, "VisibilityTimeout") == {"VisibilityTimeout": "7"}


def test_create_again_otherwise(subject, refused):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html"""
    name = subject.unique("queue")
    subject.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "7"})
    with refused("QueueAlreadyExists"):
        subject.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "8"})
    with pytest.raises(subject.sqs.exceptions.QueueNameExists):
        subject.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "8"})


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        pytest.param("a/b", {}, id="slash"),
        pytest.param("a" * 81, {}, id="too long"),
        pytest.param("a.fifo", {}, id="suffix alone"),
        pytest.param("a", {"FifoQueue": "true"}, id="no suffix"),
    ],
)
def test_name(subject, refused, name, attributes):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html"""
    with refused("InvalidParameterValue"):
        subject.sqs.create_queue(QueueName=name, Attributes=attributes)


def test_list(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueues.html"""
    prefix = subject.unique("listed")
    urls = [subject.sqs.create_queue(QueueName=f"{prefix}-{index}")["QueueUrl"] for index in range(3)]
    assert sorted(subject.sqs.list_queues(QueueNamePrefix=prefix)["QueueUrls"]) == urls
    assert subject.sqs.list_queues(QueueNamePrefix=subject.unique("none")).get("QueueUrls", []) == []


def test_list_by_pages(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueues.html"""
    prefix = subject.unique("listed")
    urls = [subject.sqs.create_queue(QueueName=f"{prefix}-{index}")["QueueUrl"] for index in range(3)]
    first = subject.sqs.list_queues(QueueNamePrefix=prefix, MaxResults=2)
    second = subject.sqs.list_queues(QueueNamePrefix=prefix, MaxResults=2, NextToken=first["NextToken"])
    assert len(first["QueueUrls"]) == 2
    assert sorted([*first["QueueUrls"], *second["QueueUrls"]]) == urls
    assert "NextToken" not in second


def test_delete(subject, refused):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html"""
    name = subject.unique("queue")
    url = subject.sqs.create_queue(QueueName=name)["QueueUrl"]
    subject.send(url, "a")
    subject.sqs.delete_queue(QueueUrl=url)
    with refused("AWS.SimpleQueueService.NonExistentQueue"):
        subject.sqs.get_queue_url(QueueName=name)
    with pytest.raises(subject.sqs.exceptions.QueueDoesNotExist):
        subject.sqs.send_message(QueueUrl=url, MessageBody="b")


ENTRY = {"Id": "0", "ReceiptHandle": "handle"}


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("change_message_visibility", {"ReceiptHandle": "handle", "VisibilityTimeout": 1}),
        ("change_message_visibility_batch", {"Entries": [{**ENTRY, "VisibilityTimeout": 1}]}),
        ("delete_message", {"ReceiptHandle": "handle"}),
        ("delete_message_batch", {"Entries": [ENTRY]}),
        ("delete_queue", {}),
        ("get_queue_attributes", {"AttributeNames": ["All"]}),
        ("list_dead_letter_source_queues", {}),
        ("list_queue_tags", {}),
        ("purge_queue", {}),
        ("receive_message", {}),
        ("send_message", {"MessageBody": "a"}),
        ("send_message_batch", {"Entries": [{"Id": "0", "MessageBody": "a"}]}),
        ("set_queue_attributes", {"Attributes": {"DelaySeconds": "1"}}),
        ("tag_queue", {"Tags": {"a": "b"}}),
        ("untag_queue", {"TagKeys": ["a"]}),
    ],
)
def test_unknown_queue(subject, refused, method, arguments):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html"""
    url = subject.create_queue().rsplit("/", 1)[0] + "/" + subject.unique("unknown")
    with refused("AWS.SimpleQueueService.NonExistentQueue"):
        getattr(subject.sqs, method)(QueueUrl=url, **arguments)


def test_default_attributes(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"""
    name = subject.unique("queue")
    found = subject.attributes(subject.sqs.create_queue(QueueName=name)["QueueUrl"])
    assert found["DelaySeconds"] == "0"
    assert found["MessageRetentionPeriod"] == "345600"
    assert found["ReceiveMessageWaitTimeSeconds"] == "0"
    assert found["VisibilityTimeout"] == "30"
    assert found["QueueArn"].startswith("arn:aws:sqs:")
    assert found["QueueArn"].endswith(f":{name}")
    assert {"CreatedTimestamp", "LastModifiedTimestamp"} <= set(found)


def test_default_size_limit(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""
    assert subject.attributes(subject.create_queue(), "MaximumMessageSize") == {"MaximumMessageSize": "1048576"}


def test_default_fifo_attributes(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"""
    found = subject.attributes(subject.create_queue(fifo=True))
    assert found["FifoQueue"] == "true"
    assert found["ContentBasedDeduplication"] == "false"
    assert found["DeduplicationScope"] == "queue"
    assert found["FifoThroughputLimit"] == "perQueue"


def test_select_attributes(subject, refused):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html"""
    url = subject.create_queue()
    names = {"DelaySeconds", "VisibilityTimeout"}
    assert set(subject.attributes(url, *names)) == names
    assert "Attributes" not in subject.sqs.get_queue_attributes(QueueUrl=url)
    with refused("InvalidAttributeName"):
        subject.attributes(url, "Colour")


def test_set_attributes(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"""
    url = subject.create_queue(DelaySeconds="1")
    subject.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "7"})
    found = subject.attributes(url, "DelaySeconds", "VisibilityTimeout")
    assert found == {"DelaySeconds": "1", "VisibilityTimeout": "7"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DelaySeconds", "901"),
        ("DelaySeconds", "soon"),
        ("MaximumMessageSize", "1023"),
        ("MessageRetentionPeriod", "59"),
        ("ReceiveMessageWaitTimeSeconds", "21"),
        ("VisibilityTimeout", "43201"),
    ],
)
def test_set_attribute_out_of_range(subject, refused, name, value):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"""
    url = subject.create_queue()
    with refused("InvalidAttributeValue"):
        subject.sqs.set_queue_attributes(QueueUrl=url, Attributes={name: value})


def test_set_unknown_attribute(subject, refused):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"""
    url = subject.create_queue()
    with refused("InvalidAttributeName"):
        subject.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Colour": "red"})


def test_tags(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_TagQueue.html"""
    url = subject.sqs.create_queue(QueueName=subject.unique("queue"), tags={"a": "1"})["QueueUrl"]
    subject.sqs.tag_queue(QueueUrl=url, Tags={"a": "2", "b": "3"})
    assert subject.sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"a": "2", "b": "3"}
    subject.sqs.untag_queue(QueueUrl=url, TagKeys=["a", "c"])
    assert subject.sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"b": "3"}
    subject.sqs.untag_queue(QueueUrl=url, TagKeys=["b"])
    assert subject.sqs.list_queue_tags(QueueUrl=url).get("Tags", {}) == {}


def test_counts(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html"""
    url = subject.create_queue()
    assert subject.depth(url) == (0, 0, 0)
    subject.send(url, "a", "b", "c")
    subject.send(url, "d", DelaySeconds=60)
    assert subject.depth(url) == (3, 0, 1)
    (message,) = subject.receive(url, 1)
    assert subject.depth(url) == (2, 1, 1)
    subject.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert subject.depth(url) == (2, 0, 1)


def test_purge(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_PurgeQueue.html"""
    url, other = subject.create_queue(), subject.create_queue()
    subject.send(url, "a", "b")
    subject.send(url, "c", DelaySeconds=60)
    subject.send(other, "d")
    subject.receive(url, 1)
    subject.sqs.purge_queue(QueueUrl=url)
    assert subject.depth(url) == (0, 0, 0)
    subject.send(url, "e")
    assert subject.bodies(url) == ["e"]
    assert subject.bodies(other) == ["d"]


def test_purge_fifo(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_PurgeQueue.html"""
    url = subject.create_queue(fifo=True, ContentBasedDeduplication="true")
    subject.send(url, "a", "b", MessageGroupId="1")
    subject.receive(url, 1)
    subject.sqs.purge_queue(QueueUrl=url)
    assert subject.depth(url) == (0, 0, 0)
    subject.send(url, "c", MessageGroupId="1")
    assert subject.bodies(url) == ["c"]


def test_policies_are_kept(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"""
    url = subject.create_queue()
    allow = {"redrivePermission": "denyAll"}
    policy = {"Version": "2012-10-17", "Statement": []}
    attributes = {"Policy": dumps(policy), "RedriveAllowPolicy": dumps(allow)}
    subject.sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    found = subject.attributes(url, "Policy", "RedriveAllowPolicy")
    assert {name: loads(text) for name, text in found.items()} == {"Policy": policy, "RedriveAllowPolicy": allow}


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("create_queue", {}),
        ("create_queue", {"QueueName": 5}),
        ("create_queue", {"QueueName": "a", "Attributes": {"DelaySeconds": 1}}),
        ("get_queue_attributes", {"QueueUrl": "a", "AttributeNames": "All"}),
        ("list_queues", {"MaxResults": "2"}),
        ("delete_queue", {"QueueURL": "a"}),
    ],
)
def test_wrong_types(subject, method, arguments):
    """https://docs.aws.amazon.com/boto3/latest/guide/error-handling.html"""
    with pytest.raises(ParamValidationError):
        getattr(subject.sqs, method)(**arguments)
