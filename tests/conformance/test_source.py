"""
What a daemon needs of any source of messages: receive, delete, change visibility. Readers are sources too.
"""

from dataclasses import dataclass
from json import dumps
from typing import Any

import pytest

from microcosm_pubsub.reader import SQSFileReader, SQSJsonReader


@dataclass
class Source:
    """A client with one message to give."""

    client: Any
    url: str
    body: str

    def receive(self):
        return self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", [])

    def receive_one(self):
        (message,) = self.receive()
        return message


MESSAGE = {"mediaType": "application/json", "colour": "red"}


@pytest.fixture
def source(source_name, get_subject, tmp_path):
    body = dumps(MESSAGE)
    if source_name == "SQSJsonReader":
        yield Source(SQSJsonReader(MESSAGE), "", body)
    elif source_name == "SQSFileReader":
        path = tmp_path / "messages.json"
        path.write_text(f"{body}\n")
        reader = SQSFileReader(str(path))
        with reader.file:
            yield Source(reader, str(path), body)
    else:
        subject = get_subject(source_name)
        url = subject.create_queue()
        subject.send(url, body)
        yield Source(subject.sqs, url, body)


def test_receive(source):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html"""
    message = source.receive_one()
    assert message["Body"] == source.body
    assert message["MessageId"]
    assert message["ReceiptHandle"]


def test_drained(source):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html"""
    source.receive_one()
    assert source.receive() == []


def test_delete(source):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html"""
    handle = source.receive_one()["ReceiptHandle"]
    source.client.delete_message(QueueUrl=source.url, ReceiptHandle=handle)


def test_delete_batch(source):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessageBatch.html"""
    entries = [{"Id": "0", "ReceiptHandle": source.receive_one()["ReceiptHandle"]}]
    answer = source.client.delete_message_batch(QueueUrl=source.url, Entries=entries)
    assert [result["Id"] for result in answer["Successful"]] == ["0"]
    assert not answer.get("Failed")


def test_change_batch(source):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibilityBatch.html"""
    entries = [{"Id": "0", "ReceiptHandle": source.receive_one()["ReceiptHandle"], "VisibilityTimeout": 60}]
    answer = source.client.change_message_visibility_batch(QueueUrl=source.url, Entries=entries)
    assert [result["Id"] for result in answer["Successful"]] == ["0"]
    assert not answer.get("Failed")


def test_release(source):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html"""
    handle = source.receive_one()["ReceiptHandle"]
    source.client.change_message_visibility(QueueUrl=source.url, ReceiptHandle=handle, VisibilityTimeout=0)
    assert source.receive_one()["Body"] == source.body


def test_nonsense_handle(source, refused):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html"""
    with refused("ReceiptHandleIsInvalid"):
        source.client.delete_message(QueueUrl=source.url, ReceiptHandle="nonsense")
