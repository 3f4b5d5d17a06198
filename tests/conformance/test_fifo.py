"""
FIFO queues: order within groups, and deduplication.
"""

import pytest


def create(subject, **attributes):
    return subject.create_queue(fifo=True, **{"ContentBasedDeduplication": "true", **attributes})


def delete(subject, url, *messages):
    for message in messages:
        subject.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def release(subject, url, *messages):
    for message in messages:
        handle = message["ReceiptHandle"]
        subject.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)


def test_order(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html"""
    url = create(subject)
    sent = [f"{index:02}" for index in range(15)]
    subject.send(url, *sent, MessageGroupId="1")
    first = subject.receive(url, 10)
    delete(subject, url, *first)
    assert [message["Body"] for message in first] + subject.bodies(url, 10) == sent


def test_blocked_group(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html"""
    url = create(subject)
    subject.send(url, "a", "b", "c", MessageGroupId="1")
    first = subject.receive_one(url)
    assert first["Body"] == "a"
    assert subject.receive(url) == []
    delete(subject, url, first)
    assert subject.bodies(url) == ["b", "c"]


def test_group_is_blocked_until_all_of_a_receive_are_deleted(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html"""
    url = create(subject)
    subject.send(url, "a", "b", "c", MessageGroupId="1")
    one, two = subject.receive(url, 2)
    delete(subject, url, one)
    assert subject.receive(url) == []
    delete(subject, url, two)
    assert subject.bodies(url) == ["c"]


def test_blocked_until_the_timeout(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html"""
    url = create(subject, VisibilityTimeout="1")
    subject.send(url, "a", "b", MessageGroupId="1")
    subject.receive_one(url)
    assert subject.receive(url) == []
    subject.advance(1)
    assert subject.bodies(url) == ["a", "b"]


def test_release_keeps_the_order(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html"""
    url = create(subject)
    subject.send(url, "a", "b", "c", MessageGroupId="1")
    release(subject, url, subject.receive_one(url))
    assert subject.bodies(url) == ["a", "b", "c"]


def test_later_message_waits_for_the_failed_one(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html"""
    url = create(subject)
    subject.send(url, "a", "b", MessageGroupId="1")
    one, two = subject.receive(url)
    # "b" is free again, but "a" before it is not
    release(subject, url, two)
    assert subject.receive(url) == []
    release(subject, url, one)
    assert subject.bodies(url) == ["a", "b"]


def test_several_groups(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagegroupid-property.html"""
    url = create(subject)
    for group in ("x", "y"):
        subject.send(url, f"{group}1", f"{group}2", MessageGroupId=group)
    first = subject.receive_one(url, AttributeNames=["MessageGroupId"])
    group = first["Attributes"]["MessageGroupId"]
    other = "y" if group == "x" else "x"
    assert first["Body"] == f"{group}1"
    # the other group goes on
    assert subject.bodies(url) == [f"{other}1", f"{other}2"]
    assert subject.receive(url) == []
    delete(subject, url, first)
    assert subject.bodies(url) == [f"{group}2"]


def test_order_of_a_batch(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html"""
    url = create(subject)
    entries = [{"Id": str(index), "MessageBody": f"{index}", "MessageGroupId": "1"} for index in range(10)]
    answer = subject.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    numbers = [int(result["SequenceNumber"]) for result in answer["Successful"]]
    assert numbers == sorted(numbers)
    assert subject.bodies(url) == list("0123456789")


def test_delete_batch_frees_the_group(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessageBatch.html"""
    url = create(subject)
    subject.send(url, "a", "b", "c", MessageGroupId="1")
    entries = [
        {"Id": message["Body"], "ReceiptHandle": message["ReceiptHandle"]} for message in subject.receive(url, 2)
    ]
    subject.sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    assert subject.bodies(url) == ["c"]


def test_change_batch_frees_the_group(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibilityBatch.html"""
    url = create(subject)
    subject.send(url, "a", "b", "c", MessageGroupId="1")
    entries = [
        {"Id": message["Body"], "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
        for message in subject.receive(url, 2)
    ]
    subject.sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)
    assert subject.bodies(url) == ["a", "b", "c"]


def test_attributes(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html"""
    url = create(subject)
    answer = subject.sqs.send_message(QueueUrl=url, MessageBody="a", MessageGroupId="1", MessageDeduplicationId="2")
    found = subject.receive_one(url, AttributeNames=["All"])["Attributes"]
    assert found["MessageGroupId"] == "1"
    assert found["MessageDeduplicationId"] == "2"
    assert found["SequenceNumber"] == answer["SequenceNumber"]


def test_sequence_numbers(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""
    url = create(subject)
    numbers = [
        subject.sqs.send_message(QueueUrl=url, MessageBody=f"{group}{index}", MessageGroupId=group)["SequenceNumber"]
        for index in range(3)
        for group in "xy"
    ]
    assert {len(number) for number in numbers} == {20}
    assert sorted(set(numbers)) == numbers


def test_deduplication_by_id(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html"""
    url = create(subject, ContentBasedDeduplication="false")
    one = subject.sqs.send_message(QueueUrl=url, MessageBody="a", MessageGroupId="1", MessageDeduplicationId="d")
    two = subject.sqs.send_message(QueueUrl=url, MessageBody="b", MessageGroupId="2", MessageDeduplicationId="d")
    subject.send(url, "a", MessageGroupId="1", MessageDeduplicationId="e")
    # it is accepted, as the first was
    assert two["MessageId"] == one["MessageId"]
    assert subject.bodies(url) == ["a", "a"]


def test_deduplication_by_content(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-exactly-once-processing.html"""
    url = create(subject)
    subject.send(url, "a", "a", "b", MessageGroupId="1")
    # its attributes are not its content
    subject.send(
        url, "a", MessageGroupId="1", MessageAttributes={"colour": {"DataType": "String", "StringValue": "red"}}
    )
    # an id goes before the content
    subject.send(url, "a", MessageGroupId="1", MessageDeduplicationId="c")
    assert subject.bodies(url) == ["a", "b", "a"]


def test_deduplication_within_a_batch(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-exactly-once-processing.html"""
    url = create(subject)
    entries = [{"Id": str(index), "MessageBody": body, "MessageGroupId": "1"} for index, body in enumerate("aba")]
    answer = subject.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert len(answer["Successful"]) == 3
    assert subject.bodies(url) == ["a", "b"]


def test_deduplication_outlives_the_message(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html"""
    url = create(subject)
    subject.send(url, "a", MessageGroupId="1")
    delete(subject, url, subject.receive_one(url))
    subject.send(url, "a", MessageGroupId="1")
    assert subject.depth(url) == (0, 0, 0)


@pytest.mark.clock
def test_deduplication_ends(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-exactly-once-processing.html"""
    url = create(subject)
    subject.send(url, "a", MessageGroupId="1")
    subject.advance(299)
    subject.send(url, "a", MessageGroupId="1")
    assert subject.depth(url) == (1, 0, 0)
    subject.advance(1)
    subject.send(url, "a", MessageGroupId="1")
    assert subject.depth(url) == (2, 0, 0)


def test_high_throughput(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/high-throughput-fifo.html"""
    url = create(subject, DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    for group in ("x", "y", "x"):
        subject.send(url, "a", MessageGroupId=group, MessageDeduplicationId="1")
    found = subject.receive(url, AttributeNames=["MessageGroupId"])
    assert sorted(message["Attributes"]["MessageGroupId"] for message in found) == ["x", "y"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param({"MessageDeduplicationId": "1"}, "MissingParameter", id="no group"),
        pytest.param({"MessageGroupId": "1"}, "InvalidParameterValue", id="no deduplication"),
        pytest.param(
            {"MessageGroupId": "1", "MessageDeduplicationId": "1", "DelaySeconds": 5},
            "InvalidParameterValue",
            id="delay",
        ),
        pytest.param(
            {"MessageGroupId": "\u00e9", "MessageDeduplicationId": "1"}, "InvalidParameterValue", id="letter of a group"
        ),
        pytest.param(
            {"MessageGroupId": "1" * 129, "MessageDeduplicationId": "1"},
            "InvalidParameterValue",
            id="length of a group",
        ),
        pytest.param(
            {"MessageGroupId": "1", "MessageDeduplicationId": "a b"},
            "InvalidParameterValue",
            id="letter of a deduplication",
        ),
    ],
)
def test_refused(subject, refused, arguments, code):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""
    url = create(subject, ContentBasedDeduplication="false")
    with refused(code):
        subject.send(url, "a", **arguments)
    assert subject.depth(url) == (0, 0, 0)


@pytest.mark.parametrize(
    "attributes",
    [{"DeduplicationScope": "message"}, {"FifoThroughputLimit": "none"}, {"ContentBasedDeduplication": "maybe"}],
    ids=str,
)
def test_attributes_refused(subject, refused, attributes):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"""
    url = create(subject)
    with refused("InvalidAttributeValue"):
        subject.sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)


def test_delay_of_a_queue(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-delay-queues.html"""
    url = create(subject, DelaySeconds="1")
    subject.send(url, "a", "b", MessageGroupId="1")
    assert subject.receive(url) == []
    subject.advance(1)
    assert subject.bodies(url) == ["a", "b"]


def test_delayed_messages_do_not_hold_back_others(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-delay-queues.html"""
    url = create(subject)
    subject.send(url, "a", MessageGroupId="1")
    subject.sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "60"})
    subject.send(url, "b", MessageGroupId="1")
    assert len(subject.receive(url)) >= 1


def test_same_receive_again(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-receiverequestattemptid-request-parameter.html"""
    url = create(subject)
    subject.send(url, "a", "b", MessageGroupId="1")
    first = subject.bodies(url, ReceiveRequestAttemptId="attempt")
    assert first == ["a", "b"]
    assert subject.receive(url) == []
    assert subject.bodies(url, ReceiveRequestAttemptId="attempt") == first


def test_delete_with_an_old_handle(subject, refused):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html"""
    url = create(subject)
    subject.send(url, "a", MessageGroupId="1")
    old = subject.receive_one(url)
    release(subject, url, old)
    with refused("InvalidParameterValue"):
        delete(subject, url, old)
    assert subject.bodies(url) == ["a"]
