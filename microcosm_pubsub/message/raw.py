"""
The dicts that clients take and answer, in boto3's spelling.

Of a queue's answer no key is sure, and it may have others: the queue may be anybody's.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Message.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Required, TypeAlias, TypedDict


class MessageAttribute(TypedDict, total=False):
    """One attribute that the sender gave a message."""

    DataType: str
    StringValue: str
    BinaryValue: bytes


MessageAttributes: TypeAlias = Mapping[str, MessageAttribute]


class RawMessage(TypedDict, total=False):
    """A message as `receive_message` gives it."""

    MessageId: str
    ReceiptHandle: str
    Body: str
    MD5OfBody: str
    MD5OfMessageAttributes: str
    Attributes: Mapping[str, str]
    MessageAttributes: MessageAttributes


class ReceiveAnswer(TypedDict, total=False):
    """The answer of `receive_message`; without `Messages` if there are none."""

    Messages: list[RawMessage]


class SettleEntry(TypedDict, total=False):
    """A message in a call that deletes several, or makes them visible again."""

    Id: Required[str]
    ReceiptHandle: Required[str]
    VisibilityTimeout: int


class TakenEntry(TypedDict, total=False):
    """An entry that a batch call took; of a message that was sent, with its id."""

    Id: Required[str]
    MessageId: str
    SequenceNumber: str


class FailedEntry(TypedDict, total=False):
    """An entry that a batch call did not take."""

    Id: str
    Code: str
    Message: str
    SenderFault: bool


class BatchAnswer(TypedDict, total=False):
    """The answer of a batch call: each entry is in one of both lists."""

    Successful: Sequence[TakenEntry]
    Failed: Sequence[FailedEntry]


class SendAnswer(TypedDict, total=False):
    """The answer of `send_message` and `publish`."""

    MessageId: str
    SequenceNumber: str
