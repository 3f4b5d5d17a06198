"""
The time for which a received message is hidden, and what receipt handles are good for.
"""

import pytest
from botocore.exceptions import ParamValidationError


HOUR = 3600


def test_hidden_until_the_timeout(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html"""
    url = subject.create_queue(VisibilityTimeout="1")
    subject.send(url, "a")
    first = subject.receive_one(url)
    assert subject.receive(url) == []
    subject.advance(1)
    second = subject.receive_one(url, AttributeNames=["ApproximateReceiveCount"])
    assert second["MessageId"] == first["MessageId"]
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    assert second["Attributes"] == {"ApproximateReceiveCount": "2"}


@pytest.mark.clock
def test_default_timeout(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html"""
    url = subject.create_queue()
    subject.send(url, "a")
    subject.receive_one(url)
    subject.advance(29)
    assert subject.receive(url) == []
    subject.advance(1)
    assert subject.bodies(url) == ["a"]


def test_timeout_of_a_receive(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html"""
    url = subject.create_queue()
    subject.send(url, "a")
    subject.receive_one(url, VisibilityTimeout=1)
    assert subject.receive(url) == []
    subject.advance(1)
    assert subject.bodies(url, VisibilityTimeout=0) == ["a"]
    assert subject.bodies(url) == ["a"]


def change(subject, url, message, seconds):
    handle = message["ReceiptHandle"]
    subject.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=seconds)


def test_release(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html"""
    url = subject.create_queue()
    subject.send(url, "a")
    change(subject, url, subject.receive_one(url), 0)
    assert subject.depth(url) == (1, 0, 0)
    message = subject.receive_one(url, AttributeNames=["ApproximateReceiveCount"])
    # a release counts
    assert message["Attributes"] == {"ApproximateReceiveCount": "2"}


def test_shorten(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html"""
    url = subject.create_queue()
    subject.send(url, "a")
    change(subject, url, subject.receive_one(url), 1)
    assert subject.receive(url) == []
    subject.advance(1)
    assert subject.bodies(url) == ["a"]


def test_extend(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html"""
    url = subject.create_queue(VisibilityTimeout="1")
    subject.send(url, "a")
    message = subject.receive_one(url)
    change(subject, url, message, 60)
    subject.advance(1)
    assert subject.receive(url) == []
    # the handle stays good
    subject.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert subject.depth(url) == (0, 0, 0)


@pytest.mark.clock
def test_extension_counts_from_now(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html"""
    url = subject.create_queue(VisibilityTimeout="30")
    subject.send(url, "a")
    message = subject.receive_one(url)
    subject.advance(20)
    change(subject, url, message, 30)
    subject.advance(29)
    assert subject.receive(url) == []
    subject.advance(1)
    assert subject.bodies(url) == ["a"]


@pytest.mark.clock
def test_twelve_hours_at_most(subject, refused):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html"""
    url = subject.create_queue()
    subject.send(url, "a")
    message = subject.receive_one(url, VisibilityTimeout=12 * HOUR)
    subject.advance(HOUR)
    with refused("InvalidParameterValue"):
        change(subject, url, message, 11 * HOUR + 1)
    change(subject, url, message, 11 * HOUR)
    subject.advance(11 * HOUR - 1)
    assert subject.receive(url) == []
    subject.advance(1)
    assert subject.bodies(url) == ["a"]


@pytest.mark.parametrize("seconds", [-1, 43201])
def test_timeout_refused(subject, refused, seconds):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html"""
    url = subject.create_queue()
    subject.send(url, "a")
    message = subject.receive_one(url)
    with refused("InvalidParameterValue"):
        change(subject, url, message, seconds)


def test_change_batch(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibilityBatch.html"""
    url = subject.create_queue()
    subject.send(url, "a", "b")
    entries = [
        {"Id": message["Body"], "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": seconds}
        for message, seconds in zip(sorted(subject.receive(url), key=lambda one: one["Body"]), [0, 60], strict=True)
    ]
    answer = subject.sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)
    assert sorted(result["Id"] for result in answer["Successful"]) == ["a", "b"]
    assert answer.get("Failed", []) == []
    assert subject.bodies(url) == ["a"]


def test_change_batch_partially(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibilityBatch.html"""
    url = subject.create_queue()
    subject.send(url, "a", "b")
    one, two = (message["ReceiptHandle"] for message in subject.receive(url))
    entries = [
        {"Id": "good", "ReceiptHandle": one, "VisibilityTimeout": 0},
        {"Id": "handle", "ReceiptHandle": "nonsense", "VisibilityTimeout": 0},
        {"Id": "timeout", "ReceiptHandle": two, "VisibilityTimeout": 43201},
    ]
    answer = subject.sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)
    assert [result["Id"] for result in answer["Successful"]] == ["good"]
    failed = {entry["Id"]: (entry["Code"], entry["SenderFault"]) for entry in answer["Failed"]}
    assert failed == {"handle": ("ReceiptHandleIsInvalid", True), "timeout": ("InvalidParameterValue", True)}
    assert subject.depth(url) == (1, 1, 0)


def test_change_what_is_not_in_flight(subject, refused):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html"""
    url = subject.create_queue()
    subject.send(url, "a")
    message = subject.receive_one(url)
    change(subject, url, message, 0)
    with refused("AWS.SimpleQueueService.MessageNotInflight"):
        change(subject, url, message, 60)


def test_change_what_is_deleted(subject, refused):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html"""
    url = subject.create_queue()
    subject.send(url, "a")
    message = subject.receive_one(url)
    subject.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    with refused("InvalidParameterValue"):
        change(subject, url, message, 60)


def test_nonsense_handles(subject, refused):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html"""
    url = subject.create_queue()
    with refused("ReceiptHandleIsInvalid"):
        subject.sqs.delete_message(QueueUrl=url, ReceiptHandle="nonsense")
    with refused("ReceiptHandleIsInvalid"):
        change(subject, url, {"ReceiptHandle": "nonsense"}, 0)


def test_handle_of_another_queue(subject, refused):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html"""
    url, other = subject.create_queue(), subject.create_queue()
    subject.send(url, "a")
    handle = subject.receive_one(url)["ReceiptHandle"]
    with refused("ReceiptHandleIsInvalid"):
        subject.sqs.delete_message(QueueUrl=other, ReceiptHandle=handle)
    assert subject.depth(url) == (0, 1, 0)


def test_delete(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html"""
    url = subject.create_queue()
    subject.send(url, "a")
    handle = subject.receive_one(url)["ReceiptHandle"]
    subject.sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
    assert subject.depth(url) == (0, 0, 0)
    # deleting again is well
    subject.sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)


def test_delete_late(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html"""
    url = subject.create_queue()
    subject.send(url, "a")
    handle = subject.receive_one(url, VisibilityTimeout=0)["ReceiptHandle"]
    # nobody has received it since
    subject.sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
    assert subject.depth(url) == (0, 0, 0)


def test_delete_with_an_old_handle(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html"""
    url = subject.create_queue()
    subject.send(url, "a")
    handle = subject.receive_one(url, VisibilityTimeout=0)["ReceiptHandle"]
    subject.receive_one(url)
    # the request succeeds, whether or not the message is deleted
    subject.sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)


def test_delete_batch(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessageBatch.html"""
    url = subject.create_queue()
    subject.send(url, *map(str, range(10)))
    entries = [
        {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
        for index, message in enumerate(subject.receive(url))
    ]
    answer = subject.sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    assert {result["Id"] for result in answer["Successful"]} == set(map(str, range(10)))
    assert answer.get("Failed", []) == []
    assert subject.depth(url) == (0, 0, 0)


def test_delete_batch_partially(subject):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessageBatch.html"""
    url = subject.create_queue()
    subject.send(url, "a")
    handle = subject.receive_one(url)["ReceiptHandle"]
    entries = [{"Id": "bad", "ReceiptHandle": "nonsense"}, {"Id": "good", "ReceiptHandle": handle}]
    answer = subject.sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    assert [result["Id"] for result in answer["Successful"]] == ["good"]
    failed = [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in answer["Failed"]]
    assert failed == [("bad", "ReceiptHandleIsInvalid", True)]
    assert subject.depth(url) == (0, 0, 0)


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        pytest.param([], "EmptyBatchRequest", id="empty"),
        pytest.param([str(index) for index in range(11)], "TooManyEntriesInBatchRequest", id="too many"),
        pytest.param(["a", "a"], "BatchEntryIdsNotDistinct", id="repeated"),
        pytest.param(["a b"], "InvalidBatchEntryId", id="space"),
    ],
)
@pytest.mark.parametrize("method", ["delete_message_batch", "change_message_visibility_batch"])
def test_batch_refused(subject, refused, method, ids, code):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessageBatch.html"""
    url = subject.create_queue()
    extra = {"VisibilityTimeout": 0} if "visibility" in method else {}
    entries = [{"Id": key, "ReceiptHandle": "handle", **extra} for key in ids]
    with refused(f"AWS.SimpleQueueService.{code}"):
        getattr(subject.sqs, method)(QueueUrl=url, Entries=entries)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("delete_message", {"ReceiptHandle": 1}),
        ("delete_message", {}),
        ("delete_message_batch", {"Entries": [{"Id": "0"}]}),
        ("change_message_visibility", {"ReceiptHandle": "a", "VisibilityTimeout": "0"}),
        ("change_message_visibility", {"ReceiptHandle": "a", "VisibilityTimeout": 0.5}),
        ("change_message_visibility_batch", {"Entries": {}}),
    ],
    ids=str,
)
def test_wrong_types(subject, method, arguments):
    """https://docs.aws.amazon.com/boto3/latest/guide/error-handling.html"""
    with pytest.raises(ParamValidationError):
        getattr(subject.sqs, method)(QueueUrl="http://localhost/queue", **arguments)
