"""A round with boto3, of any version: create, subscribe, publish, receive, fail, dead letter, redrive, FIFO."""

import os
from json import dumps, loads

import boto3


sqs = boto3.client("sqs", endpoint_url=os.environ["ENDPOINT"])
sns = boto3.client("sns", endpoint_url=os.environ["ENDPOINT"])
assert boto3.client("sts", endpoint_url=os.environ["ENDPOINT"]).get_caller_identity()["Account"] == "000000000000"


def arn_of(url):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def receive(url, seconds=0, **options):
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=seconds,
        AttributeNames=["All"],
        MessageAttributeNames=["All"],
        **options,
    )
    return answer.get("Messages", [])


dead_url = sqs.create_queue(QueueName="orders-dead")["QueueUrl"]
policy = {"deadLetterTargetArn": arn_of(dead_url), "maxReceiveCount": 1}
url = sqs.create_queue(
    QueueName="orders",
    Attributes={"RedrivePolicy": dumps(policy), "VisibilityTimeout": "30"},
    tags={"team": "sales"},
)["QueueUrl"]
assert url == f"{os.environ['ENDPOINT']}/000000000000/orders", url
assert arn_of(url) == "arn:aws:sqs:eu-central-1:000000000000:orders"
assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "sales"}
assert sqs.list_dead_letter_source_queues(QueueUrl=dead_url)["queueUrls"] == [url]
assert len(sqs.list_queues()["QueueUrls"]) == 2

topic = sns.create_topic(Name="events", Tags=[{"Key": "team", "Value": "sales"}])["TopicArn"]
subscription = sns.subscribe(
    TopicArn=topic,
    Protocol="sqs",
    Endpoint=arn_of(url),
    Attributes={"RawMessageDelivery": "true", "FilterPolicy": dumps({"kind": ["wanted"]})},
    ReturnSubscriptionArn=True,
)["SubscriptionArn"]
assert sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]["RawMessageDelivery"] == "true"
wanted = {
    "kind": {"DataType": "String", "StringValue": "wanted"},
    "raw": {"DataType": "Binary", "BinaryValue": b"\0\1"},
}
text = "größer & <kleiner> \r\n\t\U0001f600"
sns.publish(TopicArn=topic, Message=text, MessageAttributes=wanted)
other = {"kind": {"DataType": "String", "StringValue": "other"}}
batch = [{"Id": "1", "Message": "x", "MessageAttributes": other}]
assert len(sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=batch)["Successful"]) == 1

(message,) = receive(url, 2)
assert message["Body"] == text, message
assert message["MessageAttributes"]["raw"]["BinaryValue"] == b"\0\1", message
assert message["Attributes"]["ApproximateReceiveCount"] == "1"
sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
assert receive(url) == []
(dead,) = receive(dead_url, VisibilityTimeout=0)
assert dead["Attributes"]["DeadLetterQueueSourceArn"] == arn_of(url)
sqs.start_message_move_task(SourceArn=arn_of(dead_url))
assert sqs.list_message_move_tasks(SourceArn=arn_of(dead_url))["Results"][0]["Status"] == "COMPLETED"
(again,) = receive(url)
entries = [{"Id": "a", "ReceiptHandle": again["ReceiptHandle"]}, {"Id": "b", "ReceiptHandle": "none"}]
deleted = sqs.delete_message_batch(QueueUrl=url, Entries=entries)
assert [item["Id"] for item in deleted["Successful"]] == ["a"]
assert [(item["Id"], item["Code"]) for item in deleted["Failed"]] == [("b", "ReceiptHandleIsInvalid")]

fifo = sqs.create_queue(QueueName="orders.fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"})[
    "QueueUrl"
]
for body in ("1", "2", "2", "3"):
    sqs.send_message(QueueUrl=fifo, MessageBody=body, MessageGroupId="g")
messages = receive(fifo)
assert [item["Body"] for item in messages] == ["1", "2", "3"]
assert messages[0]["Attributes"]["MessageGroupId"] == "g"
assert receive(fifo) == []
entries = [
    {"Id": str(index), "ReceiptHandle": item["ReceiptHandle"], "VisibilityTimeout": 0}
    for index, item in enumerate(messages)
]
assert len(sqs.change_message_visibility_batch(QueueUrl=fifo, Entries=entries)["Successful"]) == 3
assert [item["Body"] for item in receive(fifo)] == ["1", "2", "3"]


def code_of(expected, call, **parameters):
    """Return the code of the error that a call raises."""
    try:
        call(**parameters)
    except expected as error:
        return error.response["Error"]["Code"]


code = code_of(sqs.exceptions.QueueDoesNotExist, sqs.get_queue_url, QueueName="nowhere")
assert code == "AWS.SimpleQueueService.NonExistentQueue", code
code = code_of(sns.exceptions.NotFoundException, sns.publish, TopicArn=f"{topic}-nowhere", Message="a")
assert code == "NotFound", code
sns.unsubscribe(SubscriptionArn=subscription)
sns.delete_topic(TopicArn=topic)
sqs.purge_queue(QueueUrl=url)
sqs.delete_queue(QueueUrl=url)
assert loads(dumps(policy)) == policy
print(boto3.__version__)
