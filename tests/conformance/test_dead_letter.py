"""
Messages that were received too often: to the dead-letter queue, and back.
"""

from json import dumps, loads

import pytest
from botocore.exceptions import ClientError


def create(subject, count=1, fifo=False):
    """A queue and its dead-letter queue."""
    more = {"ContentBasedDeduplication": "true"} if fifo else {}
    dead = subject.create_queue(fifo, **more)
    policy = {"deadLetterTargetArn": subject.arn(dead), "maxReceiveCount": count}
    return subject.create_queue(fifo, RedrivePolicy=dumps(policy), **more), dead


def bury(subject, url, *bodies, **options):
    """Let messages go to the dead-letter queue, whose source allows one receive."""
    subject.send(url, *bodies, **options)
    subject.receive(url, VisibilityTimeout=0)
    assert subject.receive(url) == []


def test_received_too_often(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html"""
    url, dead = create(subject, count=2)
    sent = subject.sqs.send_message(QueueUrl=url, MessageBody="a")
    for _ in range(2):
        assert subject.bodies(url, VisibilityTimeout=0) == ["a"]
        assert subject.depth(dead) == (0, 0, 0)
    assert subject.receive(url) == []
    message = subject.receive_one(dead, AttributeNames=["All"])
    assert (message["Body"], message["MessageId"]) == ("a", sent["MessageId"])
    assert subject.depth(url) == (0, 0, 0)


def test_source_is_named(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html"""
    url, dead = create(subject)
    bury(subject, url, "a")
    message = subject.receive_one(dead, AttributeNames=["DeadLetterQueueSourceArn"])
    assert message["Attributes"] == {"DeadLetterQueueSourceArn": subject.arn(url)}


def test_others_are_received(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html"""
    url, dead = create(subject)
    subject.send(url, "a")
    subject.receive(url, VisibilityTimeout=0)
    subject.send(url, "b")
    # a receive gives what may be received, in place of what goes
    found = subject.bodies(url) or subject.bodies(url)
    assert found == ["b"]
    assert subject.bodies(dead) == ["a"]


def test_fifo(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html"""
    url, dead = create(subject, fifo=True)
    subject.send(url, "a", "b", MessageGroupId="1")
    subject.receive(url, 1, VisibilityTimeout=0)
    found = subject.bodies(url) or subject.bodies(url)
    assert found == ["b"]
    message = subject.receive_one(dead, AttributeNames=["MessageGroupId"])
    assert (message["Body"], message["Attributes"]["MessageGroupId"]) == ("a", "1")


def test_sources_are_listed(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListDeadLetterSourceQueues.html"""
    url, dead = create(subject)
    assert subject.sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    assert subject.sqs.list_dead_letter_source_queues(QueueUrl=url)["queueUrls"] == []


def test_policy_is_read_and_removed(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"""
    url, dead = create(subject, count=3)
    policy = loads(subject.attributes(url, "RedrivePolicy")["RedrivePolicy"])
    assert policy["deadLetterTargetArn"] == subject.arn(dead)
    assert int(policy["maxReceiveCount"]) == 3
    subject.sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})
    assert "RedrivePolicy" not in subject.attributes(url)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"maxReceiveCount": None}, id="no count"),
        pytest.param({"maxReceiveCount": 0}, id="never"),
        pytest.param({"maxReceiveCount": 1001}, id="too many"),
        pytest.param({"deadLetterTargetArn": None}, id="no target"),
    ],
)
def test_policy_refused(subject, change):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"""
    url, dead = subject.create_queue(), subject.create_queue()
    policy = {"deadLetterTargetArn": subject.arn(dead), "maxReceiveCount": 5, **change}
    policy = {name: value for name, value in policy.items() if value is not None}
    with pytest.raises(ClientError) as caught:
        subject.sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": dumps(policy)})
    # which of the two it is, the documentation leaves open
    assert caught.value.response["Error"]["Code"] in {"InvalidParameterValue", "InvalidAttributeValue"}


@pytest.mark.parametrize("fifo", [False, True])
def test_policy_for_a_queue_of_another_type_refused(subject, fifo):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"""
    url, dead = subject.create_queue(fifo), subject.create_queue(not fifo)
    policy = {"deadLetterTargetArn": subject.arn(dead), "maxReceiveCount": 5}
    with pytest.raises(ClientError) as caught:
        subject.sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": dumps(policy)})
    # by which code, the documentation leaves open
    assert caught.value.response["Error"]["Code"] in {"InvalidParameterValue", "InvalidParameterCombination"}


def only_task(subject, dead):
    (task,) = subject.sqs.list_message_move_tasks(SourceArn=subject.arn(dead))["Results"]
    return task


def wait_for_task(subject, dead):
    while (task := only_task(subject, dead))["Status"] == "RUNNING":
        subject.advance(0.1)
    return task


def test_move_back(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html"""
    url, dead = create(subject)
    bury(subject, url, "a", "b")
    answer = subject.sqs.start_message_move_task(SourceArn=subject.arn(dead))
    assert answer["TaskHandle"]
    task = wait_for_task(subject, dead)
    assert task["Status"] == "COMPLETED"
    assert task["SourceArn"] == subject.arn(dead)
    assert task["ApproximateNumberOfMessagesMoved"] == 2
    assert task["ApproximateNumberOfMessagesToMove"] == 2
    assert task["StartedTimestamp"] > 0
    assert subject.depth(dead) == (0, 0, 0)
    assert sorted(subject.bodies(url)) == ["a", "b"]


def test_what_is_moved_is_a_new_message(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html"""
    url, dead = create(subject)
    bury(subject, url, "a")
    old = subject.receive_one(dead, VisibilityTimeout=0)["MessageId"]
    subject.sqs.start_message_move_task(SourceArn=subject.arn(dead))
    wait_for_task(subject, dead)
    message = subject.receive_one(url, AttributeNames=["ApproximateReceiveCount"])
    assert message["MessageId"] != old
    assert message["Attributes"] == {"ApproximateReceiveCount": "1"}


def test_move_elsewhere(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html"""
    url, dead = create(subject)
    other = subject.create_queue()
    bury(subject, url, "a")
    subject.sqs.start_message_move_task(SourceArn=subject.arn(dead), DestinationArn=subject.arn(other))
    assert wait_for_task(subject, dead)["DestinationArn"] == subject.arn(other)
    assert subject.bodies(other) == ["a"]
    assert subject.depth(url) == (0, 0, 0)


@pytest.mark.clock
def test_move_slowly_and_cancel(subject, refused):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CancelMessageMoveTask.html"""
    url, dead = create(subject)
    bury(subject, url, *map(str, range(8)))
    arn = subject.arn(dead)
    handle = subject.sqs.start_message_move_task(SourceArn=arn, MaxNumberOfMessagesPerSecond=2)["TaskHandle"]
    with refused("AWS.SimpleQueueService.UnsupportedOperation"):
        subject.sqs.start_message_move_task(SourceArn=arn)
    assert only_task(subject, dead)["TaskHandle"] == handle
    assert only_task(subject, dead)["MaxNumberOfMessagesPerSecond"] == 2
    subject.advance(2)
    assert only_task(subject, dead)["Status"] == "RUNNING"
    answer = subject.sqs.cancel_message_move_task(TaskHandle=handle)
    moved = answer["ApproximateNumberOfMessagesMoved"]
    assert 0 < moved < 8
    task = only_task(subject, dead)
    assert task["Status"] == "CANCELLED"
    assert "TaskHandle" not in task
    subject.advance(60)
    assert subject.depth(dead)[0] == 8 - moved
    assert subject.depth(url)[0] == moved
    with refused("AWS.SimpleQueueService.UnsupportedOperation"):
        subject.sqs.cancel_message_move_task(TaskHandle=handle)


@pytest.mark.clock
def test_slow_move_completes(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html"""
    url, dead = create(subject)
    bury(subject, url, *map(str, range(8)))
    subject.sqs.start_message_move_task(SourceArn=subject.arn(dead), MaxNumberOfMessagesPerSecond=2)
    subject.advance(10)
    assert only_task(subject, dead)["Status"] == "COMPLETED"
    assert subject.depth(url)[0] == 8


def test_latest_task_is_listed_first(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasks.html"""
    url, dead = create(subject)
    for bodies in (["a"], ["b", "c"]):
        bury(subject, url, *bodies)
        subject.sqs.start_message_move_task(SourceArn=subject.arn(dead))
        wait_for_task(subject, dead)
        subject.sqs.purge_queue(QueueUrl=url)
    tasks = subject.sqs.list_message_move_tasks(SourceArn=subject.arn(dead), MaxResults=10)["Results"]
    assert [task["ApproximateNumberOfMessagesMoved"] for task in tasks] == [2, 1]


def test_move_what_is_no_dead_letter_queue(subject, refused):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html"""
    url = subject.create_queue()
    with refused("InvalidParameterValue"):
        subject.sqs.start_message_move_task(SourceArn=subject.arn(url))


def test_move_unknown(subject, refused):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html"""
    arn = subject.arn(subject.create_queue()) + "-unknown"
    with refused("ResourceNotFoundException"):
        subject.sqs.start_message_move_task(SourceArn=arn)
    with refused("ResourceNotFoundException"):
        subject.sqs.list_message_move_tasks(SourceArn=arn)
    with refused("ResourceNotFoundException"):
        subject.sqs.cancel_message_move_task(TaskHandle="unknown")
